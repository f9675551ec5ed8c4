"""From the unit cube back to camera space and pixels, inside of a graph."""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

from keras_handpose.checks import check_positive

__all__ = ["UnitToCamera"]


@keras.saving.register_keras_serializable(package="keras_handpose")
class UnitToCamera(keras.layers.Layer):
    """Bring joints from the unit cube, as `HandCrop` shows it, to camera space and to the frame's pixels.

    It computes what `Crop.unit_to_xyz` and `xyz_to_uvd` do, in float32 under any dtype policy, and has no weights.

    Args:
        cube: Edge of the cube in mm.

    Call arguments:
        joints_unit: Joints ``(batch, joints, 3)``, unit cube.
        centre_xyz: The cubes' centres in mm, ``(batch, 3)``; NaN makes the hand's joints NaN.
        mirror: Which crops were mirrored, booleans ``(batch,)``.
        camera: The cameras, ``fx fy cx cy`` in px, ``(batch, 4)``.

    Returns:
        ``joints_xyz`` in mm and ``joints_uvd`` in px, px, mm, both ``(batch, joints, 3)``. A joint that does not lie
        in front of the camera has NaN for u and v.

    Raises:
        ValueError: `cube` is not positive.

    See Also:
        `HandCrop`, whose cube it is.

    Example:
        >>> joints_unit, centre_xyz = np.zeros((1, 21, 3), "float32"), np.float32([[0, 0, 400]])
        >>> mirror, camera = np.array([False]), np.float32([[240, 240, 160, 120]])
        >>> joints_xyz, joints_uvd = UnitToCamera(250)(joints_unit, centre_xyz, mirror, camera)
        >>> [float(value) for value in joints_uvd[0, 0]]
        [160.0, 120.0, 400.0]
    """

    def __init__(self, cube, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})
        self.cube = check_positive(cube, "cube", "edge in mm")

    def call(self, joints_unit, centre_xyz, mirror, camera):
        mirror = ops.reshape(ops.cast(mirror, "float32"), (-1, 1, 1))
        mm_per_unit = self.cube / 2 * (1.0 - ops.multiply(np.float32([2, 0, 0]), mirror))
        joints_xyz = joints_unit * mm_per_unit + ops.reshape(centre_xyz, (-1, 1, 3))
        focal, principal = ops.split(ops.reshape(camera, (-1, 1, 4)), 2, axis=-1)
        xy, z = ops.split(joints_xyz, [2], axis=-1)
        joints_uv = xy * focal / ops.where(z > 0.0, z, np.nan) + principal
        return joints_xyz, ops.concatenate([joints_uv, z], axis=-1)

    def compute_output_shape(self, joints_unit_shape, centre_xyz_shape=None, mirror_shape=None, camera_shape=None):
        return joints_unit_shape, joints_unit_shape

    def get_config(self):
        return {**super().get_config(), "cube": self.cube}
