"""Finding the hand inside of a graph, as `keras_handpose.preprocessing.detect_hand` does."""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

from keras_handpose.layers.sampling import FAR, at_pixels, sound, within
from keras_handpose.preprocessing.crop import BEHIND, COARSE, CORE
from keras_handpose.preprocessing.detection import (
    COARSE_DIRECTIONS,
    DENSE_DIRECTIONS,
    FILLED_WITHIN,
    GRID,
    NEARNESS,
    OCCUPIED_WITHIN,
    OUTSIDE,
    STEPS,
    ring_samples,
)

__all__ = ["HandDetector"]

# What the centre-of-mass steps sum up: weights times 1, i and j, counted from the window's middle.
_FROM_MIDDLE = (np.arange(COARSE) - (COARSE - 1) / 2).astype(np.float32)
_MOMENTS = (
    np.stack([np.ones((COARSE, COARSE)), *np.meshgrid(_FROM_MIDDLE, _FROM_MIDDLE)], dtype=np.float32).reshape(3, -1).T
)
_NEIGHBOURS = np.eye(COARSE, k=1, dtype=np.float32) + np.eye(
    COARSE, k=-1, dtype=np.float32
)  # Beyond the window's border a sample is its own neighbour.
_NEIGHBOURS[[0, -1], [0, -1]] = 1


@keras.saving.register_keras_serializable(package="keras_handpose")
class HandDetector(keras.layers.Layer):
    """Find the hand closest to the camera in depth frames: `detect_hand` as part of a model.

    It computes the same, in float32 under any dtype policy, and has no weights. Frames of any size are taken, also of
    one that is only known when the model runs.

    Args:
        cube: Edge in mm of the cube that `HandCrop` will cut; it says how large the hand is.
        min_score: Evidence from which on something is a hand.

    Call arguments:
        depth: Frames ``(batch, height, width)`` in mm; 0, negative, NaN and infinite mean "no depth".
        camera: The cameras that took them, ``fx fy cx cy`` in px, ``(batch, 4)``.
        given_xyz: The hands' centres in mm where they are known, zeros where they are to be found, ``(batch, 3)``.

    Returns:
        The centres ``(batch, 3)`` in mm, NaN where there is no hand, and the evidence ``(batch,)`` for a hand in
        [0, 1]. A given centre comes back as it is, with evidence 1.

    Raises:
        ValueError: `cube` is not positive, or `min_score` not in (0, 1].

    See Also:
        `keras_handpose.preprocessing.detect_hand`, which also follows a hand from frame to frame.

    Example:
        >>> frame = np.zeros((1, 240, 320), "float32")
        >>> frame[:, 95:146, 135:186] = 400
        >>> centre_xyz, score = HandDetector(250)(frame, np.float32([[241.42, 241.42, 160, 120]]))
        >>> float(centre_xyz[0, 2])
        400.0
    """

    def __init__(self, cube, *, min_score=0.3, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})
        if not 0 < cube < np.inf:
            raise ValueError(f"`cube` must be a positive edge in mm. Received: cube={cube}.")
        if not 0 < min_score <= 1:
            raise ValueError(f"`min_score` must be in (0, 1]. Received: min_score={min_score}.")
        self.cube = cube
        self.min_score = min_score

    def call(self, depth, camera, given_xyz=None):
        depth = ops.cast(depth, "float32")
        camera = ops.reshape(sound(camera), (-1, 4, 1, 1))
        u, v, d = self._grid(depth)
        evidence = self._evidence(depth, camera, u, v, d, COARSE_DIRECTIONS)
        preference = ops.where(evidence < self.min_score, -FAR, evidence - d / (NEARNESS * self.cube))
        most_preferred = preference >= ops.max(preference, axis=-1, keepdims=True)
        best = ops.argmax(
            ops.cast(most_preferred, "int32"), axis=-1
        )  # Of floats it does not become a TFLite operation.
        centre = self._centre_of_mass(depth, camera, *(_point(values, best) for values in (u, v, d)))

        coarse = ops.max(evidence, axis=-1, keepdims=True)
        dense = self._evidence(depth, camera, *centre, DENSE_DIRECTIONS)
        score = ops.reshape(ops.where(coarse < self.min_score, coarse, dense), (-1, 1))
        u, v, z = centre
        x = (u - camera[:, 2]) * z / camera[:, 0]
        y = (v - camera[:, 3]) * z / camera[:, 1]
        centre_xyz = ops.reshape(ops.concatenate([x, y, z], axis=-1), (-1, 3))
        centre_xyz = ops.where(score < self.min_score, np.nan, centre_xyz)
        if given_xyz is not None:
            given = ops.any(ops.not_equal(given_xyz, 0.0), axis=-1, keepdims=True)
            centre_xyz = ops.where(given, given_xyz, centre_xyz)
            score = ops.where(given, 1.0, score)
        return centre_xyz, score[:, 0]

    def _grid(self, depth):
        """Return the points to try, ``u v d``, each of shape ``(batch or 1, 1, points)``."""
        _, height, width = ops.shape(depth)
        v, u = (
            ops.cast(np.arange(1, 2 * cells, 2, "int32") * length // (2 * cells), "float32")
            for cells, length in zip(GRID, (height, width), strict=True)
        )
        u, v = (ops.reshape(pixels, (1, 1, -1)) for pixels in ops.meshgrid(u, v))
        d, _ = at_pixels(depth, u, v)
        # What cannot be a hand goes far away, where it neither has evidence nor is preferred.
        return u, v, ops.minimum(ops.where(d > self.cube / 2, d, FAR), FAR)

    def _evidence(self, depth, camera, u, v, d, directions):
        """Return the evidence for a palm at points of shape ``(batch, 1, points)``, shape ``(batch, 1, points)``."""
        ring_u, ring_v = map(ops.convert_to_tensor, ring_samples(directions)[0] * np.float32(self.cube))
        sampled, outside = at_pixels(
            depth,
            ops.floor(ring_u * (camera[:, 0] / d) + (u + 0.5)),
            ops.floor(ring_v * (camera[:, 1] / d) + (v + 0.5)),
        )
        large, small = sampled[:, :directions], sampled[:, directions:]
        beyond, beyond_small = outside[:, :directions], outside[:, directions:]
        occupied = ops.cast(within(large, beyond, 0.0, d + OCCUPIED_WITHIN * self.cube), "float32")
        occupied = ops.mean(occupied + OUTSIDE * ops.minimum(beyond, 1.0), axis=1, keepdims=True)
        filled = within(small - d, beyond_small, -FILLED_WITHIN * self.cube, FILLED_WITHIN * self.cube)
        filled = ops.mean(ops.cast(filled, "float32"), axis=1, keepdims=True)
        return filled * ops.relu(1.0 - 2.0 * occupied)

    def _centre_of_mass(self, depth, camera, u, v, z):
        """Do the steps of `refine_centre` on ``u v d`` of shape ``(batch, 1, 1)``."""
        cube = self.cube
        columns = ops.convert_to_tensor(_FROM_MIDDLE)
        rows = ops.convert_to_tensor(_FROM_MIDDLE[:, None])
        for _ in range(STEPS):
            step_u, step_v = (CORE * cube / COARSE * camera[:, axis] / z for axis in (0, 1))
            sampled, outside = at_pixels(
                depth,
                ops.floor(columns * step_u + (u + 0.5)),
                ops.floor(rows * step_v + (v + 0.5)),
            )
            nearer = sampled - z
            inside = within(nearer, outside, ops.maximum(-z, -CORE * cube / 2), BEHIND * cube)
            nearer = ops.where(inside, nearer, 0.0)
            inside = ops.cast(inside, "float32")
            neighbours = ops.matmul(_NEIGHBOURS, inside) + ops.matmul(inside, _NEIGHBOURS)
            weights = inside * (9.0 - 2.0 * neighbours)
            moments = ops.matmul(ops.reshape(weights, (-1, 1, COARSE * COARSE)), _MOMENTS)
            total = ops.maximum(moments[..., :1], 1.0)
            u = u + step_u * moments[..., 1:2] / total
            v = v + step_v * moments[..., 2:] / total
            count = ops.maximum(ops.sum(inside, axis=(1, 2), keepdims=True), 1.0)
            z = z + ops.sum(nearer, axis=(1, 2), keepdims=True) / count
        return u, v, z

    def compute_output_shape(self, depth_shape, camera_shape=None, given_xyz_shape=None):
        return (depth_shape[0], 3), (depth_shape[0],)

    def get_config(self):
        return {**super().get_config(), "cube": self.cube, "min_score": self.min_score}


def _point(values, index):
    """Return one of the values ``(batch or 1, 1, points)`` for each index ``(batch, 1)``, shape ``(batch, 1, 1)``."""
    batch, _, points = ops.shape(values)
    if values.shape[0] != 1:
        index = index + ops.reshape(ops.arange(batch, dtype=index.dtype) * points, (-1, 1))
    return ops.take(ops.reshape(values, (-1,)), index, axis=0)[..., None]
