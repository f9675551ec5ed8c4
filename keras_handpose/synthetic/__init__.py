"""The rendered hand: kinematics, surface, exact depth and sensor noise, for labelled frames of any camera.

From the bottom up: `anatomy` (whose hand), `definitions` and `kinematics` (where the joints are), `poses` (which
angles), `surface` (the skin), `solids`, `held` and `clutter` (what is in and around it), `views` (from where),
`rendering` (exact depth), `sensors` (what is reported of it), `scenes` (all of it before a camera), `crops` (what a
network learns from), `render_process` (the same on all cores), `held_out` (the benchmark), `studio` (labelled frames of
a camera), `files` (whole datasets on disk), `motion` (a hand that moves).
"""

from keras_handpose.synthetic.anatomy import HandShapes, sample_shapes
from keras_handpose.synthetic.crops import RIGS, Rig, iterate_crops, render_crops, sample_poses
from keras_handpose.synthetic.files import LAYOUTS, write_frames
from keras_handpose.synthetic.held_out import SLICES, describe_test_set, rendered_slice, rendered_test_set
from keras_handpose.synthetic.kinematics import LANDMARKS, HandAngles, PosedHands, landmarks_to_joints, pose_hands
from keras_handpose.synthetic.motion import RenderedMotion
from keras_handpose.synthetic.poses import PoseMix, sample_angles
from keras_handpose.synthetic.rendering import render_solids, render_spheres
from keras_handpose.synthetic.scenes import Ingredients, Scenes, sample_scenes
from keras_handpose.synthetic.sensors import SENSORS, Sensor, sense
from keras_handpose.synthetic.surface import cover_with_spheres

__all__ = [
    "LANDMARKS",
    "LAYOUTS",
    "RIGS",
    "SENSORS",
    "SLICES",
    "HandAngles",
    "HandShapes",
    "Ingredients",
    "PoseMix",
    "PosedHands",
    "RenderedMotion",
    "Rig",
    "Scenes",
    "Sensor",
    "cover_with_spheres",
    "describe_test_set",
    "iterate_crops",
    "landmarks_to_joints",
    "pose_hands",
    "render_crops",
    "render_solids",
    "render_spheres",
    "rendered_slice",
    "rendered_test_set",
    "sample_angles",
    "sample_poses",
    "sample_scenes",
    "sample_shapes",
    "sense",
    "write_frames",
]
