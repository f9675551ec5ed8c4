"""The network's blocks and the steps around it, each usable by itself in anyone's Keras model, on every Keras backend.

Blocks take channels-last feature maps ``(batch, height, width, channels)``. `HandDetector`, `HandCrop` and
`UnitToCamera` are the pre-processing and its inverse inside of a graph: from depth frames to crops, and from the
network's joints to camera space.
"""

from keras_handpose.layers.attention_module import AttentionModule
from keras_handpose.layers.hand_crop import HandCrop
from keras_handpose.layers.hand_detector import HandDetector
from keras_handpose.layers.pca_prior import PCAPrior
from keras_handpose.layers.residual_unit import ResidualUnit
from keras_handpose.layers.soft_argmax import SoftArgmax
from keras_handpose.layers.unit_to_camera import UnitToCamera

__all__ = ["AttentionModule", "HandCrop", "HandDetector", "PCAPrior", "ResidualUnit", "SoftArgmax", "UnitToCamera"]
