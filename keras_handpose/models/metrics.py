"""What is minimised and what the field reports, over joints in the unit cube.

Where the crops' cubes differ, a target carries its own as a fourth coordinate: ``(batch, joints, 4)``.
"""

from __future__ import annotations

import keras
from keras import ops

__all__ = ["JointLoss", "MeanJointErrorMM"]


@keras.saving.register_keras_serializable(package="keras_handpose")
class JointLoss(keras.losses.Loss):
    """Mean over crops, joints and coordinates of the squared difference in the unit cube, or of its Huber loss.

    Args:
        huber_delta: Where the loss turns from squared to absolute; None for the squared difference throughout.

    Shape:
        Targets ``(batch, joints, 3)``, or ``(batch, joints, 4)`` with a last coordinate that is passed over;
        predictions ``(batch, joints, 3)``.

    Example:
        >>> float(JointLoss()(ops.zeros((2, 21, 4)), ops.ones((2, 21, 3))))
        1.0
    """

    def __init__(self, huber_delta=None, *, name="joint_loss", **kwargs):
        super().__init__(name=name, **kwargs)
        self.huber_delta = huber_delta

    def call(self, y_true, y_pred):
        if self.huber_delta is None:
            return keras.losses.mean_squared_error(y_true[..., :3], y_pred)
        return keras.losses.huber(y_true[..., :3], y_pred, delta=self.huber_delta)

    def get_config(self):
        return {**super().get_config(), "huber_delta": self.huber_delta}


@keras.saving.register_keras_serializable(package="keras_handpose")
class MeanJointErrorMM(keras.metrics.Mean):
    """Mean distance of predicted from true joints in mm (Eq. 3 of the paper).

    Args:
        cube: Edge in mm of the cube that both are relative to; None where every target carries its own.

    Shape:
        As for `JointLoss`; the target's fourth coordinate is the edge of its cube in mm.

    Example:
        >>> metric = MeanJointErrorMM(cube=250.0)
        >>> metric.update_state(ops.zeros((2, 21, 3)), ops.full((2, 21, 3), 0.08))
        >>> round(float(metric.result()), 3)
        17.321
    """

    def __init__(self, cube=None, *, name="mean_error_mm", **kwargs):
        super().__init__(name=name, **kwargs)
        self.cube = cube

    def update_state(self, y_true, y_pred, sample_weight=None):
        y_true = ops.cast(y_true, self.dtype)
        difference = ops.cast(y_pred, self.dtype) - y_true[..., :3]
        distance = ops.sqrt(ops.sum(ops.square(difference), axis=-1))
        cube = y_true[..., 3] if self.cube is None else self.cube
        return super().update_state(distance * (cube / 2.0), sample_weight)

    def get_config(self):
        return {**super().get_config(), "cube": self.cube}
