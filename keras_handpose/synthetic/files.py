"""Rendered frames on disk, in a layout of their own or in a dataset's."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

from keras_handpose.cameras import CAMERAS, Camera
from keras_handpose.datasets import MSRA15, Dataset, Frame, write_labelled, write_msra15
from keras_handpose.datasets.msra15 import MSRA15_GESTURES, MSRA15_SUBJECTS
from keras_handpose.skeletons import MSRA21, Skeleton
from keras_handpose.synthetic.crops import RIGS
from keras_handpose.synthetic.sensors import SENSORS
from keras_handpose.synthetic.studio import TAKE, Studio, Take

__all__ = ["LAYOUTS", "write_frames"]

Shoot = Callable[[Iterable[Take]], Iterator[Frame]]


def write_frames(
    output: str | os.PathLike,
    *,
    frames: int,
    layout: str = "frames",
    subjects: int | None = None,
    camera: Camera | str | None = None,
    sensor: str | None = None,
    distance: tuple[float, float] | None = None,
    hand: str | None = None,
    skeleton: Skeleton | None = None,
    depth_scale: float | None = None,
    seed: int = 0,
    workers: int = 2,
    progress: Callable[[int], None] | None = None,
) -> Path:
    """Render labelled depth frames to a folder.

    Layouts:

    - "frames": PNG files and ``labels.json``, of any camera, hand and skeleton (`LabelledFrames`).
    - "msra15": subjects P0, P1 and so on with the 17 gesture folders each, over which the frames are shared evenly;
      right hands and some of their forearms with nothing around them (`MSRA15`). The folders are named after gestures
      but hold hands in any pose.

    Each subject has a hand of its own, the same one in all frames. Labels are written last: a folder without them is
    one whose writing was interrupted, and the same call writes it anew.

    Args:
        output: Folder to write to; it is made where it does not exist.
        frames: Number of frames.
        layout: One of `LAYOUTS`.
        subjects: Number of people, by default as many as the dataset has; in layout "frames", by default another one
            in every frame.
        camera: A camera or the name of one, by default "msra15". As hand, skeleton and depth scale, it can be chosen
            in layout "frames" only; the datasets have their own.
        sensor: Kind of sensor in `SENSORS`, by default the one of the camera's rig, or "time_of_flight".
        distance: Least and greatest distance of the hands in mm, by default that of the camera's rig.
        hand: "right" or "left", by default right.
        skeleton: Layout of the labels, by default `MSRA21`.
        depth_scale: Millimetres a unit of the PNG files, by default 1.
        seed: The same seed gives the same frames, whatever the number of workers.
        workers: Number of threads that render.
        progress: Called with the number of frames written after each.

    Returns:
        The folder.

    Raises:
        FileExistsError: The folder holds labels already.
        ValueError: Unknown layout, camera, sensor or hand, more people than frames or than the dataset has, or
            something that the layout does not let one choose.

    Example:
        >>> import tempfile
        >>> from keras_handpose.datasets import LabelledFrames
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     LabelledFrames(write_frames(folder, frames=2))[1].depth.shape
        (240, 320)
    """
    if layout not in LAYOUTS:
        raise ValueError(f"`layout` must be one of {', '.join(LAYOUTS)}. Received: {layout!r}.")
    dataset, write = _LAYOUTS[layout]
    chosen = {"camera": camera, "hand": hand, "skeleton": skeleton, "depth_scale": depth_scale}
    chosen = {name: value for name, value in chosen.items() if value is not None}
    if dataset and chosen:
        raise ValueError(f"layout={layout!r} has its own {', '.join(chosen)}. Received: {chosen}. Leave that out.")
    people = 1 if subjects is None else subjects
    if not 1 <= people <= frames:
        raise ValueError(
            f"`frames` must be at least 1 and `subjects` between 1 and that. Received: frames={frames}, "
            f"subjects={subjects}."
        )
    studio = Studio(
        **_equipment(dataset.camera if dataset else camera or "msra15", sensor, distance),
        hand=dataset.hand if dataset else hand or "right",
        skeleton=dataset.skeleton if dataset else skeleton or MSRA21,
        segmented=layout == "msra15",
        seed=seed,
    )
    if studio.hand not in ("right", "left"):
        raise ValueError(f"`hand` must be 'right' or 'left'. Received: {studio.hand!r}.")
    if depth_scale is not None:
        write = partial(write, depth_scale=depth_scale)
    written = 0

    def shoot(takes: Iterable[Take]) -> Iterator[Frame]:
        nonlocal written
        for frame in studio.shoot_all(takes, workers):
            yield frame
            written += 1
            if progress is not None:
                progress(written)

    return write(Path(output), shoot, frames, subjects)


def _equipment(camera: Camera | str, sensor: str | None, distance: tuple[float, float] | None) -> dict:
    if isinstance(camera, str):
        if camera not in CAMERAS:
            raise ValueError(f"`camera` must be one of {', '.join(CAMERAS)}. Received: {camera!r}.")
        camera = CAMERAS[camera]
    rig = RIGS.get(camera.name)
    sensor = sensor or (rig.sensor if rig else "time_of_flight")
    if sensor not in SENSORS:
        raise ValueError(f"`sensor` must be one of {', '.join(SENSORS)}. Received: {sensor!r}.")
    return {"camera": camera, "sensor": sensor, "distance": distance or (rig.distance if rig else (250.0, 700.0))}


def _write_labelled(folder: Path, shoot: Shoot, frames: int, subjects: int | None, *, depth_scale: float = 1.0) -> Path:
    takes = _of_anybody(frames) if subjects is None else _of_people(frames, [f"P{i}" for i in range(subjects)])
    return write_labelled(folder, shoot(takes), depth_scale=depth_scale)


def _write_msra15(folder: Path, shoot: Shoot, frames: int, subjects: int | None) -> Path:
    names = MSRA15_SUBJECTS[: min(subjects or len(MSRA15_SUBJECTS), frames)]
    if subjects is not None and subjects > len(names):
        raise ValueError(f"MSRA15 has {len(names)} subjects. Received: subjects={subjects}.")

    def path(name: str, i: int, count: int) -> str:
        gesture = i * len(MSRA15_GESTURES) // count
        first = -(-gesture * count // len(MSRA15_GESTURES))
        return f"{name}/{MSRA15_GESTURES[gesture]}/{i - first:06d}_depth.bin"

    return write_msra15(folder, shoot(_of_people(frames, names, path)))


_LAYOUTS: dict[str, tuple[type[Dataset] | None, Callable[..., Path]]] = {
    "frames": (None, _write_labelled),
    "msra15": (MSRA15, _write_msra15),
}

LAYOUTS = tuple(_LAYOUTS)
"""Names of the layouts that frames can be written in."""


def _of_anybody(frames: int) -> Iterator[Take]:
    """Split frames into takes in which every hand is another person's."""
    for number, start in enumerate(range(0, frames, TAKE)):
        yield Take(number=number, paths=("",) * min(TAKE, frames - start))


def _of_people(
    frames: int, names: Sequence[str], path: Callable[[str, int, int], str] = lambda name, i, count: ""
) -> Iterator[Take]:
    """Share frames evenly over people, one after the other; ``path(name, i, count)`` is the i-th of a person's."""
    for person, name in enumerate(names):
        count = (person + 1) * frames // len(names) - person * frames // len(names)
        for number, start in enumerate(range(0, count, TAKE)):
            paths = tuple(path(name, i, count) for i in range(start, min(start + TAKE, count)))
            yield Take(number=number, paths=paths, person=person, subject=name)
