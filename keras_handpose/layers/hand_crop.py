"""The cube crop inside of a graph, as `keras_handpose.preprocessing.crop_hand` cuts it."""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

from keras_handpose.checks import check_positive
from keras_handpose.layers.sampling import FAR, at_crossings, cut_off, lens, within
from keras_handpose.preprocessing.crop import BACKGROUND, check_size

__all__ = ["HandCrop"]


@keras.saving.register_keras_serializable(package="keras_handpose")
class HandCrop(keras.layers.Layer):
    """Cut the cubes around hands out of depth frames: `crop_hand` as part of a model.

    It computes the same, in float32 under any dtype policy, and has no weights. Frames of any size are taken, also of
    one that is only known when the model runs.

    Args:
        cube: Edge of the cube in mm.
        size: Edge of the crop in px.

    Call arguments:
        depth: Frames ``(batch, height, width)`` in mm; 0, negative, NaN and infinite mean "no depth".
        camera: The cameras that took them, ``fx fy cx cy`` in px, ``(batch, 4)``.
        centre_xyz: The hands' centres in mm, ``(batch, 3)``. One that is not finite and in front of the camera gives
            a crop that is all background.
        mirror: Which crops to mirror left to right, booleans ``(batch,)``; by default none.

    Returns:
        Crops ``(batch, size, size, 1)`` of normalised depth in (-1, 1], background exactly 1.0.

    Raises:
        ValueError: `cube` is not positive, or `size` not a whole number of px from 1 to 4096.

    See Also:
        `UnitToCamera`, the way back for joints; `keras_handpose.preprocessing.crop_hand`.

    Example:
        >>> frame = np.full((1, 240, 320), 425, "float32")
        >>> crop = HandCrop(250)(frame, np.float32([[241.42, 241.42, 160, 120]]), np.float32([[0, 0, 400]]))
        >>> tuple(crop.shape), round(float(crop[0, 64, 64, 0]), 6)
        ((1, 128, 128, 1), 0.2)
    """

    def __init__(self, cube, *, size=128, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})
        self.cube = check_positive(cube, "cube", "edge in mm")
        self.size = check_size(size)

    def call(self, depth, camera, centre_xyz, mirror=None):
        depth = ops.cast(depth, "float32")
        focal, principal = lens(camera)
        xy, z = ops.split(ops.reshape(centre_xyz, (-1, 3, 1, 1)), [2], axis=1)
        px_per_mm = focal / ops.where(z > 0.0, z, np.nan)

        samples = (np.arange(self.size) - (self.size - 1) / 2) * (self.cube / self.size)
        samples = ops.convert_to_tensor(samples.astype(np.float32)[:, None])
        if mirror is not None:
            mirror = ops.reshape(ops.cast(mirror, "float32"), (-1, 1, 1, 1))
            samples = samples * (1.0 - ops.multiply(np.float32([[[2]], [[0]]]), mirror))
        uv = px_per_mm * (samples + xy) + principal
        sampled, outside = at_crossings(depth, cut_off(uv, ops.abs(uv) < FAR, FAR))

        back = z + self.cube / 2
        half = ops.minimum(back, self.cube) * 0.5
        before = sampled - back
        before = cut_off(before, within(before, outside, -half, half), 0.0)
        return ops.reshape(before * (2 / self.cube) + BACKGROUND, (-1, self.size, self.size, 1))

    def compute_output_shape(self, depth_shape, camera_shape=None, centre_xyz_shape=None, mirror_shape=None):
        return depth_shape[0], self.size, self.size, 1

    def get_config(self):
        return {**super().get_config(), "cube": self.cube, "size": self.size}
