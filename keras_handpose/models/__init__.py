"""Networks and their weights. Presets are plain data: looking at them does not import Keras."""

from __future__ import annotations

__all__ = ["ResidualAttentionRegressor", "count_macs", "hand_pose_pipeline"]


def __getattr__(name: str):
    if name == "ResidualAttentionRegressor":
        from keras_handpose.models.residual_attention import ResidualAttentionRegressor

        return ResidualAttentionRegressor
    if name == "count_macs":
        from keras_handpose.models.macs import count_macs

        return count_macs
    if name == "hand_pose_pipeline":
        from keras_handpose.models.pipeline import hand_pose_pipeline

        return hand_pose_pipeline
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
