"""What is minimised and what the field reports, over joints in the unit cube.

Where the crops' cubes differ, a target carries its own as a fourth coordinate: ``(batch, joints, 4)``. A metric that
was given one cube for all does not take such targets: shapes are known in compiled steps, too, values are not.
"""

from __future__ import annotations

import math

import keras
import numpy as np
from keras import ops

from keras_handpose.checks import as_array, as_number

__all__ = ["JointLoss", "MeanJointErrorMM"]


@keras.saving.register_keras_serializable(package="keras_handpose")
class JointLoss(keras.losses.Loss):
    """Mean over crops, joints and coordinates of the squared difference in the unit cube, or of its Huber loss.

    Args:
        huber_delta: Where the loss turns from squared to absolute; None for the squared difference throughout.

    Shape:
        Targets ``(batch, joints, 3)``, or ``(batch, joints, 4)`` with a last coordinate that is passed over;
        predictions ``(batch, joints, 3)``. Sample weights ``(batch,)`` or ``(batch, joints)``.

    Raises:
        ValueError: `huber_delta` is not positive, or the joints are no numbers or do not have these shapes.

    See Also:
        `MeanJointErrorMM`, which says the same in mm.

    Example:
        >>> float(JointLoss()(ops.zeros((2, 21, 4)), ops.ones((2, 21, 3))))
        1.0
    """

    def __init__(self, huber_delta=None, *, name="joint_loss", **kwargs):
        super().__init__(name=name, **kwargs)
        if huber_delta is not None and not 0 < as_number(huber_delta) < math.inf:
            raise ValueError(
                f"`huber_delta` must be a positive distance in the unit cube, or None. Received: {huber_delta!r}."
            )
        self.huber_delta = None if huber_delta is None else float(huber_delta)

    def __call__(self, y_true, y_pred, sample_weight=None):
        if sample_weight is not None:
            sample_weight = ops.convert_to_tensor(sample_weight, self.dtype)
            if len(sample_weight.shape) == 1:
                # Keras would set the crops' weights against the joints.
                sample_weight = ops.expand_dims(sample_weight, axis=-1)
        # Of a list Keras would take every number for an output of its own.
        return super().__call__(_tensor(y_true), _tensor(y_pred), sample_weight)

    def call(self, y_true, y_pred):
        _check(y_true, y_pred, coordinates=(3, 4), advice="")
        if self.huber_delta is None:
            return keras.losses.mean_squared_error(y_true[..., :3], y_pred)
        return keras.losses.huber(y_true[..., :3], y_pred, delta=self.huber_delta)

    def get_config(self):
        return {**super().get_config(), "huber_delta": self.huber_delta}


@keras.saving.register_keras_serializable(package="keras_handpose")
class MeanJointErrorMM(keras.metrics.Mean):
    """Mean distance of predicted from true joints in mm (Eq. 3 of the paper).

    In ``model.compile(optimizer, JointLoss(), metrics=[MeanJointErrorMM(cube=250.0)])`` it lets `fit` show
    millimetres. It computes in float32 under any dtype policy.

    Args:
        cube: Edge in mm of the cube that all are relative to; None where every target carries its own.

    Shape:
        Predictions ``(batch, joints, 3)``. Targets ``(batch, joints, 3)`` with `cube`, and ``(batch, joints, 4)``
        without it, the fourth coordinate being the edge of the target's cube in mm. Sample weights ``(batch,)`` or
        ``(batch, joints)``.

    Raises:
        ValueError: `cube` is not positive, or the joints are no numbers or do not have these shapes. Of two cubes, one
            given and one carried, neither is passed over.

    Example:
        >>> metric = MeanJointErrorMM(cube=250.0)
        >>> metric.update_state(ops.zeros((2, 21, 3)), ops.full((2, 21, 3), 0.08))
        >>> round(float(metric.result()), 3)
        17.321
    """

    def __init__(self, cube=None, *, name="mean_error_mm", **kwargs):
        super().__init__(name=name, **kwargs)
        if cube is not None and not 0 < as_number(cube) < math.inf:
            raise ValueError(
                "`cube` must be a positive edge in mm, or None where every target carries its own. "
                f"Received: cube={cube!r}."
            )
        self.cube = None if cube is None else float(cube)

    def update_state(self, y_true, y_pred, sample_weight=None):
        y_true, y_pred = (ops.convert_to_tensor(_tensor(joints), self.dtype) for joints in (y_true, y_pred))
        if self.cube is None:
            # Past the last coordinate JAX would take the last one for the cube.
            advice = " Pass `cube` where targets do not carry theirs as a fourth coordinate."
            _check(y_true, y_pred, coordinates=(4,), advice=advice)
            truth, cube = y_true[..., :3], y_true[..., 3]
        else:
            advice = f" Leave `cube={self.cube:g}` out where targets carry theirs as a fourth coordinate."
            _check(y_true, y_pred, coordinates=(3,), advice=advice)
            truth, cube = y_true, self.cube  # Not cut: a size that was not known above must not be passed over.
        distance = ops.sqrt(ops.sum(ops.square(y_pred - truth), axis=-1))
        return super().update_state(distance * (cube / 2.0), sample_weight)

    def get_config(self):
        return {**super().get_config(), "cube": self.cube}


def _tensor(joints):
    """Return tensors of any kind as they are, and all else as an array of numbers."""
    if hasattr(joints, "shape") and not isinstance(joints, np.ndarray):
        return joints
    array = as_array(joints)
    if array.dtype.kind in "OSUMmc":
        raise ValueError(
            "Targets and predictions must be numbers in the unit cube, of shape (batch, joints, 3). "
            f"Received: a {type(joints).__name__} of something else, or of unequal lengths."
        )
    return array


def _check(y_true, y_pred, *, coordinates, advice):
    """Refuse joints that would be broadcast or cut to others; sizes that are not known yet pass."""
    truth, predicted = tuple(y_true.shape), tuple(y_pred.shape)
    fits = (
        len(truth) == len(predicted) >= 2
        and truth[-1] in (*coordinates, None)
        and predicted[-1] in (3, None)
        and all(
            ours == theirs or None in (ours, theirs) for ours, theirs in zip(truth[:-1], predicted[:-1], strict=True)
        )
    )
    if not fits:
        raise ValueError(
            f"Targets must have shape (batch, joints, {' or '.join(map(str, coordinates))}) and predictions "
            f"(batch, joints, 3) with as many joints. Received: {truth} and {predicted}.{advice}"
        )
