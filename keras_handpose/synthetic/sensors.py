"""What depth sensors make of a scene: noise, holes, shadows, flying pixels and quantisation."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from keras_handpose.cameras import Camera
from keras_handpose.synthetic.sensing import extent_of, grainy_noise, report, smooth

__all__ = ["SENSORS", "Sensor", "sense"]


@dataclass(frozen=True, kw_only=True)
class Sensor:
    """How a kind of depth sensor errs.

    Args:
        name: What to call it.
        noise: Standard deviation of the depth at 1 m in mm; it grows with the square of the depth.
        noise_floor: Standard deviation in mm that is there at any depth.
        grain: Width in px over which the noise is alike; up to 1 for every pixel its own.
        smoothing: Half the edge in px of the windows over which a surface is averaged, without what lies beside it.
        least_fill: Least share of its window that a surface must fill to be measured: thin fingers far away are lost.
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
    grain: float = 0.0
    smoothing: float = 0.0
    least_fill: float = 0.0
    step: float = 0.0
    baseline: float = 0.0
    wobble: float = 0.0
    flying: float = 0.0
    edge_holes: float = 0.0
    grazing_holes: float = 0.0
    speckle: float = 0.0

    def varied(self, rng: np.random.Generator) -> Sensor:
        """Return another unit of the same kind: every figure up to twice as large, or down to nothing for a fifth."""
        factors = rng.uniform(0.0, 2.0, len(_FIGURES)) * (rng.random(len(_FIGURES)) < 0.8)
        changed = {
            name: min(getattr(self, name) * factor, _MOST.get(name, np.inf))
            for name, factor in zip(_FIGURES, factors.tolist(), strict=True)
        }
        return replace(self, **changed, baseline=self.baseline if rng.random() < 0.5 else -self.baseline)


_MOST = {"wobble": 1.0, "flying": 1.0, "edge_holes": 1.0, "grazing_holes": 1.0, "speckle": 1.0, "least_fill": 0.6}
_FIGURES = (*_MOST, "noise", "noise_floor", "grain", "smoothing", "step")

SENSORS: dict[str, Sensor] = {
    sensor.name: sensor
    for sensor in (
        Sensor(name="ideal"),
        Sensor(
            name="time_of_flight",
            noise=2.6,
            noise_floor=0.6,
            grain=1.8,
            flying=0.4,
            edge_holes=0.2,
            grazing_holes=0.15,
            speckle=0.0005,
        ),
        Sensor(
            name="structured_light",
            noise=1.0,
            noise_floor=0.15,
            grain=2.5,
            smoothing=1.0,
            least_fill=0.4,
            step=1.4,
            baseline=75.0,
            wobble=0.35,
            edge_holes=0.4,
            grazing_holes=0.35,
            speckle=0.0005,
        ),
        Sensor(
            name="active_stereo",
            noise=4.0,
            noise_floor=0.5,
            grain=3.0,
            smoothing=1.0,
            least_fill=0.3,
            step=0.8,
            baseline=50.0,
            wobble=0.6,
            flying=0.2,
            edge_holes=0.25,
            grazing_holes=0.2,
            speckle=0.001,
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
    # Where there is nothing, nothing is reported: only the part of the picture with something in it is looked at.
    radius = round(sensor.smoothing)
    top, bottom, left, right = extent_of(depth, radius + 2)
    sensed = np.zeros_like(depth)
    part = np.ascontiguousarray(depth[top:bottom, left:right])
    sensed[top:bottom, left:right] = _sense_part(part, camera.fx, sensor, radius, seed)
    return sensed


def _sense_part(depth: np.ndarray, fx: float, sensor: Sensor, radius: int, seed: int) -> np.ndarray:
    mixed = np.uint32((seed * 0x9E3779B97F4A7C15 >> 32) & 0xFFFFFFFF)
    measured = depth
    if radius > 0:
        measured = smooth(measured, radius, sensor.least_fill, mixed)
    noise = grainy_noise(*depth.shape, max(sensor.grain, 1.0), mixed)
    return report(
        depth,
        measured,
        noise,
        fx,
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
