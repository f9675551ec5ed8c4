"""The pose prior: a linear layer that only knows poses a hand can take."""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

from keras_handpose.checks import are_whole

__all__ = ["PCAPrior"]


@keras.saving.register_keras_serializable(package="keras_handpose")
class PCAPrior(keras.layers.Layer):
    """Turn a short code into joints by the principal components of training poses: ``code @ W + b``.

    `adapt` fits ``W`` and ``b``. From then on they are frozen, unless asked otherwise, and as the rows of ``W`` are
    orthonormal, the squared error after the layer is that of the code plus a constant. Until adapted, ``W`` has random
    orthonormal rows, ``b`` is zero, and both are trained with the rest. The layer computes in float32 under any dtype
    policy. (Oberweger et al., Hands Deep in Deep Learning for Hand Pose Estimation, CVWW 2015.)

    Args:
        joints: Joints of a pose.
        components: Length of the code, at most ``3 * joints``.

    Shape:
        Code ``(..., components)`` to joints ``(..., joints, 3)``, unit cube.

    Raises:
        ValueError: `joints` or `components` is not a whole number, or `components` not between 1 and ``3 * joints``.

    Example:
        >>> poses = np.random.default_rng(0).normal(size=(100, 21, 3))
        >>> prior = PCAPrior(21, 30)
        >>> prior.adapt(poses)
        >>> tuple(prior(prior.encode(poses)).shape)
        (100, 21, 3)
    """

    def __init__(self, joints, components, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})
        if not are_whole(joints, components) or not 1 <= components <= 3 * joints:
            raise ValueError(
                "`joints` and `components` must be whole numbers, `components` between 1 and 3 * joints. "
                f"Received: components={components!r}, joints={joints!r}."
            )
        self.joints = int(joints)
        self.components = int(components)

    def build(self, input_shape=None):
        if input_shape is not None and input_shape[-1] != self.components:
            raise ValueError(
                f"The code's last axis must have the length of `components`, {self.components}. "
                f"Received: input_shape={tuple(input_shape)}."
            )
        size = 3 * self.joints
        self.basis = self.add_weight((self.components, size), initializer="orthogonal", name="basis")
        self.mean = self.add_weight((size,), initializer="zeros", name="mean")

    def call(self, inputs):
        return self._to_joints(ops.matmul(inputs, self.basis) + self.mean)

    def encode(self, joints_unit):
        """Return the codes whose joints are nearest to the given ones: the projection on the subspace.

        Args:
            joints_unit: Poses ``(n, joints, 3)``, unit cube.

        Returns:
            Codes ``(n, components)``.

        See Also:
            The layer's call, the inverse.
        """
        self._ensure_built()
        poses = ops.reshape(ops.convert_to_tensor(joints_unit, self.compute_dtype), (-1, 3 * self.joints))
        offsets = ops.transpose(poses - self.mean)
        # A trained basis is no longer orthonormal; its Gram matrix sees to that.
        gram = ops.matmul(self.basis, ops.transpose(self.basis))
        return ops.transpose(ops.solve(gram, ops.matmul(self.basis, offsets)))

    def adapt(self, joints_unit, *, trainable=False):
        """Fit the components and the mean to training poses by singular value decomposition.

        Call it before the model is compiled.

        Args:
            joints_unit: Poses ``(n, joints, 3)``, unit cube, more of them than components.
            trainable: Whether training may move them afterwards.

        Raises:
            ValueError: Wrong shape, too few poses, or a value that is not finite.
        """
        poses = np.asarray(joints_unit, np.float64)
        if poses.ndim != 3 or poses.shape[1:] != (self.joints, 3):
            raise ValueError(f"`joints_unit` must have shape (n, {self.joints}, 3). Received: {poses.shape}.")
        if len(poses) <= self.components:
            raise ValueError(
                f"{self.components} components need more than {self.components} poses. Received: {len(poses)} poses. "
                "Choose fewer components, or more poses."
            )
        if not np.isfinite(poses).all():
            broken = np.unique(np.nonzero(~np.isfinite(poses))[0])
            raise ValueError(
                f"`joints_unit` must be finite. Received: {len(broken)} poses with NaN or inf, the first at index "
                f"{broken[0]}. Leave out the frames without a hand."
            )
        flat = poses.reshape(len(poses), -1)
        mean = flat.mean(axis=0)
        basis = np.linalg.svd(flat - mean, full_matrices=False)[2][: self.components]
        # The sign of a component is arbitrary; this makes it reproducible.
        peaks = np.take_along_axis(basis, np.abs(basis).argmax(axis=1)[:, None], axis=1)
        self.assign(basis * np.sign(peaks), mean, trainable=trainable)

    def assign(self, basis, mean, *, trainable=False):
        """Set components and mean that were fitted elsewhere.

        Args:
            basis: Components, one a row, ``(components, 3 * joints)`` or ``(components, joints, 3)``.
            mean: The mean pose, ``(3 * joints,)`` or ``(joints, 3)``.
            trainable: Whether training may move them afterwards.

        Raises:
            ValueError: The shapes do not fit, or a value is not finite.
        """
        basis, mean = np.asarray(basis, np.float64), np.asarray(mean, np.float64)
        size = 3 * self.joints
        if len(basis) != self.components or basis.size != self.components * size or mean.size != size:
            raise ValueError(
                f"{self.components} components of {self.joints} joints need a basis of shape "
                f"({self.components}, {size}) and a mean of shape ({size},). Received: {basis.shape} and {mean.shape}."
            )
        if not (np.isfinite(basis).all() and np.isfinite(mean).all()):
            raise ValueError("`basis` and `mean` must be finite. Received: NaN or inf among them.")
        self._ensure_built()
        self.basis.assign(basis.reshape(self.components, size))
        self.mean.assign(mean.reshape(size))
        self.trainable = trainable

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.joints, 3)

    def get_config(self):
        # The base class keeps `trainable`: a fitted prior comes back frozen.
        return {**super().get_config(), "joints": self.joints, "components": self.components}

    def _to_joints(self, flat):
        return ops.reshape(flat, (*ops.shape(flat)[:-1], self.joints, 3))

    def _ensure_built(self):
        if not self.built:
            self.build((None, self.components))
            self.built = True
