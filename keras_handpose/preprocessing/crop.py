"""The cube crop: what the network sees, and the way back to mm and to the frame's pixels.

The crop of ``size`` x ``size`` pixels around a centre ``(x, y, z)`` with a cube of edge ``cube`` is defined by sums,
products, comparisons and two one-dimensional gathers, so that an array library and a graph compute the same:

    uc = fx * x / z + cx          vc = fy * y / z + cy          the centre's pixel
    w = cube * fx / z             h = cube * fy / z             the window in px, never rounded
    u0 = uc + 0.5 - w / 2         v0 = vc + 0.5 - h / 2         its left and top; pixel k covers [k, k + 1]
    u(i) = u0 + (i + 0.5) * w / size - 0.5                      column i of the crop; rows alike with v0 and h
    d(j, i) = depth[floor(v(j) + 0.5), floor(u(i) + 0.5)]       no depth outside of the frame
    n = (d - z) * (2 / cube)                                    float32
    crop = n  where  max(-1, -z * (2 / cube)) < n < 1,  else 1

The last line keeps what lies inside of the cube and makes everything else background, exactly 1.0: what is behind the
back face; what has no depth (0, NaN, infinite, negative, outside of the frame: never above the bound); and what is on
or before the front face. Such near things are flying pixels or another object, not the hand, and the largest step from
the hand's own values (-1) is the last thing to put in their place.

A mirrored crop has its columns in the opposite order, and its unit cube has x in the opposite direction.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from keras_handpose.cameras import Camera, check_camera, uvd_to_xyz, xyz_to_uvd
from keras_handpose.checks import check_whole
from keras_handpose.preprocessing.cube import HandCube, as_points
from keras_handpose.preprocessing.frames import check_depth

__all__ = ["BACKGROUND", "BEHIND", "COARSE", "CORE", "LARGEST", "Crop", "check_size", "crop_hand", "refine_centre"]

BACKGROUND = 1.0
"""Value of a crop's pixel that shows nothing of the cube's contents."""

LARGEST = 4096
"""Most pixels of a crop's side: more than the whole frame has in any depth camera."""

CORE = 0.75
BEHIND = 0.12
"""What the centre-of-mass steps look at, as shares of the cube's edge: the edge of the part around the centre, which
holds the palm and most of the fingers and little of a forearm, and how far it reaches behind the centre, which leaves
a body or a wall out."""

COARSE = 48  # Edge in px of the samples that the centre-of-mass steps look at.
_MOMENTS = np.stack([np.ones(COARSE), np.arange(COARSE)]).astype(np.float32)  # For the sums of 1 and i, 1 and j.
_OUTLINE = np.float32([[0, -2, 0], [-2, 9, -2], [0, -2, 0]])  # 1 + 2 n on what is inside, at most 0 elsewhere.
_NEAREST_OF_FRAME = cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP  # Borders are 0: no depth outside of the frame.


@dataclass(frozen=True, kw_only=True, eq=False)
class Crop:
    """The contents of a hand's cube as an image, and its place in the frame.

    Args:
        image: Normalised depth in (-1, 1], shape ``(size, size)``, float32; background is exactly 1.0.
        cube: The cube in camera space.
        camera: The camera that took the frame.
        left, top, width, height: The window in the frame, in px; pixel ``k`` covers ``[k, k + 1]``.
        mirrored: Whether the image's columns are in the opposite order.
    """

    image: np.ndarray
    cube: HandCube
    camera: Camera
    left: float
    top: float
    width: float
    height: float
    mirrored: bool

    def xyz_to_unit(self, joints_xyz: np.ndarray) -> np.ndarray:
        """Bring points from camera space (mm) to the unit cube as the image shows it, shape ``(..., 3)``.

        See Also:
            `unit_to_xyz`, the inverse; `HandCube.xyz_to_unit`, which knows no mirroring.
        """
        return self._mirror(self.cube.xyz_to_unit(joints_xyz))

    def unit_to_xyz(self, joints_unit: np.ndarray) -> np.ndarray:
        """Bring points from the unit cube as the image shows it to camera space (mm), shape ``(..., 3)``.

        See Also:
            `xyz_to_unit`, the inverse; `HandCube.unit_to_xyz`, which knows no mirroring.
        """
        return self.cube.unit_to_xyz(self._mirror(as_points(joints_unit)))

    def uv_to_crop(self, points_uv: np.ndarray) -> np.ndarray:
        """Bring pixels of the frame to pixels (column, row) of the image, shape ``(..., 2)``.

        See Also:
            `crop_to_uv`, the inverse.
        """
        rows, columns = self.image.shape
        points = np.asarray(points_uv)
        i = (points[..., 0] + 0.5 - self.left) * (columns / self.width) - 0.5
        j = (points[..., 1] + 0.5 - self.top) * (rows / self.height) - 0.5
        return np.stack([columns - 1 - i if self.mirrored else i, j], axis=-1)

    def crop_to_uv(self, points_crop: np.ndarray) -> np.ndarray:
        """Bring pixels (column, row) of the image to pixels of the frame, shape ``(..., 2)``.

        See Also:
            `uv_to_crop`, the inverse.
        """
        rows, columns = self.image.shape
        points = np.asarray(points_crop)
        i = columns - 1 - points[..., 0] if self.mirrored else points[..., 0]
        u = self.left + (i + 0.5) * (self.width / columns) - 0.5
        v = self.top + (points[..., 1] + 0.5) * (self.height / rows) - 0.5
        return np.stack([u, v], axis=-1)

    def _mirror(self, joints_unit: np.ndarray) -> np.ndarray:
        return joints_unit * np.array([-1, 1, 1], joints_unit.dtype) if self.mirrored else joints_unit


def crop_hand(
    depth: np.ndarray,
    camera: Camera,
    centre_xyz: np.ndarray,
    *,
    cube: float = 250.0,
    size: int = 128,
    mirror: bool = False,
) -> Crop:
    """Cut the cube around a hand out of a depth frame.

    Args:
        depth: Frame in mm, shape ``(height, width)``; see `check_depth`.
        camera: The camera that took it.
        centre_xyz: The hand's centre in mm, shape ``(3,)``; its cube may reach over the frame's border.
        cube: Edge of the cube in mm.
        size: Edge of the image in px.
        mirror: Whether to mirror the image left to right, as a left hand needs it for a network that knows right
            hands. It is the crop of ``depth[:, ::-1]`` around the mirrored centre, but for samples that fall exactly
            between two pixels, which go to the pixel on the right of the given frame.

    Returns:
        The `Crop`, with the formulas in this module's description.

    Raises:
        TypeError, ValueError: The frame is not a depth frame or not the camera's, the centre is not finite and in
            front of the camera, ``cube`` is not positive, or ``size`` is not from 1 to 4096.

    Example:
        >>> from keras_handpose.cameras import CAMERAS
        >>> frame = np.full((240, 320), 425, np.uint16)
        >>> crop = crop_hand(frame, CAMERAS["msra15"], (0, 0, 400))
        >>> crop.image.shape, float(crop.image[64, 64])
        ((128, 128), 0.20000000298023224)
    """
    depth = check_depth(depth, camera=check_camera(camera))
    hand_cube = HandCube(centre_xyz=centre_xyz, size=cube)
    size = check_size(size)
    x, y, z = hand_cube.centre_xyz
    u, v = camera.fx * x / z + camera.cx, camera.fy * y / z + camera.cy
    window = left, top, width, height = cube_window(camera, u, v, z, hand_cube.size)
    if not all(map(math.isfinite, window)):
        raise ValueError(
            "A hand's centre is three finite numbers x, y, z in mm, neither so near nor so far aside that "
            f"its cube has no place among the pixels. Received: {hand_cube.centre_xyz}."
        )
    image = _sample(depth, window, z, hand_cube.size, size)
    if mirror:
        image = cv2.flip(image, 1)
    return Crop(
        image=image,
        cube=hand_cube,
        camera=camera,
        left=left,
        top=top,
        width=width,
        height=height,
        mirrored=bool(mirror),
    )


def refine_centre(
    depth: np.ndarray,
    camera: Camera,
    centre_xyz: np.ndarray,
    *,
    cube: float = 250.0,
    steps: int = 3,
) -> np.ndarray:
    """Move a centre to the hand's centre of mass.

    Each step takes 48 x 48 samples as `crop_hand` would from a cube with the edge ``CORE * cube``. Inside are those
    with ``max(0, z - CORE * cube / 2) < d < z + BEHIND * cube``. The next step starts at their mean d and mean pixel;
    for the latter a sample weighs ``1 + 2 n``, ``n`` of its four neighbours not being inside (there are no such
    neighbours beyond the window): fingers, which have the most outline, then outweigh a forearm, and the centre is
    closer to the middle of the joints. Where nothing is inside the centre stays.

    Args:
        depth: Frame in mm, shape ``(height, width)``; see `check_depth`.
        camera: The camera that took it.
        centre_xyz: Where to start, in mm, shape ``(3,)``.
        cube: Edge in mm of the cube that `crop_hand` will cut.
        steps: Number of steps, fixed so that a graph can do the same.

    Returns:
        The centre in mm, shape ``(3,)``, float64.

    Raises:
        TypeError, ValueError: As `crop_hand`.

    See Also:
        `detect_hand`, which also tells whether a hand is there.

    Example:
        >>> from keras_handpose.cameras import CAMERAS
        >>> frame = np.zeros((240, 320), np.uint16)
        >>> frame[101:140, 141:180] = 400
        >>> refine_centre(frame, CAMERAS["msra15"], (30, 30, 420)).round(-1).tolist()
        [0.0, 0.0, 400.0]
    """
    depth = check_depth(depth, camera=check_camera(camera))
    hand_cube = HandCube(centre_xyz=centre_xyz, size=cube)
    steps = check_whole(steps, "steps", at_least=0)
    centre_uvd = xyz_to_uvd(hand_cube.centre_xyz, camera).tolist()
    return uvd_to_xyz(centre_of_mass(depth, camera, *centre_uvd, hand_cube.size, steps), camera)


def check_size(size: int) -> int:
    """Return the edge of a crop in px as an int.

    Raises:
        ValueError: It is not a whole number from 1 to `LARGEST`.
    """
    return check_whole(size, "size", "whole number of px", at_most=LARGEST)


def centre_of_mass(
    depth: np.ndarray, camera: Camera, u: float, v: float, z: float, cube: float, steps: int
) -> tuple[float, float, float]:
    """Do the steps of `refine_centre` on a centre that is given, and returned, as ``u v d``."""
    core, behind = CORE * cube, BEHIND * cube
    for _ in range(steps):
        left, top, width, height = cube_window(camera, u, v, z, core)
        step_u, step_v = width / COARSE, height / COARSE
        first_u, first_v = left + step_u / 2 - 0.5, top + step_v / 2 - 0.5
        sampled = cv2.warpAffine(
            depth, np.array([[step_u, 0, first_u], [0, step_v, first_v]]), (COARSE, COARSE), flags=_NEAREST_OF_FRAME
        )
        inside = ((sampled > max(0.0, z - core / 2)) & (sampled < z + behind)).view(np.uint8)
        weights = cv2.filter2D(inside, cv2.CV_8U, _OUTLINE, borderType=cv2.BORDER_REPLICATE)  # Cut off at 0.
        (total, sum_i), (sum_j, _) = (_MOMENTS @ weights.astype(np.float32) @ _MOMENTS.T).tolist()
        if total > 0:
            u, v = first_u + sum_i / total * step_u, first_v + sum_j / total * step_v
            z = cv2.mean(sampled, inside)[0]
    return u, v, z


def cube_window(camera: Camera, u: float, v: float, z: float, cube: float) -> tuple[float, float, float, float]:
    """Return left, top, width and height in px of a cube's window, in the plane of its centre ``u v z``."""
    width, height = cube * camera.fx / z, cube * camera.fy / z
    return u + 0.5 - width / 2, v + 0.5 - height / 2, width, height


def _sample(
    depth: np.ndarray, window: tuple[float, float, float, float], z: float, cube: float, size: int
) -> np.ndarray:
    """Gather and normalise the ``(size, size)`` image of a window; the formulas are in this module's description."""
    left, top, width, height = window
    rows, rows_seen = _pixels(top, height, size, depth.shape[0])
    columns, columns_seen = _pixels(left, width, size, depth.shape[1])
    sampled = depth.take(rows, axis=0, mode="clip").take(columns, axis=1, mode="clip")

    with np.errstate(invalid="ignore", over="ignore"):  # Missing depth may be NaN or infinite.
        z, per_mm = np.float32(z), np.float32(2 / cube)
        image = np.subtract(sampled, z, dtype=np.float32)
        image *= per_mm
        inside = image > max(np.float32(-1), -z * per_mm)
        inside &= image < BACKGROUND
    if rows_seen is not None:
        inside &= rows_seen[:, None]
    if columns_seen is not None:
        inside &= columns_seen
    return cv2.copyTo(image, inside.view(np.uint8), np.full((size, size), BACKGROUND, np.float32))


def _pixels(edge: float, extent: float, size: int, length: int) -> tuple[np.ndarray, np.ndarray | None]:
    """Return the pixels along one axis that the samples fall on, and which lie in the frame (None when all do)."""
    pixels = np.floor(np.arange(0.5, size) * (extent / size) + edge)
    if edge >= 0 and edge + extent <= length:
        return pixels.astype(np.intp), None
    return pixels.clip(0, length - 1).astype(np.intp), (pixels >= 0) & (pixels < length)
