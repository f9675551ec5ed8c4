"""The whole way from a depth frame to joints in millimetres as one model."""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

from keras_handpose.layers import HandCrop, HandDetector, UnitToCamera
from keras_handpose.preprocessing import BACKGROUND

__all__ = ["hand_pose_pipeline"]


def hand_pose_pipeline(
    network: keras.Model,
    *,
    cube: float,
    min_score: float = 0.3,
    name: str = "hand_pose_pipeline",
) -> keras.Model:
    """Put detection, crop and the way back to camera space around a network.

    The model's inputs and outputs are dictionaries. In go ``depth`` ``(batch, height, width)`` in mm, frames of any
    size; ``camera`` ``(batch, 4)``, ``fx fy cx cy`` in px; ``mirror`` ``(batch,)``, booleans, true for the hand that
    the network does not know; and ``centre`` ``(batch, 3)``, the hands' centres in mm or zeros where the hand is to be
    found. Out come ``joints_xyz`` (mm) and ``joints_uvd`` (px, px, mm), ``(batch, joints, 3)``; ``centre_xyz``
    ``(batch, 3)``, ``found`` ``(batch,)``, booleans, and ``score`` ``(batch,)``. Where no hand was found, joints and
    centre are NaN.

    Args:
        network: From crops ``(batch, size, size, 1)`` to ``joints_unit`` ``(batch, joints, 3)``.
        cube: Edge in mm of the cube around the hand that the network was trained for.
        min_score: Evidence from which on something is a hand; see `detect_hand`.
        name: The model's name.

    Returns:
        A functional `keras.Model`; the network is one of its layers.

    Raises:
        ValueError: The network's input or output does not have these shapes, or `cube` or `min_score` is wrong.

    See Also:
        `keras_handpose.HandPoseEstimator`, which does the same frame by frame and reads all kinds of frames.

    Example:
        >>> crop = keras.Input((32, 32, 1))
        >>> joints_unit = keras.layers.Reshape((21, 3))(keras.layers.Dense(63)(keras.layers.Flatten()(crop)))
        >>> pipeline = hand_pose_pipeline(keras.Model(crop, joints_unit), cube=250)
        >>> frame = np.zeros((1, 240, 320), "float32")
        >>> camera, mirror, centre = np.float32([[241.42, 241.42, 160, 120]]), np.array([False]), np.zeros((1, 3))
        >>> pose = pipeline({"depth": frame, "camera": camera, "mirror": mirror, "centre": centre})
        >>> bool(pose["found"][0]), tuple(pose["joints_xyz"].shape)
        (False, (1, 21, 3))
    """
    size = _crop_size(network)

    # === Inputs ===
    depth = keras.Input((None, None), name="depth", dtype="float32")
    camera = keras.Input((4,), name="camera", dtype="float32")
    mirror = keras.Input((), name="mirror", dtype="bool")
    centre = keras.Input((3,), name="centre", dtype="float32")

    # === Body ===
    centre_xyz, score = HandDetector(cube, min_score=min_score, name="detect")(depth, camera, centre)
    crop = HandCrop(cube, size=size, name="crop")(depth, camera, centre_xyz, mirror)
    joints_unit = network(crop)

    # === Head ===
    found = ops.min(crop, axis=(1, 2, 3)) < BACKGROUND  # Without a centre the crop shows nothing.
    centre_xyz = ops.where(ops.expand_dims(found, -1), centre_xyz, np.nan)
    score = ops.where(found | (score < min_score), score, 0.0)  # A given centre with nothing around it.
    joints_xyz, joints_uvd = UnitToCamera(cube, name="camera_space")(joints_unit, centre_xyz, mirror, camera)
    return keras.Model(
        {"depth": depth, "camera": camera, "mirror": mirror, "centre": centre},
        {
            "joints_xyz": joints_xyz,
            "joints_uvd": joints_uvd,
            "centre_xyz": centre_xyz,
            "found": found,
            "score": score,
        },
        name=name,
    )


def _crop_size(network: keras.Model) -> int:
    match network.input_shape, network.output_shape:
        case (None, int(height), int(width), 1), (None, int(), 3) if height == width:
            return height
    raise ValueError(
        "A network goes from crops (batch, size, size, 1) to joints (batch, joints, 3). "
        f"Received: {network.name!r} from {network.input_shape} to {network.output_shape}."
    )
