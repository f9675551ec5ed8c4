"""Finding the hand inside of a graph, as `keras_handpose.preprocessing.detect_hand` does."""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

from keras_handpose.checks import check_positive, check_share
from keras_handpose.layers.sampling import FAR, at_crossings, at_points, cut_off, first_of_each, lens, within
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

# What the centre-of-mass steps sum up: weights times 1, u and v, counted from the window's middle.
_FROM_MIDDLE = (np.arange(COARSE) - (COARSE - 1) / 2).astype(np.float32)
_MOMENTS = np.stack([np.ones((COARSE, COARSE)), *np.meshgrid(_FROM_MIDDLE, _FROM_MIDDLE)], dtype=np.float32)
_NEIGHBOURS = np.eye(COARSE, k=1, dtype=np.float32) + np.eye(COARSE, k=-1, dtype=np.float32)
_NEIGHBOURS[[0, -1], [0, -1]] = 1  # Beyond the window's border a sample is its own neighbour.


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
        self.cube = check_positive(cube, "cube", "edge in mm")
        self.min_score = check_share(min_score, "min_score")

    def call(self, depth, camera, given_xyz=None):
        depth = ops.cast(depth, "float32")
        focal, principal = lens(camera)

        uv, d = self._grid(depth)
        evidence = self._evidence(depth, focal, uv, d, COARSE_DIRECTIONS)
        most = ops.max(evidence, axis=-1, keepdims=True)
        uv, d = self._preferred(evidence, uv, d)
        uv, z = self._centre_of_mass(depth, focal, uv, d)
        score = ops.where(most < self.min_score, most, self._evidence(depth, focal, uv, z, DENSE_DIRECTIONS))

        centre_xyz = ops.reshape(ops.concatenate([(uv - principal) * z / focal, z], axis=1), (-1, 3))
        score = ops.reshape(score, (-1, 1))
        if given_xyz is not None:
            given = ops.any(ops.not_equal(given_xyz, 0.0), axis=-1, keepdims=True)
            centre_xyz = ops.where(given, given_xyz, centre_xyz)
            score = ops.where(given, 1.0, score)
        return ops.where(score < self.min_score, np.nan, centre_xyz), ops.reshape(score, (-1,))

    def _grid(self, depth):
        """Return the points to try, ``(1, 2, 1, points)``, and their depth, ``(batch, 1, 1, points)``."""
        v, u = (
            ops.cast(np.arange(1, 2 * cells, 2, "int32") * length // (2 * cells), "float32")
            for cells, length in zip(GRID, ops.shape(depth)[1:], strict=True)
        )
        uv = ops.reshape(ops.stack(ops.meshgrid(u, v)), (1, 2, 1, -1)) + 0.5
        d, _ = at_points(depth, uv)
        # What cannot be a hand goes far away, where it neither has evidence nor is preferred.
        return uv, cut_off(d, d > self.cube / 2, FAR)

    def _evidence(self, depth, focal, uv, d, directions):
        """Return the evidence for a palm at points ``(batch or 1, 2, 1, points)`` with their depth, of its shape."""
        rings = ops.convert_to_tensor(ring_samples(directions)[0] * np.float32(self.cube))
        sampled, outside = at_points(depth, rings * (focal / d) + uv)
        large, small = ops.split(sampled, [directions], axis=2)
        beyond_large, beyond_small = ops.split(outside, [directions], axis=2)

        half = (d + OCCUPIED_WITHIN * self.cube) * 0.5
        occupied = ops.cast(within(large, beyond_large, half, half), "float32")
        occupied = ops.mean(occupied + ops.minimum(beyond_large, OUTSIDE), axis=2, keepdims=True)
        filled = within(small, beyond_small, d, FILLED_WITHIN * self.cube)
        filled = ops.mean(ops.cast(filled, "float32"), axis=2, keepdims=True)
        return filled * ops.relu(1.0 - 2.0 * occupied)

    def _preferred(self, evidence, uv, d):
        """Return the point that is the hand, if any is, ``(batch, 2, 1, 1)``, and its depth, ``(batch, 1, 1, 1)``."""
        preference = ops.where(evidence < self.min_score, -FAR, evidence - d / (NEARNESS * self.cube))
        # The largest of floats does not become a TFLite operation, the first of integers does.
        largest = ops.cast(preference >= ops.max(preference, axis=-1, keepdims=True), "int32")
        index = ops.argmax(largest, axis=-1, keepdims=True)
        uv = ops.take(ops.reshape(uv, (2, -1)), ops.reshape(index, (-1,)), axis=1)
        if d.shape[0] != 1:
            index = index + first_of_each(ops.shape(d)[0], d.shape[-1])
        return ops.reshape(ops.transpose(uv), (-1, 2, 1, 1)), ops.take(ops.reshape(d, (-1,)), index, axis=0)

    def _centre_of_mass(self, depth, focal, uv, z):
        """Do the steps of `refine_centre` on points ``(batch, 2, 1, 1)`` with depth ``(batch, 1, 1, 1)``."""
        behind, reach = BEHIND * self.cube, (CORE / 2 + BEHIND) * self.cube
        window = focal * (CORE * self.cube / COARSE)
        samples = ops.convert_to_tensor(_FROM_MIDDLE[:, None])
        for _ in range(STEPS):
            step = window / z
            sampled, outside = at_crossings(depth, samples * step + uv)
            back = z + behind
            half = ops.minimum(back, reach) * 0.5
            before = sampled - back
            inside = within(before, outside, -half, half)
            before = cut_off(before, inside, 0.0)
            inside = ops.cast(inside, "float32")
            neighbours = ops.matmul(_NEIGHBOURS, inside) + ops.matmul(inside, _NEIGHBOURS)
            weights = ops.reshape(inside * (9.0 - 2.0 * neighbours), (-1, COARSE * COARSE))
            moments = ops.matmul(weights, _MOMENTS.reshape(3, -1).T)
            total, moments = ops.split(ops.reshape(moments, (-1, 3, 1, 1)), [1], axis=1)
            uv = uv + step * (moments / ops.maximum(total, 1.0))
            count, before = (ops.sum(values, axis=(2, 3), keepdims=True) for values in (inside, before))
            z = ops.maximum(z + (before + behind * count) / ops.maximum(count, 1.0), 1.0)  # mm: steps stay finite.
        return uv, z

    def compute_output_shape(self, depth_shape, camera_shape=None, given_xyz_shape=None):
        return (depth_shape[0], 3), (depth_shape[0],)

    def get_config(self):
        return {**super().get_config(), "cube": self.cube, "min_score": self.min_score}
