"""From a depth frame to what the network sees: finding the hand, the cube around it, the crop and its inverse."""

from keras_handpose.preprocessing.crop import BACKGROUND, Crop, crop_hand, refine_centre
from keras_handpose.preprocessing.cube import HandCube
from keras_handpose.preprocessing.detection import Detection, detect_hand, hand_candidates, track_hand
from keras_handpose.preprocessing.frames import FRAME_FORMATS, check_depth, list_depth_files, read_depth
from keras_handpose.preprocessing.network_input import decode_predictions, preprocess_input
from keras_handpose.preprocessing.objects import remove_object

__all__ = [
    "BACKGROUND",
    "FRAME_FORMATS",
    "Crop",
    "Detection",
    "HandCube",
    "check_depth",
    "crop_hand",
    "decode_predictions",
    "detect_hand",
    "hand_candidates",
    "list_depth_files",
    "preprocess_input",
    "read_depth",
    "refine_centre",
    "remove_object",
    "track_hand",
]
