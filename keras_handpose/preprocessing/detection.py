"""Finding the hand in a depth frame.

The hand is taken to be the object closest to the camera. What "object" means is decided by rings of samples, so that
speckle, a body close behind the hand, or the forearm do not stand in for it: a palm fills a small circle around its
centre and leaves a large one empty, while a torso fills both, a forearm fills little of the small one, and a flying
pixel neither. For a point of the frame with depth ``d``, and radii that are shares of the cube's edge:

    filled   = mean over the samples of the rings of 0.06 and 0.16 cube of    |depth - d| < 0.2 cube
    occupied = mean over the samples of the ring of 0.44 cube of              depth < d + 0.16 cube
    evidence = filled * max(0, 1 - 2 * occupied)

The sample of a ring of radius ``r`` in direction ``a`` is the pixel ``floor(u + r cos(a) fx / d + 0.5)``,
``floor(v + r sin(a) fy / d + 0.5)``. Without depth it is neither filled nor occupied; outside of the frame it is not
filled and counts 0.75 as occupied. Detection takes three steps of fixed size, all comparisons, sums and gathers:

1. Evidence from 8 directions at the pixels in the middle of 20 x 27 cells of the frame. Of those with enough of it and
   ``cube / 2 < d < FARTHEST``, the one with the largest ``evidence - d / (0.6 cube)``: the closest, unless something a
   little farther looks much more like a hand.
2. The steps of `refine_centre` from there.
3. Evidence from 32 directions at the refined centre: the score.

Rings cannot tell a hand from a thing of its size. `hand_candidates` goes on where the first step would have gone next,
for those who can: it leaves out points within 0.4 cube of where it found something, and within 0.1 cube of where it did
not.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from keras_handpose.cameras import Camera, check_camera, uvd_to_xyz, xyz_to_uvd
from keras_handpose.checks import check_positive, check_share
from keras_handpose.preprocessing.crop import centre_of_mass, cube_window
from keras_handpose.preprocessing.cube import HandCube
from keras_handpose.preprocessing.frames import FARTHEST, check_depth

__all__ = [
    "COARSE_DIRECTIONS",
    "DENSE_DIRECTIONS",
    "FILLED_WITHIN",
    "GRID",
    "NEARNESS",
    "OCCUPIED_WITHIN",
    "OUTSIDE",
    "STEPS",
    "Detection",
    "detect_hand",
    "hand_candidates",
    "ring_samples",
    "track_hand",
]

# Lengths as shares of the cube's edge.
SMALL_RINGS = (0.06, 0.16)
LARGE_RING = 0.44
FILLED_WITHIN = 0.2
OCCUPIED_WITHIN = 0.16
NEARNESS = 0.6  # Being this much nearer weighs as much as all evidence.

OUTSIDE = 0.75  # How much of a sample outside of the frame is occupied: all of it would lose hands at the border.
GRID = (20, 27)  # Rows and columns of points that are tried in a frame.
_LOCAL_GRID = (8, 8)  # And in the window of a cube.
STEPS = 3
_FROM_FOUND = 0.4  # Of the cube's edge, from where something was found to where it is looked for again,
_FROM_NOTHING = 0.1  # and from a point that led to nothing.
_SAME = 0.12  # Nearer to each other than this, centres are one.
_LESS = 1 / 3  # Candidates need this share of the evidence that a detection does.
COARSE_DIRECTIONS = 8
DENSE_DIRECTIONS = 32


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
    min_score: float = 0.25,
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
    depth = _checked(depth, camera, cube, min_score)
    points_uvd, evidence = _tried(depth, camera, cube, around)
    score = float(evidence.max(initial=0.0))
    if score >= min_score:
        start = _preferred(points_uvd, evidence, evidence >= min_score, cube)
        return _judged(depth, camera, points_uvd[:, start], cube, STEPS, min_score)
    return Detection(found=False, centre_xyz=np.full(3, np.nan), score=score)


def hand_candidates(
    depth: np.ndarray, camera: Camera, *, cube: float = 250.0, min_score: float = 0.25
) -> Iterator[Detection]:
    """Find what may be a hand, one thing after the other: first what `detect_hand` finds, then what it passes by.

    Args:
        depth, camera, cube, min_score: As for `detect_hand`. After all that have this evidence come those with a third.

    Returns:
        An iterator over detections with ``found=True``, of centres that are apart from one another.

    Raises:
        TypeError, ValueError: As `detect_hand`.

    Example:
        >>> from keras_handpose.cameras import CAMERAS
        >>> frame = np.zeros((240, 320), np.uint16)
        >>> frame[95:146, 35:86], frame[95:146, 185:236] = 400, 450
        >>> [float(candidate.centre_xyz[2]) for candidate in hand_candidates(frame, CAMERAS["msra15"])]
        [400.0, 450.0]
    """
    return _candidates(_checked(depth, camera, cube, min_score), camera, cube, min_score)


def _candidates(depth: np.ndarray, camera: Camera, cube: float, min_score: float) -> Iterator[Detection]:
    points_uvd, evidence = _tried(depth, camera, cube, None)
    points_xyz = uvd_to_xyz(points_uvd.T, camera)
    centres_xyz: list[np.ndarray] = []
    new = np.ones(len(evidence), bool)
    for least in (min_score, _LESS * min_score):
        while (left := new & (evidence >= least)).any():
            start = _preferred(points_uvd, evidence, left, cube)
            detection = _judged(depth, camera, points_uvd[:, start], cube, STEPS, least)
            away = _FROM_FOUND if detection.found else _FROM_NOTHING
            new &= _distances(points_xyz, points_xyz[start]) > away * cube
            if detection.found:
                new &= _distances(points_xyz, detection.centre_xyz) > _FROM_FOUND * cube
                if not centres_xyz or _distances(np.array(centres_xyz), detection.centre_xyz).min() > _SAME * cube:
                    centres_xyz.append(detection.centre_xyz)
                    yield detection


def track_hand(
    depth: np.ndarray,
    camera: Camera,
    middle_xyz: np.ndarray,
    *,
    cube: float = 250.0,
    min_score: float = 0.125,
) -> Detection:
    """Find the hand whose joints were around a point in the frame before.

    The centre is one step of `refine_centre` from there, so that it rests while the hand does: `detect_hand` starts at
    one pixel or another of its grid in every frame, and its centre hops by millimetres.

    Args:
        depth, camera, cube, min_score: As for `detect_hand`.
        middle_xyz: The middle of the joints in the frame before in mm, shape ``(3,)``.

    Returns:
        The `Detection`, ``found=False`` where there is not enough evidence for a hand any more.

    Raises:
        TypeError, ValueError: As `detect_hand`.

    Example:
        >>> from keras_handpose.cameras import CAMERAS
        >>> frame = np.zeros((240, 320), np.uint16)
        >>> frame[95:146, 135:186] = 400
        >>> track_hand(frame, CAMERAS["msra15"], (5, 5, 420)).centre_xyz[2].round()
        np.float64(400.0)
    """
    depth = _checked(depth, camera, cube, min_score)
    middle_uvd = xyz_to_uvd(HandCube(centre_xyz=middle_xyz, size=cube).centre_xyz, camera)
    return _judged(depth, camera, middle_uvd, cube, 1, min_score)


def _checked(depth: np.ndarray, camera: Camera, cube: float, min_score: float) -> np.ndarray:
    check_positive(cube, "cube", "edge in mm")
    check_camera(camera)
    check_share(min_score, "min_score")
    return check_depth(depth, camera=camera)


def _tried(depth: np.ndarray, camera: Camera, cube: float, around: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Return the points of the first step, and the evidence at each."""
    points_uvd = _grid_points(depth, camera, cube, around)
    if not points_uvd.size:
        return points_uvd, np.zeros(0, np.float32)
    return points_uvd, _evidence(depth, camera, points_uvd, cube, COARSE_DIRECTIONS)


def _preferred(points_uvd: np.ndarray, evidence: np.ndarray, allowed: np.ndarray, cube: float) -> int:
    """Return which of the points that are allowed to start at."""
    return int(np.where(allowed, evidence - points_uvd[2] / (NEARNESS * cube), -np.inf).argmax())


def _distances(points_xyz: np.ndarray, from_xyz: np.ndarray) -> np.ndarray:
    return np.sqrt(np.square(points_xyz - from_xyz).sum(axis=-1))


def _judged(
    depth: np.ndarray, camera: Camera, start_uvd: np.ndarray, cube: float, steps: int, min_score: float
) -> Detection:
    """Refine a point to a centre, and ask for the evidence there."""
    centre_uvd = centre_of_mass(depth, camera, *start_uvd.tolist(), cube, steps)
    if centre_uvd[2] >= FARTHEST:
        return Detection(found=False, centre_xyz=np.full(3, np.nan), score=0.0)
    score = _evidence(depth, camera, np.float32(centre_uvd)[:, None], cube, DENSE_DIRECTIONS).item()
    found = score >= min_score
    centre_xyz = uvd_to_xyz(centre_uvd, camera) if found else np.full(3, np.nan)
    return Detection(found=found, centre_xyz=centre_xyz, score=score)


def _grid_points(depth: np.ndarray, camera: Camera, cube: float, around: np.ndarray | None) -> np.ndarray:
    """Return the points to try, rows u, v, d, shape ``(3, points)``, float32.

    They are the pixels in the middle of a grid's cells, over the frame or the window of a cube, that may be a hand's.
    """
    (rows, columns), left, top, width, height = GRID, 0.0, 0.0, camera.width, camera.height
    near, far = cube / 2, FARTHEST
    if around is not None:
        u, v, z = xyz_to_uvd(HandCube(centre_xyz=around, size=cube).centre_xyz, camera).tolist()
        (rows, columns), (left, top, width, height) = _LOCAL_GRID, cube_window(camera, u, v, z, cube)
        near, far = max(near, z - cube / 2), min(far, z + cube / 2)
    v, u = _middles(top, height, rows, camera.height), _middles(left, width, columns, camera.width)
    d = depth.take(v, axis=0).take(u, axis=1)
    points_uvd = np.empty((3, *d.shape), np.float32)
    points_uvd[0], points_uvd[1], points_uvd[2] = u, v[:, None], d
    return points_uvd.reshape(3, -1).compress(((d > near) & (d < far)).ravel(), axis=1)


@lru_cache
def _middles(edge: float, extent: float, cells: int, length: int) -> np.ndarray:
    """Return the pixels in the middle of cells along one axis, those that lie in the frame."""
    pixels = np.floor(np.arange(0.5, cells) * (extent / cells) + edge)
    return pixels[(pixels >= 0) & (pixels < length)].astype(np.intp)


def _evidence(depth: np.ndarray, camera: Camera, points_uvd: np.ndarray, cube: float, directions: int) -> np.ndarray:
    """Return the evidence for a palm at points of shape ``(3, points)``, shape ``(points,)``, float32."""
    rings, weights = ring_samples(directions)
    d = points_uvd[2]
    uv = rings * (np.float32([[camera.fx * cube], [camera.fy * cube]]) / d)[:, None]  # (u and v, samples, points)
    uv += points_uvd[:2, None]
    u, v = uv
    sampled = cv2.remap(depth, u, v, cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT, borderValue=0)

    large, small = sampled[:directions], sampled[directions:]
    u, v = u[:directions], v[:directions]
    occupied = (large > 0) & (large < d + np.float32(OCCUPIED_WITHIN * cube))
    outside = (u < -0.5) | (u >= camera.width - 0.5) | (v < -0.5) | (v >= camera.height - 0.5)
    filled = (small > 0) & (np.abs(small - d) < np.float32(FILLED_WITHIN * cube))
    filled, occupied = weights @ np.concatenate([filled, occupied, outside], dtype=np.float32)
    return filled * np.maximum(0, 1 - 2 * occupied)


@lru_cache
def ring_samples(directions: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the rings' samples and how they count, float32.

    Returns:
        Offsets in u and v as shares of the cube's edge, the large ring's first, shape ``(2, samples, 1)``, and the
        weights of samples that are filled, occupied and outside in the means of both shares, shape ``(2, ...)``.
    """
    angles = np.arange(directions) * (2 * np.pi / directions)
    circle = np.stack([np.cos(angles), np.sin(angles)])
    rings = np.concatenate([radius * circle for radius in (LARGE_RING, *SMALL_RINGS)], axis=1)
    small = directions * len(SMALL_RINGS)
    weights = np.zeros((2, small + 2 * directions))
    weights[0, :small] = 1 / small
    weights[1, small:] = np.repeat([1 / directions, OUTSIDE / directions], directions)
    return rings.astype(np.float32)[..., None], weights.astype(np.float32)
