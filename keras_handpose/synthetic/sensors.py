"""What depth sensors make of a scene: noise, holes, shadows, flying pixels and quantisation."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numba
import numpy as np

from keras_handpose.cameras import Camera

__all__ = ["SENSORS", "Sensor", "sense"]


@dataclass(frozen=True, kw_only=True)
class Sensor:
    """How a kind of depth sensor errs.

    Args:
        name: What to call it.
        noise: Standard deviation of the depth at 1 m in mm; it grows with the square of the depth.
        noise_floor: Standard deviation in mm that is there at any depth.
        step: Distance between two depths that the sensor can tell apart at 1 m in mm; grows with the square of the
            depth; 0 for none.
        baseline: Distance of projector and camera in mm; surfaces that the projector cannot see are missing.
            0 for none.
        wobble: Chance that a pixel takes over the depth of a neighbour, block by block: ragged outlines.
        flying: Chance that a pixel on an outline lies between the surfaces before and behind it.
        edge_holes: Chance that a pixel on an outline is missing.
        grazing_holes: Chance that a pixel on a surface seen edge-on is missing.
        speckle: Chance that any pixel is missing.

    Example:
        >>> SENSORS["structured_light"].baseline
        75.0
    """

    name: str
    noise: float = 0.0
    noise_floor: float = 0.0
    step: float = 0.0
    baseline: float = 0.0
    wobble: float = 0.0
    flying: float = 0.0
    edge_holes: float = 0.0
    grazing_holes: float = 0.0
    speckle: float = 0.0

    def varied(self, rng: np.random.Generator) -> Sensor:
        """Return another unit of the same kind: every figure up to twice or down to nothing."""
        factors = rng.uniform(0.0, 2.0, 8)
        names = ("noise", "noise_floor", "step", "wobble", "flying", "edge_holes", "grazing_holes", "speckle")
        changed = {name: getattr(self, name) * factor for name, factor in zip(names, factors, strict=True)}
        chances = ("wobble", "flying", "edge_holes", "grazing_holes", "speckle")
        changed.update({name: min(changed[name], 1.0) for name in chances})
        return replace(self, **changed, baseline=self.baseline * float(rng.choice([-1.0, 1.0])))


SENSORS: dict[str, Sensor] = {
    sensor.name: sensor
    for sensor in (
        Sensor(name="ideal"),
        Sensor(
            name="time_of_flight",
            noise=4.0,
            noise_floor=0.8,
            flying=0.45,
            edge_holes=0.25,
            grazing_holes=0.15,
            speckle=0.001,
        ),
        Sensor(
            name="structured_light",
            noise=2.0,
            noise_floor=0.4,
            step=2.8,
            baseline=75.0,
            wobble=0.35,
            edge_holes=0.3,
            grazing_holes=0.35,
            speckle=0.002,
        ),
        Sensor(
            name="active_stereo",
            noise=5.0,
            noise_floor=0.5,
            step=1.0,
            baseline=50.0,
            wobble=0.6,
            flying=0.2,
            edge_holes=0.25,
            grazing_holes=0.2,
            speckle=0.002,
        ),
    )
}
"""Kinds of sensors by name."""


def sense(depth: np.ndarray, camera: Camera, sensor: Sensor, *, seed: int) -> np.ndarray:
    """Return what a sensor reports of an exact depth image.

    Args:
        depth: Exact depth in mm, 0 where there is nothing, float32, shape ``(height, width)``.
        camera: The camera that sees it.
        sensor: How it errs.
        seed: The same seed gives the same errors.

    Returns:
        Depth in mm, float32, shape ``(height, width)``; 0 where the sensor reports nothing.

    Example:
        >>> import numpy as np
        >>> camera = Camera(width=8, height=8, fx=50, fy=50, cx=4, cy=4)
        >>> flat = np.full((8, 8), 500, np.float32)
        >>> bool((sense(flat, camera, SENSORS["ideal"], seed=0) == flat).all())
        True
    """
    depth = np.ascontiguousarray(depth, np.float32)
    if depth.shape != camera.shape:
        raise ValueError(f"`depth` must have the camera's shape {camera.shape}. Received: {depth.shape}.")
    return _sense(
        depth,
        camera.fx,
        np.uint64(seed),
        sensor.noise,
        sensor.noise_floor,
        sensor.step,
        sensor.baseline,
        sensor.wobble,
        sensor.flying,
        sensor.edge_holes,
        sensor.grazing_holes,
        sensor.speckle,
    )


_EDGE = 18.0
"""Depth differences between neighbours above this many mm are outlines."""
_GRAZING = 2.5
"""Surfaces that recede more than this many times as fast as they extend are seen edge-on."""


@numba.njit(nogil=True, cache=True, inline="always")
def _hash(seed, index):
    """Counter-based random bits (SplitMix64)."""
    x = seed + np.uint64(index + 1) * np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@numba.njit(nogil=True, cache=True, inline="always")
def _uniform(bits, part):
    """Uniform in [0, 1) from one of the four 16-bit parts of random bits."""
    return np.float32((bits >> np.uint64(16 * part)) & np.uint64(0xFFFF)) * np.float32(1.0 / 65536.0)


@numba.njit(nogil=True, cache=True, fastmath={"contract", "reassoc", "nsz"})
def _sense(exact, fx, seed, noise, floor, step, baseline, wobble, flying, edge_holes, grazing_holes, speckle):
    height, width = exact.shape
    sensed = np.zeros_like(exact)
    lit = np.ones(width, np.bool_)
    root3 = np.float32(1.7320508)
    for v in range(height):
        if baseline != 0.0:
            _light(exact[v], fx * abs(baseline), baseline > 0, lit)
        for u in range(width):
            z = exact[v, u]
            edge, steepest, behind = _neighbourhood(exact, v, u)
            if z <= 0.0 and not edge:
                continue
            bits = _hash(seed, v * width + u)
            if edge and wobble > 0.0:
                # Ragged outlines: blocks of 2 x 2 px look up their depth a pixel aside.
                block = _hash(seed ^ np.uint64(0xB10C), (v >> 1) * width + (u >> 1))
                if _uniform(block, 0) < wobble:
                    row = min(max(v + int(_uniform(block, 1) * 3.0) - 1, 0), height - 1)
                    column = min(max(u + int(_uniform(block, 2) * 3.0) - 1, 0), width - 1)
                    z = exact[row, column]
            if z <= 0.0 or not lit[u]:
                continue
            # The parts of `bits` make the noise below; the product mixes them anew for the chances.
            chances = bits * np.uint64(0xD1342543DE82EF95)
            if _uniform(chances, 3) < speckle:
                continue
            if edge:
                chance = _uniform(chances, 2)
                if chance < edge_holes:
                    continue
                if chance < edge_holes + flying:
                    z += behind * _uniform(chances, 1)
            elif steepest * fx > _GRAZING * z and _uniform(chances, 2) < grazing_holes:
                continue
            metres2 = (z * 0.001) ** 2
            # The sum of four uniforms is close to normal; its standard deviation is sqrt(1/3).
            normal = (_uniform(bits, 0) + _uniform(bits, 1) + _uniform(bits, 2) + _uniform(bits, 3) - 2.0) * root3
            z += normal * (floor + noise * metres2)
            if step > 0.0:
                # What is told apart is the disparity, in proportion to 1 / z.
                disparity = np.floor(np.float32(1e6) / (step * z) + np.float32(0.5))
                z = np.float32(1e6) / (step * max(disparity, np.float32(1.0)))
            sensed[v, u] = max(z, np.float32(1.0))
    return sensed


@numba.njit(nogil=True, cache=True, inline="always")
def _neighbourhood(exact, v, u):
    """Whether a pixel lies on an outline, the greatest step to a neighbour, and how far the surface behind it lies."""
    height, width = exact.shape
    z = exact[v, u]
    others = (
        exact[max(v - 1, 0), u],
        exact[min(v + 1, height - 1), u],
        exact[v, max(u - 1, 0)],
        exact[v, min(u + 1, width - 1)],
    )
    steepest = max(abs(others[0] - z), abs(others[1] - z), abs(others[2] - z), abs(others[3] - z))
    edge = steepest > _EDGE
    # Before nothing at all, a flying pixel lies up to 60 mm behind the surface.
    void = min(others[0], others[1], others[2], others[3]) <= 0.0
    behind = max(others[0] - z, others[1] - z, others[2] - z, others[3] - z, np.float32(60.0) if void else z - z)
    return edge, steepest, behind


@numba.njit(nogil=True, cache=True)
def _light(row, disparity_mm, projector_on_the_right, lit):
    """Mark the pixels of a row that the projector reaches: their order must be the same from there."""
    width = len(row)
    nearest = np.inf
    for i in range(width):
        # From the projector's side inwards, a pixel that falls behind the foremost seen so far is hidden.
        u = width - 1 - i if projector_on_the_right else i
        lit[u] = True
        if row[u] > 0.0:
            disparity = disparity_mm / row[u]
            seen_at = u - disparity if projector_on_the_right else -(u + disparity)
            if seen_at > nearest + 0.5:
                lit[u] = False
            else:
                nearest = min(nearest, seen_at)
