"""The cube crop inside of a graph, as `keras_handpose.preprocessing.crop_hand` cuts it."""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

from keras_handpose.layers.sampling import FAR, at_pixels, sound, within
from keras_handpose.preprocessing.crop import BACKGROUND

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
        ValueError: `cube` is not positive, or `size` not a whole number of px, at least 1.

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
        if not 0 < cube < np.inf:
            raise ValueError(f"`cube` must be a positive edge in mm. Received: cube={cube}.")
        if not isinstance(size, int) or size < 1:
            raise ValueError(f"`size` must be a whole number of px, at least 1. Received: size={size!r}.")
        self.cube = cube
        self.size = size

    def call(self, depth, camera, centre_xyz, mirror=None):
        depth = ops.cast(depth, "float32")
        camera = sound(camera)
        z = centre_xyz[:, 2:]
        px_per_mm = camera[:, :2] / ops.where(z > 0, z, np.nan)
        middle = px_per_mm * centre_xyz[:, :2] + camera[:, 2:]
        window = ops.concatenate([middle + 0.5, px_per_mm * (self.cube / self.size)], axis=-1)
        window = ops.where(ops.abs(window) < FAR, window, FAR)  # NaN becomes FAR, outside of the frame.
        middle_u, middle_v, step_u, step_v = (window[:, i : i + 1, None] for i in range(4))
        if mirror is not None:
            step_u = step_u * ops.reshape(1.0 - 2.0 * ops.cast(mirror, "float32"), (-1, 1, 1))

        samples = ops.arange(self.size, dtype="float32") - (self.size - 1) / 2
        sampled, outside = at_pixels(
            depth,
            ops.floor(samples * step_u + middle_u),
            ops.floor(samples[:, None] * step_v + middle_v),
        )
        z, per_mm = z[..., None], 2 / self.cube
        image = (sampled - z) * per_mm
        inside = within(image, outside, ops.maximum(-1.0, -z * per_mm), BACKGROUND)
        return ops.where(inside, image, BACKGROUND)[..., None]

    def compute_output_shape(self, depth_shape, camera_shape=None, centre_xyz_shape=None, mirror_shape=None):
        return depth_shape[0], self.size, self.size, 1

    def get_config(self):
        return {**super().get_config(), "cube": self.cube, "size": self.size}
