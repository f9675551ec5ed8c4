"""Rendered frames on disk, in a layout of their own or in a dataset's."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

from keras_handpose.cameras import CAMERAS, Camera
from keras_handpose.checks import check_hand, check_named
from keras_handpose.datasets import (
    ICVL,
    MSRA15,
    NYU,
    Dataset,
    Frame,
    write_icvl,
    write_labelled,
    write_msra15,
    write_nyu,
)
from keras_handpose.datasets.icvl import ICVL_TEST_SEQUENCES
from keras_handpose.datasets.msra15 import MSRA15_GESTURES, MSRA15_SUBJECTS
from keras_handpose.datasets.nyu import NYU_FRAMES_OF_SUBJECT_1
from keras_handpose.datasets.pngs import LARGEST
from keras_handpose.skeletons import MSRA21, Skeleton
from keras_handpose.synthetic.crops import RIGS
from keras_handpose.synthetic.sensors import SENSORS
from keras_handpose.synthetic.studio import TAKE, Studio, Take

__all__ = ["LAYOUTS", "write_frames"]

_COARSEST = 10.0  # mm in one unit, of which not much would be left of a hand.

Session = tuple[list[Take], Callable[[Path, Iterable[Frame]], Path]]
"""Frames to shoot, and what writes them."""


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
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Render labelled depth frames to a folder.

    Layouts:

    - "frames": PNG files and ``labels.json``, of any camera, hand and skeleton (`LabelledFrames`).
    - "msra15": subjects P0, P1 and so on with the 17 gesture folders each, over which the frames are shared evenly;
      right hands and some of their forearms with nothing around them (`MSRA15`). The folders are named after gestures
      but hold hands in any pose.
    - "icvl": as many training frames, one recording a subject, and a tenth as many test frames, two sequences of two
      more people; left hands (`ICVL`).
    - "nyu": as many training frames, and a tenth as many test frames, of which the first 2,440 show the first of the
      training subjects and all others another person; right hands, one view (`NYU`).

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
        progress: Called after each frame with the number of frames written, and of all there will be.

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
    dataset, plan = _LAYOUTS[layout]
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
    check_hand(studio.hand)
    if depth_scale is not None:
        _check_scale(depth_scale, studio)
    sessions = plan(frames, subjects, **({} if depth_scale is None else {"depth_scale": depth_scale}))
    total = sum(len(take.paths) for takes, _ in sessions for take in takes)
    written = 0

    def shoot(takes: list[Take]) -> Iterator[Frame]:
        nonlocal written
        for frame in studio.shoot_all(takes, workers):
            yield frame
            written += 1
            if progress is not None:
                progress(written, total)

    for takes, write in sessions:
        write(Path(output), shoot(takes))
    return Path(output)


def _equipment(camera: Camera | str, sensor: str | None, distance: tuple[float, float] | None) -> dict:
    camera = check_named(camera, CAMERAS, Camera, "camera")
    rig = RIGS.get(camera.name)
    sensor = sensor or (rig.sensor if rig else "time_of_flight")
    if sensor not in SENSORS:
        raise ValueError(f"`sensor` must be one of {', '.join(SENSORS)}. Received: {sensor!r}.")
    return {"camera": camera, "sensor": sensor, "distance": distance or (rig.distance if rig else (250.0, 700.0))}


def _check_scale(depth_scale: float, studio: Studio) -> None:
    """Refuse units in which a PNG file cannot hold the hands, or hardly."""
    least = studio.distance[1] / LARGEST
    if not least <= depth_scale <= _COARSEST:
        raise ValueError(
            f"`depth_scale` must be from {least:.2g} to {_COARSEST:g} mm for hands up to {studio.distance[1]:g} mm "
            f"away in 16 bits. Received: depth_scale={depth_scale!r}."
        )


def _plan_frames(frames: int, subjects: int | None, *, depth_scale: float = 1.0) -> list[Session]:
    takes = _of_anybody(frames) if subjects is None else _of_people(frames, [f"P{i}" for i in range(subjects)])
    return [(takes, partial(write_labelled, depth_scale=depth_scale))]


def _plan_msra15(frames: int, subjects: int | None) -> list[Session]:
    most = len(MSRA15_SUBJECTS)
    if subjects is not None and subjects > most:
        raise ValueError(f"MSRA15 has {most} subjects. Received: subjects={subjects}.")

    def path(name: str, i: int, count: int) -> str:
        gesture = i * len(MSRA15_GESTURES) // count
        first = -(-gesture * count // len(MSRA15_GESTURES))
        return f"{name}/{MSRA15_GESTURES[gesture]}/{i - first:06d}_depth.bin"

    return [(_of_people(frames, MSRA15_SUBJECTS[: subjects or min(most, frames)], path), write_msra15)]


def _plan_icvl(frames: int, subjects: int | None) -> list[Session]:
    subjects = subjects or min(10, frames)
    recordings = [f"20140101{person:04d}" for person in range(subjects)]
    tests = _of_people(max(2, _tenth(frames)), ICVL_TEST_SEQUENCES, first=subjects)
    return [(_of_people(frames, recordings), write_icvl), (tests, partial(write_icvl, split="test"))]


def _plan_nyu(frames: int, subjects: int | None) -> list[Session]:
    subjects = subjects or 1
    of_first = min(_tenth(frames), NYU_FRAMES_OF_SUBJECT_1)
    # The training frames have taken the first person's first takes.
    tests = _of_people(of_first, [""], start=frames // TAKE + 1)
    tests += _of_people(_tenth(frames) - of_first, [""], first=subjects)
    return [(_of_people(frames, [""] * subjects), write_nyu), (tests, partial(write_nyu, split="test"))]


_LAYOUTS: dict[str, tuple[type[Dataset] | None, Callable[..., list[Session]]]] = {
    "frames": (None, _plan_frames),
    "msra15": (MSRA15, _plan_msra15),
    "icvl": (ICVL, _plan_icvl),
    "nyu": (NYU, _plan_nyu),
}

LAYOUTS = tuple(_LAYOUTS)
"""Names of the layouts that frames can be written in."""


def _tenth(frames: int) -> int:
    return -(-frames // 10)


def _of_anybody(frames: int) -> list[Take]:
    """Split frames into takes in which every hand is another person's."""
    starts = range(0, frames, TAKE)
    return [Take(number=i, paths=("",) * min(TAKE, frames - start)) for i, start in enumerate(starts)]


def _of_people(
    frames: int,
    names: Sequence[str],
    path: Callable[[str, int, int], str] = lambda name, i, count: "",
    *,
    first: int = 0,
    start: int = 0,
) -> list[Take]:
    """Share frames evenly over people, one after the other.

    Args:
        frames: Number of frames.
        names: The people's names.
        path: From a person's name, the number of one of its frames and how many it has, the frame's path.
        first: Number of the first person.
        start: Number of each person's first take.
    """
    takes = []
    for i, name in enumerate(names):
        count = (i + 1) * frames // len(names) - i * frames // len(names)
        for number, begin in enumerate(range(0, count, TAKE), start):
            paths = tuple(path(name, k, count) for k in range(begin, min(begin + TAKE, count)))
            takes.append(Take(number=number, paths=paths, person=first + i, subject=name))
    return takes
