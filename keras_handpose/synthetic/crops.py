"""Labelled crops for training: rendered, sensed and cropped as a real frame would be."""

from __future__ import annotations

import itertools
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from keras_handpose.cameras import CAMERAS, Camera, uvd_to_xyz, xyz_to_uvd
from keras_handpose.datasets.augmentation import Augmentation
from keras_handpose.datasets.batches import augmentation_rng, work_ahead
from keras_handpose.datasets.crops import LabelledCrops
from keras_handpose.preprocessing import crop_hand
from keras_handpose.preprocessing.crop import centre_of_mass
from keras_handpose.skeletons import MSRA21, Skeleton
from keras_handpose.synthetic.scenes import Ingredients, sample_scenes
from keras_handpose.synthetic.sensors import SENSORS

__all__ = ["Rig", "RIGS", "iterate_crops", "render_batch", "render_crops", "sample_poses"]


@dataclass(frozen=True, kw_only=True)
class Rig:
    """A camera, its kind of sensor and the distances in mm at which it sees hands."""

    camera: Camera
    sensor: str
    distance: tuple[float, float]


# These two rigs keep the figures that `CAMERAS` had for them, from data sheets' fields of view, when version 2 of the
# rendered benchmark was fixed and the presets were trained: with others, all their crops would be different ones.
_FIXED = {
    camera.name: camera
    for camera in (
        Camera.from_fov(848, 480, horizontal=87.0, vertical=58.0, name="realsense_d435"),
        Camera.from_fov(640, 576, horizontal=75.0, vertical=65.0, name="azure_kinect"),
    )
}

RIGS: dict[str, Rig] = {
    name: Rig(camera=_FIXED.get(name, CAMERAS[name]), sensor=sensor, distance=distance)
    for name, sensor, distance in (
        ("msra15", "time_of_flight", (240.0, 550.0)),
        ("icvl", "time_of_flight", (240.0, 550.0)),
        ("nyu", "structured_light", (480.0, 950.0)),
        ("kinect_v2", "time_of_flight", (450.0, 1000.0)),
        ("sr305", "structured_light", (260.0, 700.0)),
        ("realsense_d435", "active_stereo", (300.0, 800.0)),
        ("azure_kinect", "time_of_flight", (350.0, 900.0)),
    )
}
"""Rigs by the name of their camera, whose figures here are those of the rendered benchmark."""

_CHUNK = 64
"""Crops that share a camera and a seed; the unit of parallel work."""
_FINEST = 1.1
"""Rendered pixels for each of a crop's, at most, along an edge."""


def render_crops(
    n: int,
    *,
    seed: int,
    skeleton: Skeleton = MSRA21,
    cube: float = 250.0,
    size: int = 128,
    rigs: tuple[str, ...] = tuple(RIGS),
    ingredients: Ingredients = Ingredients(),
    held_out: bool = False,
    workers: int = 1,
) -> LabelledCrops:
    """Render labelled crops of right hands, as many cameras would show them.

    The centre is found as on real frames, by centre-of-mass steps from somewhere near the hand, for two thirds of the
    crops, and lies near the middle of the joints for the others; then it is moved a little.

    Args:
        n: Number of crops.
        seed: The same seed gives the same crops, whatever the number of workers.
        skeleton: Layout of the labels.
        cube: Edge of the cube in mm.
        size: Edge of the crops in px.
        rigs: Names of the `RIGS` to draw from.
        ingredients: What the scenes are made of.
        held_out: Whether poses are those that are kept for tests, see `sample_angles`.
        workers: Number of threads.

    Example:
        >>> crops = render_crops(2, seed=0)
        >>> crops.images.shape, crops.joints_unit.shape
        ((2, 128, 128, 1), (2, 21, 3))
    """
    crops = LabelledCrops(
        images=np.empty((n, size, size, 1), np.float32),
        joints_unit=np.empty((n, len(skeleton), 3), np.float32),
        centres_xyz=np.empty((n, 3)),
        cubes=np.full(n, cube, np.float64),
        skeleton=skeleton,
    )

    def render(chunk: int) -> None:
        part = slice(chunk * _CHUNK, min((chunk + 1) * _CHUNK, n))
        _render_chunk(crops, part, np.random.default_rng([seed, chunk]), rigs, ingredients, held_out)

    chunks = range(-(-n // _CHUNK))
    if workers > 1:
        with ThreadPoolExecutor(workers) as pool:
            list(pool.map(render, chunks))
    else:
        for chunk in chunks:
            render(chunk)
    return crops


def sample_poses(n: int, *, seed: int, skeleton: Skeleton = MSRA21, cube: float = 250.0) -> np.ndarray:
    """Draw poses as they lie in their crops' cubes, without rendering them: what a pose prior is fitted to.

    Args:
        n: Number of poses.
        seed: The same seed gives the same poses.
        skeleton: Layout of the joints.
        cube: Edge of the cube in mm.

    Returns:
        Joints in the unit cube, float32, shape ``(n, joints, 3)``.

    Example:
        >>> sample_poses(4, seed=0).shape
        (4, 21, 3)
    """
    rng = np.random.default_rng(seed)
    rig = RIGS["msra15"]
    scenes = sample_scenes(n, rng, rig.camera, distance=rig.distance)
    centres = scenes.middles_xyz + rng.normal(0.0, 9.0, (n, 3))
    return ((scenes.joints_xyz(skeleton) - centres[:, None]) / (cube / 2)).astype(np.float32)


def iterate_crops(
    batch: int,
    *,
    seed: int,
    start: int = 0,
    skeleton: Skeleton = MSRA21,
    cube: float = 250.0,
    size: int = 128,
    rigs: tuple[str, ...] = tuple(RIGS),
    ingredients: Ingredients = Ingredients(),
    augmentation: Augmentation | None = None,
    repeats: int = 1,
    workers: int = 1,
    processes: bool = False,
    ahead: int | None = None,
) -> Generator[LabelledCrops, None, None]:
    """Render batches without end, some of them ahead of their use.

    Batch ``k`` depends on ``seed`` and ``k`` only, so that an interrupted training goes on with ``start=k`` where it
    stopped.

    Args:
        batch: Crops a batch.
        seed: Source of all randomness.
        start: Number of the first batch.
        skeleton, cube, size, rigs, ingredients: As for `render_crops`.
        augmentation: How far to change the crops; None to give them as they were rendered.
        repeats: Crops that are made of each rendering, which takes longer than changing it: the first as it is, the
            others changed. Without repeats all are changed.
        workers: Number of threads, or processes, that render.
        processes: Whether to render in processes, which keep as many cores busy; threads wait for each other at times.
            Images then differ by up to 0.002 mm.
        ahead: Batches kept ready or under way, by default twice as many as there are workers, and two.

    See Also:
        `keras_handpose.datasets.iterate_batches`, for crops that are there; `render_crops` gives such.

    Example:
        >>> batches = iterate_crops(4, seed=0)
        >>> next(batches).images.shape
        (4, 128, 128, 1)
        >>> batches.close()
    """
    if repeats < 1 or batch % repeats:
        raise ValueError(f"`batch` must be a multiple of `repeats`. Received: batch={batch}, repeats={repeats}.")
    shared = {
        "skeleton": skeleton,
        "cube": cube,
        "size": size,
        "rigs": rigs,
        "ingredients": ingredients,
        "augmentation": augmentation,
        "repeats": repeats,
    }
    ahead = 2 * workers + 2 if ahead is None else ahead

    def batches() -> Generator[LabelledCrops, None, None]:
        with ExitStack() as stack:
            if processes:
                from keras_handpose.synthetic.render_process import RenderProcesses

                render = stack.enter_context(closing(RenderProcesses(workers, batch, **shared))).render
            else:
                render = partial(render_batch, batch, **shared)
            numbered = work_ahead(
                lambda number: render(seed=seed, number=number), itertools.count(start), workers=workers, ahead=ahead
            )
            yield from stack.enter_context(closing(numbered))

    return batches()


def render_batch(
    batch: int,
    *,
    seed: int,
    number: int,
    augmentation: Augmentation | None = None,
    repeats: int = 1,
    **shared,
) -> LabelledCrops:
    """Render batch ``number`` of `iterate_crops`."""
    crops = render_crops(batch // repeats, seed=_mix(seed, number), **shared)
    if repeats > 1:
        crops = crops.crops(np.tile(np.arange(len(crops)), repeats))
    if augmentation is None:
        return crops
    changed = augmentation.apply(crops, augmentation_rng(seed, number))
    if repeats > 1:
        first = len(crops) // repeats
        for name in ("images", "joints_unit", "centres_xyz", "cubes"):
            getattr(changed, name)[:first] = getattr(crops, name)[:first]
    return changed


def _mix(seed: int, number: int) -> int:
    return int(np.random.SeedSequence([seed, number]).generate_state(1, np.uint64)[0])


def _render_chunk(
    crops: LabelledCrops,
    part: slice,
    rng: np.random.Generator,
    rigs: tuple[str, ...],
    ingredients: Ingredients,
    held_out: bool,
) -> None:
    """Render the crops of a slice in place."""
    rig = RIGS[rigs[rng.integers(len(rigs))]]
    sensor = SENSORS[rig.sensor]
    cube, size = float(crops.cubes[part.start]), crops.images.shape[1]
    scenes = sample_scenes(
        part.stop - part.start,
        rng,
        rig.camera,
        distance=rig.distance,
        ingredients=ingredients,
        held_out=held_out,
    )
    joints_xyz = scenes.joints_xyz(crops.skeleton)
    for i, middle in enumerate(scenes.middles_xyz):
        camera = _window(rig.camera, middle, cube, size)
        depth = scenes.shoot(i, camera, sensor.varied(rng), seed=int(rng.integers(2**63)))
        if rng.random() < 0.04:
            _cut(depth, rng)
        centre = middle + rng.normal(0.0, 9.0, 3)
        if rng.random() < 0.67:
            u, v, z = xyz_to_uvd(centre, camera).tolist()
            uvd = centre_of_mass(depth, camera, u, v, z, cube, 2)
            centre = uvd_to_xyz(np.array(uvd), camera) + rng.normal(0.0, 5.0, 3)
        crop = crop_hand(depth, camera, centre, cube=cube, size=size)
        crops.images[part.start + i, ..., 0] = crop.image
        crops.joints_unit[part.start + i] = crop.xyz_to_unit(joints_xyz[i])
        crops.centres_xyz[part.start + i] = centre


def _window(camera: Camera, middle_xyz: np.ndarray, cube: float, size: int) -> Camera:
    """Return the part of the camera's frame around a hand, thinned to hardly more pixels than a crop can show.

    The crop takes the nearest of the frame's pixels, so of a fine frame it sees every second or third pixel only.
    """
    x, y, z = middle_xyz
    thin = max(1.0, camera.fx / z * cube / (_FINEST * size))
    camera = replace(camera, fx=camera.fx / thin, fy=camera.fy / thin, cx=camera.cx / thin, cy=camera.cy / thin)
    edge = int(1.25 * cube * camera.fx / z) + 2
    left = int(x * camera.fx / z + camera.cx) - edge // 2
    top = int(y * camera.fy / z + camera.cy) - edge // 2
    return camera.window(left, top, edge, edge)


def _cut(depth: np.ndarray, rng: np.random.Generator) -> None:
    """Empty one side of a window, as where the frame ends."""
    height, width = depth.shape
    share = rng.uniform(0.15, 0.38)
    side = rng.integers(4)
    if side == 0:
        depth[: int(height * share)] = 0
    elif side == 1:
        depth[int(height * (1 - share)) :] = 0
    elif side == 2:
        depth[:, : int(width * share)] = 0
    else:
        depth[:, int(width * (1 - share)) :] = 0
