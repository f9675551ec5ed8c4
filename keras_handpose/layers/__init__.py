"""The network's blocks, each usable by itself in anyone's Keras model, on every Keras backend.

All of them take channels-last feature maps ``(batch, height, width, channels)``.
"""

from keras_handpose.layers.attention_module import AttentionModule
from keras_handpose.layers.pca_prior import PCAPrior
from keras_handpose.layers.residual_unit import ResidualUnit

__all__ = ["AttentionModule", "PCAPrior", "ResidualUnit"]
