"""A depth frame and a camera in, 3D hand joints in millimetres out, built from Keras blocks you can reuse.

Names are imported when they are first used: pre-processing does not wait for Keras, nor anything for matplotlib.
"""

from keras_handpose.lazy_names import lazily

__version__ = "0.1.0"

_MODULES = {
    "cameras": "cameras",
    "skeletons": "skeletons",
    "preprocessing": "preprocessing",
    "capture": "capture",
    "datasets": "datasets",
    "synthetic": "synthetic",
    "layers": "layers",
    "models": "models",
    "estimator": "estimator",
    "weights": "models.weights",
    "evaluation": "evaluation",
    "exporting": "exporting",
    "training": "training",
    "tuning": "tuning",
    "plotting": "plotting",
    "live": "live",
}
_ORIGINS = {
    "CAMERAS": "cameras",
    "Camera": "cameras",
    "uvd_to_xyz": "cameras",
    "xyz_to_uvd": "cameras",
    "HAND56": "skeletons",
    "ICVL16": "skeletons",
    "MSRA21": "skeletons",
    "NYU14": "skeletons",
    "SKELETONS": "skeletons",
    "Skeleton": "skeletons",
    "convert_joints": "skeletons",
    "corresponding_joints": "skeletons",
    "Crop": "preprocessing",
    "Detection": "preprocessing",
    "HandCube": "preprocessing",
    "crop_hand": "preprocessing",
    "decode_predictions": "preprocessing",
    "detect_hand": "preprocessing",
    "preprocess_input": "preprocessing",
    "read_depth": "preprocessing",
    "refine_centre": "preprocessing",
    "AttentionModule": "layers",
    "HandCrop": "layers",
    "HandDetector": "layers",
    "PCAPrior": "layers",
    "ResidualUnit": "layers",
    "SoftArgmax": "layers",
    "UnitToCamera": "layers",
    "JointLoss": "models.metrics",
    "MeanJointErrorMM": "models.metrics",
    "ResidualAttentionRegressor": "models",
    "hand_pose_pipeline": "models",
    "BothHands": "estimator",
    "HandPoseEstimator": "estimator",
    "OneEuroFilter": "estimator",
    "Pose": "estimator",
    "export": "exporting",
    "plot_errors": "plotting",
    "plot_overlays": "plotting",
    "plot_pose": "plotting",
    "plot_poses": "plotting",
}

__all__ = ["__version__", *_MODULES, *_ORIGINS]

__getattr__, __dir__ = lazily(__name__, _ORIGINS, modules=_MODULES)
