"""Where hands are seen from: rotations and places before a camera on a desk, before a user or on a user's head."""

from __future__ import annotations

import numpy as np

from keras_handpose.cameras import Camera

__all__ = ["sample_positions", "sample_rotations", "view_rotations"]


def view_rotations(turn: np.ndarray, tilt: np.ndarray, roll: np.ndarray) -> np.ndarray:
    """Return rotations from the hand's frame to camera space.

    Args:
        turn: Angle in the picture from the downward direction to that in which the hand's wrist lies, shape ``(n,)``,
            in radians; grows to the right.
        tilt: Angle by which the wrist lies farther away than the fingers, within a quarter turn.
        roll: Turn around the hand's long axis: 0 shows the palm as far as the tilt lets it, pi the back.

    Returns:
        Rotations, shape ``(n, 3, 3)``.

    Example:
        >>> import numpy as np
        >>> zero = np.zeros(1)
        >>> (view_rotations(zero, zero, zero)[0] @ [0, 1, 0]).tolist()  # Fingers up.
        [0.0, -1.0, 0.0]
    """
    elbow = np.stack([np.sin(turn) * np.cos(tilt), np.cos(turn) * np.cos(tilt), np.sin(tilt)], axis=-1)
    along = -elbow
    # Without a roll the palm looks to the camera as far as the hand's long axis lets it.
    palm = np.array([0.0, 0.0, -1.0]) - along * (-along[:, 2:])
    palm /= np.linalg.norm(palm, axis=-1, keepdims=True)
    across = np.cross(along, palm)
    cosine, sine = np.cos(roll)[:, None], np.sin(roll)[:, None]
    return np.stack([cosine * across - sine * palm, along, sine * across + cosine * palm], axis=-1)


def sample_rotations(n: int, rng: np.random.Generator, *, wide: float = 0.0) -> np.ndarray:
    """Draw rotations from the hand's frame to camera space.

    The elbow mostly lies below the hand in the picture, anywhere between well before it, as for a camera on the user's
    head, and far behind it; the hand turns freely around its long axis, with the palm or the back to the camera more
    often than the edge.

    Args:
        n: Number of rotations.
        rng: Source of randomness.
        wide: Share that is drawn uniformly from all rotations instead.

    Returns:
        Rotations, shape ``(n, 3, 3)``.

    Example:
        >>> import numpy as np
        >>> sample_rotations(5, np.random.default_rng(0), wide=0.5).shape
        (5, 3, 3)
    """
    anywhere = rng.random(n) < 0.18
    turn = np.where(anywhere, rng.uniform(-np.pi, np.pi, n), rng.normal(0.0, np.deg2rad(42.0), n))
    tilt = np.clip(rng.normal(np.deg2rad(12.0), np.deg2rad(34.0), n), np.deg2rad(-72.0), np.deg2rad(82.0))
    flat = rng.random(n) < 0.6
    side = rng.choice([0.0, np.pi], n)
    roll = np.where(flat, side + rng.normal(0.0, np.deg2rad(32.0), n), rng.uniform(-np.pi, np.pi, n))
    # The same three angles reach every rotation evenly where the sine of the tilt, not the tilt, is uniform.
    uniform = rng.random(n) < wide
    free = rng.uniform(-1.0, 1.0, (3, n))
    turn = np.where(uniform, np.pi * free[0], turn)
    tilt = np.where(uniform, np.arcsin(0.9999 * free[1]), tilt)
    roll = np.where(uniform, np.pi * free[2], roll)
    return view_rotations(turn, tilt, roll)


def sample_positions(n: int, rng: np.random.Generator, camera: Camera, distance: tuple[float, float]) -> np.ndarray:
    """Draw places in the camera's view in mm, shape ``(n, 3)``, nearer ones more often.

    Raises:
        ValueError: `distance` is not two growing positive numbers.
    """
    low, high = distance
    if not 0 < low <= high:
        raise ValueError(f"`distance` must be two growing positive numbers of mm. Received: {distance}.")
    z = np.exp(rng.uniform(np.log(low), np.log(high), n))
    reach = np.clip(rng.normal(0.0, 0.28, (n, 2)), -0.8, 0.8)
    x = reach[:, 0] * camera.width / 2 * z / camera.fx
    y = reach[:, 1] * camera.height / 2 * z / camera.fy
    return np.stack([x, y, z], axis=-1)
