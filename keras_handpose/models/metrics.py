"""The error that the field reports, as a Keras metric."""

from __future__ import annotations

import keras
from keras import ops

__all__ = ["MeanJointErrorMM"]


@keras.saving.register_keras_serializable(package="keras_handpose")
class MeanJointErrorMM(keras.metrics.Mean):
    """Mean distance of predicted from true joints in mm (Eq. 3 of the paper).

    Args:
        cube: Edge in mm of the cube that both are relative to.

    Example:
        >>> metric = MeanJointErrorMM(cube=250.0)
        >>> metric.update_state(ops.zeros((2, 21, 3)), ops.full((2, 21, 3), 0.08))
        >>> round(float(metric.result()), 3)
        17.321
    """

    def __init__(self, cube, *, name="mean_error_mm", **kwargs):
        super().__init__(name=name, **kwargs)
        self.cube = cube

    def update_state(self, y_true, y_pred, sample_weight=None):
        difference = ops.cast(y_pred, self.dtype) - ops.cast(y_true, self.dtype)
        distance = ops.sqrt(ops.sum(ops.square(difference), axis=-1))
        return super().update_state(distance * (self.cube / 2.0), sample_weight)

    def get_config(self):
        return {**super().get_config(), "cube": self.cube}
