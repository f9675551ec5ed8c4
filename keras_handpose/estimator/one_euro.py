"""The One-Euro filter: steady when the hand rests, prompt when it moves."""

from __future__ import annotations

import math

import numpy as np

from keras_handpose.checks import as_array, as_number

__all__ = ["OneEuroFilter"]


class OneEuroFilter:
    """Smooths a stream of joints with a cut-off frequency that rises with their speed.

    Casiez, Roussel and Vogel, "1 € Filter: A Simple Speed-based Low-pass Filter for Noisy Input in Interactive
    Systems", CHI 2012. One thing is done otherwise than in the paper: a joint's speed is the length of its velocity in
    space, so its three coordinates share one cut-off and the result does not depend on how the camera is turned.

    To tune it, set ``beta`` to 0 and lower ``min_cutoff`` until a resting hand stands still; then raise ``beta`` until
    a fast one no longer drags behind.

    Args:
        min_cutoff: Cut-off frequency at rest, in Hz. Lower is steadier.
        beta: What the cut-off gains with speed, in Hz per mm/s. Higher is prompter.
        speed_cutoff: Cut-off frequency of the speed estimate, in Hz.

    Raises:
        ValueError: A cut-off is not a positive number, or ``beta`` is negative or no number.

    Example:
        >>> smooth = OneEuroFilter()
        >>> smooth(np.zeros((21, 3)), dt=1 / 30).shape
        (21, 3)
        >>> jump = smooth(np.ones((21, 3)), dt=1 / 30)
        >>> bool(0 < jump[0, 0] < 1)
        True
    """

    def __init__(self, *, min_cutoff: float = 0.5, beta: float = 0.04, speed_cutoff: float = 1.0) -> None:
        numbers = as_number(min_cutoff), as_number(beta), as_number(speed_cutoff)
        if not (all(map(math.isfinite, numbers)) and numbers[0] > 0 and numbers[1] >= 0 and numbers[2] > 0):
            raise ValueError(
                "`min_cutoff` and `speed_cutoff` must be positive and `beta` at least 0, all finite. "
                f"Received: min_cutoff={min_cutoff!r}, beta={beta!r}, speed_cutoff={speed_cutoff!r}."
            )
        self.min_cutoff, self.beta, self.speed_cutoff = numbers
        self.reset()

    def reset(self) -> None:
        """Forget the past: the next joints pass unchanged."""
        self._joints_xyz: np.ndarray | None = None
        self._velocity: np.ndarray | None = None

    def __call__(self, joints_xyz: np.ndarray, *, dt: float) -> np.ndarray:
        """Smooth the next joints of the stream.

        Args:
            joints_xyz: Points in mm, shape ``(..., 3)``, the same shape until `reset`. A point that is not finite comes
                back as it is, and the next one begins anew.
            dt: Time since the previous call in seconds. The first call after `reset` does not use it.

        Returns:
            The smoothed points, shape ``(..., 3)``. The first ones after `reset` come back as they are.

        Raises:
            ValueError: ``dt`` is not positive, or the joints are not numbers of that shape.
        """
        joints_xyz = _points(joints_xyz)
        if self._joints_xyz is None:
            self._joints_xyz, self._velocity = joints_xyz, np.zeros_like(joints_xyz)
            return joints_xyz.copy()
        if joints_xyz.shape != self._joints_xyz.shape:
            raise ValueError(
                f"`joints_xyz` must have the shape of those before, {self._joints_xyz.shape}. Received: "
                f"{joints_xyz.shape}. Other joints have a filter of their own, or come after `reset`."
            )
        seconds = as_number(dt)
        if not 0 < seconds < math.inf:
            raise ValueError(f"`dt` must be a positive time in seconds; timestamps have to increase. Received: {dt!r}.")
        with np.errstate(over="ignore", invalid="ignore"):
            velocity = (joints_xyz - self._joints_xyz) / seconds
            velocity = self._velocity + _gain(self.speed_cutoff, seconds) * (velocity - self._velocity)
            cutoff = self.min_cutoff + self.beta * np.linalg.norm(velocity, axis=-1, keepdims=True)
            smoothed = self._joints_xyz + _gain(cutoff, seconds) * (joints_xyz - self._joints_xyz)
        known = np.isfinite(smoothed).all(axis=-1, keepdims=True)  # Else one NaN would stay for ever.
        self._velocity = np.where(known, velocity, 0)
        self._joints_xyz = np.where(known, smoothed, joints_xyz)
        return self._joints_xyz.copy()


def _points(joints_xyz: np.ndarray) -> np.ndarray:
    """Return points as floats of the filter's own, which keeps them until the next call."""
    points = as_array(joints_xyz)
    if points.dtype.kind not in "fiu" or points.ndim < 1 or points.shape[-1] != 3:
        raise ValueError(
            f"`joints_xyz` must be numbers of shape (..., 3). Received: shape {points.shape}, dtype {points.dtype}."
        )
    return points.astype(points.dtype if points.dtype.kind == "f" else np.float64)


def _gain(cutoff: float | np.ndarray, dt: float) -> float | np.ndarray:
    """Weight of the newest value in a first-order low-pass filter with this cut-off."""
    return 1.0 / (1.0 + 1.0 / (2.0 * math.pi * cutoff * dt))
