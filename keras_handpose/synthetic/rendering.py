"""Exact perspective depth of planes, spheres and solids: a z-buffer filled by meeting rays, compiled by numba."""

from __future__ import annotations

import numba
import numpy as np

from keras_handpose.cameras import Camera

__all__ = ["render_plane", "render_solids", "render_spheres"]

_HORIZON = 4000.0
"""Parts of a plane beyond this many mm are out of any sensor's reach."""
_NOTHING = np.float32(1e9)
"""Depth in a buffer where nothing has been met yet."""


def render_spheres(spheres: np.ndarray, camera: Camera, *, background: np.ndarray | None = None) -> np.ndarray:
    """Render spheres as a camera without noise sees them.

    Args:
        spheres: Centres and radii ``x y z r`` in mm in camera space, shape ``(spheres, 4)``.
        camera: The camera; a window of one (`Camera.window`) renders just that window.
        background: Depth in mm of what stands behind and before them, shape ``(height, width)``, 0 for nothing.

    Returns:
        Depth (z, not the length of the ray) in mm, float32, shape ``(height, width)``; 0 where nothing is seen.

    Example:
        >>> import numpy as np
        >>> camera = Camera(width=5, height=5, fx=100, fy=100, cx=2, cy=2)
        >>> float(render_spheres(np.array([[0, 0, 500, 10]]), camera)[2, 2])
        490.0
    """
    spheres = np.ascontiguousarray(spheres, np.float32)
    if spheres.ndim != 2 or spheres.shape[1] != 4:
        raise ValueError(f"`spheres` must have shape (spheres, 4): x y z r in mm. Received: shape {spheres.shape}.")
    return _fill_spheres(_canvas(camera, background), spheres, camera.fx, camera.fy, camera.cx, camera.cy)


def render_solids(solids: np.ndarray, camera: Camera, *, background: np.ndarray | None = None) -> np.ndarray:
    """Render boxes, cylinders and ellipsoids as a camera without noise sees them.

    Args:
        solids: As made by `keras_handpose.synthetic.solids`, in camera space in mm, shape ``(solids, 16)``.
        camera, background: As for `render_spheres`.

    Returns:
        Depth in mm, float32, shape ``(height, width)``; 0 where nothing is seen.

    Example:
        >>> import numpy as np
        >>> from keras_handpose.synthetic.solids import box
        >>> camera = Camera(width=5, height=5, fx=100, fy=100, cx=2, cy=2)
        >>> float(render_solids(box([0, 0, 500], np.eye(3), [20, 20, 10])[None], camera)[2, 2])
        490.0
    """
    solids = np.ascontiguousarray(solids, np.float32)
    if solids.ndim != 2 or solids.shape[1] != 16:
        raise ValueError(f"`solids` must have shape (solids, 16), see `solids`. Received: shape {solids.shape}.")
    return _fill_solids(_canvas(camera, background), solids, camera.fx, camera.fy, camera.cx, camera.cy)


def render_plane(plane: np.ndarray, camera: Camera) -> np.ndarray:
    """Render a plane as a camera without noise sees it.

    Args:
        plane: ``a b c d`` of ``a x + b y + c z = d`` in camera space in mm.
        camera: The camera, or a window of one.

    Returns:
        Depth in mm, float32, shape ``(height, width)``; 0 where the plane is farther than 4 m or not met at all.

    Example:
        >>> camera = Camera(width=5, height=5, fx=100, fy=100, cx=2, cy=2)
        >>> float(render_plane(np.array([0, 0, 1, 600]), camera)[0, 0])
        600.0
    """
    a, b, c, d = map(float, plane)
    return _fill_plane(np.empty(camera.shape, np.float32), a / camera.fx, b / camera.fy, c, d, camera.cx, camera.cy)


def _canvas(camera: Camera, background: np.ndarray | None) -> np.ndarray:
    if background is None:
        return np.zeros(camera.shape, np.float32)
    if background.shape != camera.shape:
        raise ValueError(f"`background` must have the shape {camera.shape}. Received: {background.shape}.")
    return background.astype(np.float32)


@numba.njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract", "reassoc", "nsz", "arcp"})
def _fill_plane(depth, a, b, c, d, cx, cy):
    slope, distance = np.float32(a), np.float32(d)
    least = np.float32(d / _HORIZON)
    for v in range(depth.shape[0]):
        facing_left = np.float32(b * (v - cy) + c - a * cx)
        row = depth[v]
        for u in range(len(row)):
            facing = slope * np.float32(u) + facing_left
            row[u] = distance / facing if facing >= least else np.float32(0.0)
    return depth


@numba.njit(nogil=True, cache=True, inline="always")
def _columns_and_rows(x, y, z, r, camera, width, height):
    """Left, right, top and bottom of the half-open box around the silhouette of a sphere before the camera."""
    fx, fy, cx, cy = camera
    spread = z * z - r * r
    half_x = r * np.sqrt(x * x + spread)
    half_y = r * np.sqrt(y * y + spread)
    left = max(0, int(np.ceil(cx + fx * (x * z - half_x) / spread)))
    right = min(width, int(np.floor(cx + fx * (x * z + half_x) / spread)) + 1)
    top = max(0, int(np.ceil(cy + fy * (y * z - half_y) / spread)))
    bottom = min(height, int(np.floor(cy + fy * (y * z + half_y) / spread)) + 1)
    return left, right, top, bottom


@numba.njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract", "reassoc", "nsz", "nnan", "arcp"})
def _fill_spheres(depth, spheres, fx, fy, cx, cy):
    height, width = depth.shape
    zero, one = np.float32(0.0), np.float32(1.0)
    # Rows have eight pixels to spare, so that runs of whole vector registers may stand over the right edge.
    buffer = np.empty((height, width + 8), np.float32)
    rays_x = ((np.arange(width + 8) - cx) / fx).astype(np.float32)
    rays_y = ((np.arange(height) - cy) / fy).astype(np.float32)
    for v in range(height):
        row, seen = buffer[v], depth[v]
        for u in range(width):
            row[u] = seen[u] if seen[u] > zero else _NOTHING
    for index in range(len(spheres)):
        x, y, z, r = spheres[index, 0], spheres[index, 1], spheres[index, 2], spheres[index, 3]
        if z - r < one or r <= zero:
            continue
        left, right, top, bottom = _columns_and_rows(x, y, z, r, (fx, fy, cx, cy), width, height)
        if left >= right:
            continue
        run = rays_x[left : left + (right - left + 7) // 8 * 8]
        for v in range(top, bottom):
            ry = rays_y[v]
            across_x = ry * z - y
            along, length_y = ry * y + z, ry * ry + one
            row = buffer[v, left : left + len(run)]
            # No branches in this loop, so that it compiles to vector instructions.
            for k in range(len(run)):
                rx = run[k]
                # Squared distance of the centre from the ray, times the ray's squared length.
                across_y = x - rx * z
                across_z = rx * y - ry * x
                length = rx * rx + length_y
                room = length * (r * r) - (across_x * across_x + across_y * across_y + across_z * across_z)
                hit = (rx * x + along - np.sqrt(max(room, zero))) / length
                row[k] = min(row[k], hit if room > zero else _NOTHING)
    for v in range(height):
        row, seen = buffer[v], depth[v]
        for u in range(width):
            seen[u] = row[u] if row[u] < _NOTHING else zero
    return depth


@numba.njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract", "reassoc", "nsz", "arcp"})
def _fill_solids(depth, solids, fx, fy, cx, cy):
    height, width = depth.shape
    one = np.float32(1.0)
    rays_x = ((np.arange(width) - cx) / fx).astype(np.float32)
    own = np.empty((3, 4), np.float32)
    for index in range(len(solids)):
        solid = solids[index]
        x, y, z = solid[1], solid[2], solid[3]
        reach = np.sqrt(solid[13] ** 2 + solid[14] ** 2 + solid[15] ** 2)
        left, right, top, bottom = 0, width, 0, height
        if z + reach < one:
            continue
        if z - reach > one:
            left, right, top, bottom = _columns_and_rows(x, y, z, reach, (fx, fy, cx, cy), width, height)
        if left >= right:
            continue
        # To the solid's own frame, in which it is a cube, a cylinder or a ball of half width 1.
        for i in range(3):
            for j in range(3):
                own[i, j] = solid[4 + 3 * i + j] / solid[13 + i]
            own[i, 3] = -(own[i, 0] * x + own[i, 1] * y + own[i, 2] * z)
        for v in range(top, bottom):
            _meet(solid[0], own, np.float32((v - cy) / fy), rays_x[left:right], depth[v, left:right])
    return depth


@numba.njit(nogil=True, cache=True, inline="always", error_model="numpy")
def _meet(kind, own, ry, rays_x, row):
    """Let a row of rays meet a solid. No branches in these loops, so that they compile to vector instructions."""
    one = np.float32(1.0)
    ax, ay, az = own[0, 0], own[1, 0], own[2, 0]
    bx, by, bz = own[0, 1] * ry + own[0, 2], own[1, 1] * ry + own[1, 2], own[2, 1] * ry + own[2, 2]
    ox, oy, oz = own[0, 3], own[1, 3], own[2, 3]
    if kind == 1:
        for u in range(len(row)):
            rx = rays_x[u]
            enter_x, leave_x = _slab(ox, ax * rx + bx)
            enter_y, leave_y = _slab(oy, ay * rx + by)
            enter_z, leave_z = _slab(oz, az * rx + bz)
            row[u] = _nearer(row[u], max(max(enter_x, enter_y), enter_z), min(min(leave_x, leave_y), leave_z))
    elif kind == 2:
        for u in range(len(row)):
            rx = rays_x[u]
            dx, dz = ax * rx + bx, az * rx + bz
            cross, along, length = ox * dz - oz * dx, ox * dx + oz * dz, dx * dx + dz * dz
            room = length - cross * cross
            root = np.sqrt(max(room, np.float32(0.0)))
            enter_y, leave_y = _slab(oy, ay * rx + by)
            enter, leave = max((-along - root) / length, enter_y), min((-along + root) / length, leave_y)
            row[u] = _nearer(row[u], enter, leave if room > 0 else -one)
    else:
        for u in range(len(row)):
            rx = rays_x[u]
            dx, dy, dz = ax * rx + bx, ay * rx + by, az * rx + bz
            cross_x, cross_y, cross_z = oy * dz - oz * dy, oz * dx - ox * dz, ox * dy - oy * dx
            length = dx * dx + dy * dy + dz * dz
            room = length - (cross_x * cross_x + cross_y * cross_y + cross_z * cross_z)
            root = np.sqrt(max(room, np.float32(0.0)))
            enter = (-(ox * dx + oy * dy + oz * dz) - root) / length
            row[u] = _nearer(row[u], enter, enter + one if room > 0 else -one)


@numba.njit(nogil=True, cache=True, inline="always")
def _slab(origin, direction):
    """Where a ray enters and leaves -1..1."""
    inverse = np.float32(1.0) / (direction if abs(direction) > np.float32(1e-9) else np.float32(1e-9))
    a, b = (-np.float32(1.0) - origin) * inverse, (np.float32(1.0) - origin) * inverse
    return min(a, b), max(a, b)


@numba.njit(nogil=True, cache=True, inline="always")
def _nearer(seen, enter, leave):
    """Depth after a solid was met between two depths before which something is seen at a third; 0 for nothing."""
    before = seen if seen > np.float32(0.0) else _NOTHING
    return enter if (enter < leave) & (enter > np.float32(1.0)) & (enter < before) else seen
