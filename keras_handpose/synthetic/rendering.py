"""Exact perspective depth of planes and spheres: a z-buffer filled by intersections with rays, compiled by numba."""

from __future__ import annotations

import numba
import numpy as np

from keras_handpose.cameras import Camera

__all__ = ["render_plane", "render_spheres"]

_HORIZON = 4000.0
"""Parts of a plane beyond this many mm are out of any sensor's reach."""


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
    depth = np.zeros(camera.shape, np.float32)
    if background is not None:
        depth[:] = background
    spheres = np.ascontiguousarray(spheres, np.float32)
    if spheres.ndim != 2 or spheres.shape[1] != 4:
        raise ValueError(f"`spheres` must have shape (spheres, 4): x y z r in mm. Received: shape {spheres.shape}.")
    _fill(depth, spheres, camera.fx, camera.fy, camera.cx, camera.cy)
    return depth


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
    depth = np.empty(camera.shape, np.float32)
    a, b, c, d = map(float, plane)
    _fill_plane(depth, a / camera.fx, b / camera.fy, c, d, camera.cx, camera.cy)
    return depth


@numba.njit(nogil=True, cache=True)
def _fill_plane(depth, a, b, c, d, cx, cy):
    for v in range(depth.shape[0]):
        for u in range(depth.shape[1]):
            facing = a * (u - cx) + b * (v - cy) + c
            depth[v, u] = d / facing if facing * _HORIZON >= d else 0.0


@numba.njit(nogil=True, cache=True, fastmath={"contract", "reassoc", "nsz"})
def _fill(depth, spheres, fx, fy, cx, cy):
    height, width = depth.shape
    rays_x = ((np.arange(width) - cx) / fx).astype(np.float32)
    rays_y = ((np.arange(height) - cy) / fy).astype(np.float32)
    nothing = np.float32(1e9)
    for v in range(height):
        for u in range(width):
            if not depth[v, u] > 0:
                depth[v, u] = nothing
    zero, one = np.float32(0.0), np.float32(1.0)
    for index in range(len(spheres)):
        x, y, z, r = spheres[index, 0], spheres[index, 1], spheres[index, 2], spheres[index, 3]
        if z - r < 1.0:
            continue
        # Silhouette of a sphere on the planes x/z and y/z.
        spread = np.float32(z * z - r * r)
        half_x = r * np.sqrt(x * x + spread)
        half_y = r * np.sqrt(y * y + spread)
        left = max(0, int(np.ceil(cx + fx * (x * z - half_x) / spread)))
        right = min(width, int(np.floor(cx + fx * (x * z + half_x) / spread)) + 1)
        top = max(0, int(np.ceil(cy + fy * (y * z - half_y) / spread)))
        bottom = min(height, int(np.floor(cy + fy * (y * z + half_y) / spread)) + 1)
        for v in range(top, bottom):
            ry = rays_y[v]
            across_x = ry * z - y
            row = depth[v]
            # No branches in this loop, so that it compiles to vector instructions.
            for u in range(left, right):
                rx = rays_x[u]
                # Squared distance of the centre from the ray, times the ray's squared length.
                across_y = x - rx * z
                across_z = rx * y - ry * x
                length = rx * rx + ry * ry + one
                room = length * r * r - (across_x * across_x + across_y * across_y + across_z * across_z)
                hit = (rx * x + ry * y + z - np.sqrt(max(room, zero))) / length
                row[u] = min(row[u], hit if room > zero else nothing)
    for v in range(height):
        for u in range(width):
            if depth[v, u] == nothing:
                depth[v, u] = 0
