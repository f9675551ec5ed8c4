"""Finding the hand in a depth frame.

The hand is taken to be the object closest to the camera. What "object" means is decided by rings of samples, so that
speckle, a body close behind the hand, or the forearm do not stand in for it: a palm fills a small circle around its
centre and leaves a large one empty, while a torso fills both, a forearm fills little of the small one, and a flying
pixel neither. For a point of the frame with depth ``d``, and radii that are shares of the cube's edge:

    filled   = mean over the samples of the small rings of    |depth - d| < 0.2 cube
    occupied = mean over the samples of the large ring of     depth < d + 0.32 cube       (outside of the frame: 1/2)
    evidence = filled * max(0, 1 - 2 * occupied)

The sample of a ring of radius ``r`` in direction ``a`` is the pixel ``floor(u + r cos(a) fx / d + 0.5)``,
``floor(v + r sin(a) fy / d + 0.5)``; without depth it is neither filled nor occupied. Detection takes three steps of
fixed size, all of them comparisons, sums and gathers:

1. Evidence at a fixed grid of points. Of those with enough of it and ``d > cube / 2``, the one with the largest
   ``evidence - d / (1.2 cube)``: the closest, unless something a little farther looks much more like a hand.
2. `refine_centre` from there.
3. Evidence again, with denser rings around the refined centre: the score.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from keras_handpose.cameras import Camera, uvd_to_xyz, xyz_to_uvd
from keras_handpose.preprocessing.crop import centre_of_mass, cube_window
from keras_handpose.preprocessing.cube import HandCube
from keras_handpose.preprocessing.frames import check_depth

__all__ = ["Detection", "detect_hand"]

# Lengths as shares of the cube's edge.
_SMALL_RINGS = (0.08, 0.16)
_LARGE_RING = 0.44
_FILLED_WITHIN = 0.2
_OCCUPIED_WITHIN = 0.32
_NEARNESS = 1.2  # Being this much nearer weighs as much as all evidence.

_GRID = (24, 32)  # Rows and columns of points that are tried.
_STEPS = 3
_COARSE_DIRECTIONS = 8
_DENSE_DIRECTIONS = 32


@dataclass(frozen=True, kw_only=True, eq=False)
class Detection:
    """What `detect_hand` found.

    Args:
        found: Whether there is a hand.
        centre_xyz: The hand's centre of mass in mm, shape ``(3,)``, float64; NaN where none was found.
        score: Evidence for a hand in [0, 1], as this module describes it: how much of the palm is there, times how
            free its surroundings are. It knows nothing of the accuracy of joints.
    """

    found: bool
    centre_xyz: np.ndarray
    score: float


def detect_hand(
    depth: np.ndarray,
    camera: Camera,
    *,
    cube: float = 250.0,
    around: np.ndarray | None = None,
    min_score: float = 0.3,
) -> Detection:
    """Find the hand closest to the camera.

    Args:
        depth: Frame in mm, shape ``(height, width)``; see `check_depth`.
        camera: The camera that took it.
        cube: Edge in mm of the cube that `crop_hand` will cut; it says how large the hand is.
        around: A centre in mm, shape ``(3,)``, for tracking: only points in the cube around it are tried.
        min_score: Evidence from which on something is a hand.

    Returns:
        The `Detection`; a frame without a hand gives ``found=False``.

    Raises:
        TypeError, ValueError: The frame is not a depth frame or not the camera's, ``cube`` is not positive,
            ``around`` is not a finite point in front of the camera, or ``min_score`` is not in (0, 1].

    See Also:
        `refine_centre`, the second step alone.

    Example:
        >>> from keras_handpose.cameras import CAMERAS
        >>> camera = CAMERAS["msra15"]
        >>> frame = np.zeros(camera.shape, np.uint16)
        >>> detect_hand(frame, camera).found
        False
        >>> frame[95:146, 135:186] = 400
        >>> detect_hand(frame, camera).centre_xyz[2]
        np.float64(400.0)
    """
    depth = check_depth(depth, camera=camera)
    if not (math.isfinite(cube) and cube > 0):
        raise ValueError(f"`cube` must be a positive edge in mm. Received: {cube!r}.")
    if not 0 < min_score <= 1:
        raise ValueError(f"`min_score` must be in (0, 1]. Received: {min_score!r}.")

    u, v, d = _grid_points(depth, camera, cube, around)
    if not len(d):
        return Detection(found=False, centre_xyz=np.full(3, np.nan), score=0.0)
    evidence = _evidence(depth, camera, u, v, d, cube, _COARSE_DIRECTIONS)
    best = np.argmax(np.where(evidence >= min_score, evidence - d * (1 / (_NEARNESS * cube)), -np.inf))
    score = evidence[best]
    if score >= min_score:
        centre_uvd = centre_of_mass(depth, camera, float(u[best]), float(v[best]), float(d[best]), cube, _STEPS)
        (score,) = _evidence(depth, camera, *np.float32(centre_uvd)[:, None], cube, _DENSE_DIRECTIONS)
    found = bool(score >= min_score)
    return Detection(
        found=found, centre_xyz=uvd_to_xyz(centre_uvd, camera) if found else np.full(3, np.nan), score=float(score)
    )


def _grid_points(
    depth: np.ndarray, camera: Camera, cube: float, around: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return u, v, d of the points to try: pixels in the middle of a grid's cells whose depth can be a hand's."""
    left, top, width, height = 0.0, 0.0, camera.width, camera.height
    near, far = cube / 2, math.inf
    if around is not None:
        hand_cube = HandCube(centre_xyz=around, size=cube)
        u, v, z = xyz_to_uvd(hand_cube.centre_xyz, camera).tolist()
        left, top, width, height = cube_window(camera, u, v, z, cube)
        near, far = max(near, z - cube / 2), z + cube / 2
    rows, columns = _GRID
    v, u = (
        np.floor(top + np.arange(0.5, rows) * (height / rows)),
        np.floor(left + np.arange(0.5, columns) * (width / columns)),
    )
    v, u = v[(v >= 0) & (v < camera.height)], u[(u >= 0) & (u < camera.width)]
    d = depth.take(v.astype(np.intp), axis=0).take(u.astype(np.intp), axis=1).astype(np.float32)
    row, column = np.nonzero((d > near) & (d < far))
    return u[column].astype(np.float32), v[row].astype(np.float32), d[row, column]


def _evidence(
    depth: np.ndarray, camera: Camera, u: np.ndarray, v: np.ndarray, d: np.ndarray, cube: float, directions: int
) -> np.ndarray:
    """Return the evidence for a palm at points ``u v d``, each of shape ``(points,)``, float32."""
    rings = _rings(directions)
    # Arrays of shape (samples, points).
    u = np.floor(rings.along_u * (cube * camera.fx / d) + (u + 0.5)).astype(np.int32)
    v = np.floor(rings.along_v * (cube * camera.fy / d) + (v + 0.5)).astype(np.int32)
    outside = (u.view(np.uint32) >= camera.width) | (v.view(np.uint32) >= camera.height)  # Negative is huge.
    v *= camera.width
    v += u
    sampled = depth.ravel().take(v, mode="clip").astype(np.float32)
    with np.errstate(invalid="ignore"):  # Missing depth may be NaN or infinite.
        present = sampled > 0
        sampled -= d
        present &= sampled > rings.above * cube
        present &= sampled < rings.below * cube
    present &= ~outside
    filled, occupied = rings.weights @ np.concatenate([present, outside]).astype(np.float32)
    return filled * np.maximum(0, 1 - 2 * occupied)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Rings:
    """The rings' samples: offsets and bounds of depth as shares of the cube's edge, shape ``(samples, 1)``, float32."""

    along_u: np.ndarray
    along_v: np.ndarray
    above: np.ndarray
    below: np.ndarray
    weights: (
        np.ndarray
    )  # (2, 2 * samples): how the samples that are present, then those outside, count for both shares.


@lru_cache
def _rings(directions: int) -> _Rings:
    rings = len(_SMALL_RINGS)
    radii = np.repeat((*_SMALL_RINGS, _LARGE_RING), directions)
    angles = np.tile(np.arange(directions) * (2 * np.pi / directions), rings + 1)
    large = radii == _LARGE_RING
    nothing = np.zeros(len(radii))
    filled = np.concatenate([~large / (rings * directions), nothing])
    occupied = np.concatenate([large / directions, 0.5 * large / directions])
    along_u, along_v, above, below = np.float32(
        [
            radii * np.cos(angles),
            radii * np.sin(angles),
            np.where(large, -np.inf, -_FILLED_WITHIN),
            np.where(large, _OCCUPIED_WITHIN, _FILLED_WITHIN),
        ]
    )[..., None]
    weights = np.float32([filled, occupied])
    return _Rings(along_u=along_u, along_v=along_v, above=above, below=below, weights=weights)
