"""Networks and their weights. Presets are plain data: looking at them does not import Keras."""

from __future__ import annotations

from keras_handpose.lazy_names import lazily

_ORIGINS = {
    "ResidualAttentionRegressor": "residual_attention",
    "count_macs": "macs",
    "hand_pose_pipeline": "pipeline",
}

__all__ = list(_ORIGINS)

__getattr__, __dir__ = lazily(__name__, _ORIGINS)
