"""From a depth frame to what the network sees: finding the hand, the cube around it, the crop and its inverse."""

from keras_handpose.preprocessing.crop import BACKGROUND, Crop, crop_hand, refine_centre
from keras_handpose.preprocessing.cube import HandCube
from keras_handpose.preprocessing.detection import Detection, detect_hand
from keras_handpose.preprocessing.frames import FRAME_FORMATS, check_depth, read_depth

__all__ = [
    "BACKGROUND",
    "FRAME_FORMATS",
    "Crop",
    "Detection",
    "HandCube",
    "check_depth",
    "crop_hand",
    "detect_hand",
    "read_depth",
    "refine_centre",
]
