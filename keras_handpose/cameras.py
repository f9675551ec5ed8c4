"""Pinhole cameras, and the way between camera space and pixels.

Camera space is in millimetres with x to the right, y down and z away from the camera. Pixels are
``u`` to the right and ``v`` down with pixel centres at integers, and ``d`` is the depth ``z`` in mm.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from keras_handpose.checks import as_array, as_number, check_positive

__all__ = ["CAMERAS", "Camera", "uvd_to_xyz", "xyz_to_uvd"]


@dataclass(frozen=True, kw_only=True)
class Camera:
    """A pinhole camera without distortion.

    Args:
        width, height: Frame size in px.
        fx, fy: Focal lengths in px.
        cx, cy: Principal point in px.
        name: What to call it in messages and files.
        nominal: True when the intrinsics come from a data sheet, or are typical of a model, instead of being those of a
            device.

    Raises:
        ValueError: A size or focal length is not a positive number, or a value is not finite or no number.
        TypeError: The name is not text.

    Example:
        >>> camera = Camera(width=320, height=240, fx=241.42, fy=241.42, cx=160, cy=120)
        >>> camera.shape
        (240, 320)
    """

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float
    name: str = "custom"
    nominal: bool = False

    def __post_init__(self) -> None:
        intrinsics = {name: as_number(getattr(self, name)) for name in ("fx", "fy", "cx", "cy")}
        if not all(map(math.isfinite, intrinsics.values())) or min(intrinsics["fx"], intrinsics["fy"]) <= 0:
            raise ValueError(
                "`fx` and `fy` must be positive and `cx` and `cy` finite, all in px. "
                f"Received: fx={self.fx!r}, fy={self.fy!r}, cx={self.cx!r}, cy={self.cy!r}. "
                "Flipped axes belong into the data, not into the sign of a focal length."
            )
        size = {name: as_number(getattr(self, name)) for name in ("width", "height")}
        if not all(length >= 1 and length.is_integer() for length in size.values()):
            raise ValueError(
                "`width` and `height` must be whole numbers of px, at least 1. "
                f"Received: width={self.width!r}, height={self.height!r}."
            )
        if not isinstance(self.name, str):
            raise TypeError(f"`name` must be text. Received: name={self.name!r}.")
        # NumPy's numbers become Python's, which JSON can hold.
        for name, number in {**intrinsics, **{name: int(length) for name, length in size.items()}}.items():
            object.__setattr__(self, name, number)

    @classmethod
    def from_fov(
        cls,
        width: int,
        height: int,
        *,
        horizontal: float,
        vertical: float | None = None,
        name: str = "custom",
    ) -> Camera:
        """Build a nominal camera from its fields of view.

        Args:
            width, height: Frame size in px.
            horizontal: Horizontal field of view in degrees.
            vertical: Vertical field of view in degrees; by default pixels are square.
            name: What to call it.

        Returns:
            A `Camera` marked ``nominal`` with the principal point in the middle of the frame.

        Raises:
            ValueError: A field of view is not between 0 and 180 degrees, or a size is not positive.

        Example:
            >>> round(Camera.from_fov(640, 480, horizontal=90).fx, 6)
            320.0
        """
        angles = {"horizontal": horizontal} if vertical is None else {"horizontal": horizontal, "vertical": vertical}
        for label, angle in angles.items():
            if not 0 < as_number(angle) < 180:
                raise ValueError(f"`{label}` must be a field of view between 0 and 180 degrees. Received: {angle!r}.")
        for label, length in (("width", width), ("height", height)):
            check_positive(length, label, "number of px")
        fx = width / 2 / math.tan(math.radians(horizontal) / 2)
        fy = fx if vertical is None else height / 2 / math.tan(math.radians(vertical) / 2)
        return cls(
            width=width, height=height, fx=fx, fy=fy, cx=(width - 1) / 2, cy=(height - 1) / 2, name=name, nominal=True
        )

    @property
    def shape(self) -> tuple[int, int]:
        """Shape ``(height, width)`` of this camera's frames."""
        return self.height, self.width

    def window(self, left: int, top: int, width: int, height: int) -> Camera:
        """Return the camera that sees only a window of this one's frame.

        Pixel ``(u, v)`` of the window is pixel ``(u + left, v + top)`` of the frame; the window may
        reach over the frame's border.

        Raises:
            ValueError: The corner or the size is not a number, or the size is not positive.

        Example:
            >>> CAMERAS["msra15"].window(100, 50, 64, 64).cx
            60.0
        """
        if not (math.isfinite(as_number(left)) and math.isfinite(as_number(top))):
            raise ValueError(f"`left` and `top` must be finite numbers of px. Received: left={left!r}, top={top!r}.")
        return replace(self, width=width, height=height, cx=self.cx - left, cy=self.cy - top)

    def mirrored(self) -> Camera:
        """Return the camera of the frame flipped left to right (``depth[:, ::-1]``), where x changes its sign.

        Example:
            >>> CAMERAS["msra15"].mirrored().cx
            159.0
        """
        return replace(self, cx=self.width - 1 - self.cx)


def xyz_to_uvd(joints_xyz: np.ndarray, camera: Camera) -> np.ndarray:
    """Project camera space to pixels (Eq. 2 of the paper).

    Args:
        joints_xyz: Points in mm, shape ``(..., 3)``.
        camera: The camera that looks at them.

    Returns:
        Points ``u v d`` in px, px, mm, shape ``(..., 3)``, in the input's floating type (integers become
        float64). Points with ``z <= 0`` lie behind the camera and give NaN for u and v.

    See Also:
        `uvd_to_xyz`, the inverse.

    Example:
        >>> xyz_to_uvd([[0.0, 0.0, 500.0]], CAMERAS["msra15"]).tolist()
        [[160.0, 120.0, 500.0]]
    """
    points, camera = _as_points(joints_xyz, "joints_xyz"), check_camera(camera)
    z = points[..., 2]
    in_front = np.where(z > 0, z, np.nan)
    with np.errstate(over="ignore", invalid="ignore"):  # Far aside is infinitely far away in pixels.
        u = points[..., 0] * camera.fx / in_front + camera.cx
        v = points[..., 1] * camera.fy / in_front + camera.cy
    return np.stack([u, v, z], axis=-1).astype(points.dtype, copy=False)


def uvd_to_xyz(joints_uvd: np.ndarray, camera: Camera) -> np.ndarray:
    """Lift pixels with depth to camera space (the inverse of Eq. 2 of the paper).

    Args:
        joints_uvd: Points ``u v d`` in px, px, mm, shape ``(..., 3)``.
        camera: The camera that saw them.

    Returns:
        Points in mm, shape ``(..., 3)``, in the input's floating type (integers become float64).

    See Also:
        `xyz_to_uvd`, the inverse.

    Example:
        >>> uvd_to_xyz([[160.0, 120.0, 500.0]], CAMERAS["msra15"]).tolist()
        [[0.0, 0.0, 500.0]]
    """
    points, camera = _as_points(joints_uvd, "joints_uvd"), check_camera(camera)
    d = points[..., 2]
    with np.errstate(over="ignore", invalid="ignore"):
        x = (points[..., 0] - camera.cx) * d / camera.fx
        y = (points[..., 1] - camera.cy) * d / camera.fy
    return np.stack([x, y, d], axis=-1).astype(points.dtype, copy=False)


def check_camera(camera: Camera) -> Camera:
    """Return a camera.

    Raises:
        TypeError: It is none: a name, numbers, or an argument of another place.
    """
    if not isinstance(camera, Camera):
        received = repr(camera) if isinstance(camera, str) else f"a {type(camera).__name__}"
        raise TypeError(
            f"`camera` must be a Camera. Received: {received}. CAMERAS has cameras by their names; a frame comes "
            "before its camera, and a camera's numbers are named: Camera(width=..., height=..., fx=..., ...)."
        )
    return camera


def _as_points(values: np.ndarray, name: str) -> np.ndarray:
    points = as_array(values)
    if points.dtype.kind not in "fiu" or points.ndim < 1 or points.shape[-1] != 3:
        raise ValueError(
            f"`{name}` must be numbers of shape (..., 3). Received: shape {points.shape}, dtype {points.dtype}."
        )
    return points if points.dtype.kind == "f" else points.astype(np.float64)


CAMERAS: dict[str, Camera] = {
    camera.name: camera
    for camera in (
        # Calibrations that come with the datasets.
        Camera(name="msra15", width=320, height=240, fx=241.42, fy=241.42, cx=160.0, cy=120.0),
        Camera(name="icvl", width=320, height=240, fx=241.42, fy=241.42, cx=160.0, cy=120.0),
        Camera(name="nyu", width=640, height=480, fx=588.036865, fy=587.075073, cx=320.0, cy=240.0),
        # Devices as published with recordings made by them; another unit differs by a few px.
        Camera(name="kinect_v2", width=512, height=424, fx=365.0, fy=365.0, cx=256.0, cy=212.0),
        Camera(name="sr305", width=640, height=480, fx=476.007, fy=476.007, cx=313.683, cy=242.755),
        # Typical of the factory calibrations that owners published, rounded: of the D435's depth at 848 x 480 (fx from
        # 418 to 424, fy the same) and of the Azure Kinect's NFOV unbinned mode (fx and fy 504, cx from 310 to 332, cy
        # from 326 to 335). The fields of view in the makers' data sheets give others: they are not a pinhole's.
        Camera(width=848, height=480, fx=423.0, fy=423.0, cx=424.0, cy=240.0, name="realsense_d435", nominal=True),
        Camera(width=640, height=576, fx=504.0, fy=504.0, cx=320.0, cy=330.0, name="azure_kinect", nominal=True),
    )
}
"""Cameras by name. Read the intrinsics from your own device where it gives them, above all where `Camera.nominal`."""
