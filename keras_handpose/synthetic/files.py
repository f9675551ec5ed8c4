"""Rendered frames on disk: 16-bit PNG files and their labels."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import cv2
import numpy as np

from keras_handpose.cameras import CAMERAS, Camera
from keras_handpose.skeletons import MSRA21, Skeleton
from keras_handpose.synthetic.crops import RIGS
from keras_handpose.synthetic.scenes import Scenes, sample_scenes
from keras_handpose.synthetic.sensors import SENSORS

__all__ = ["LABELS_FILE", "label", "shoot_frame", "write_frames", "write_labels", "write_png"]

LABELS_FILE = "labels.json"
"""Name of the file with a folder's labels: a list of one object a frame."""

_CHUNK = 16
_LARGEST = 2**16 - 1


def write_frames(
    output: str | os.PathLike,
    *,
    frames: int,
    camera: Camera | str = "msra15",
    sensor: str | None = None,
    distance: tuple[float, float] | None = None,
    hand: str = "right",
    skeleton: Skeleton = MSRA21,
    depth_scale: float = 1.0,
    seed: int = 0,
    progress: Callable[[int], None] | None = None,
) -> Path:
    """Render labelled depth frames to a folder.

    The folder gets ``frame_000000.png`` and so on, 16-bit, 0 for no depth, and ``labels.json``, written last: a list
    with one object a frame that names file, camera, sensor, depth scale (mm a unit), hand, skeleton and joints in mm.

    Args:
        output: Folder to write to; it is made where it does not exist.
        frames: Number of frames.
        camera: A camera or the name of one.
        sensor: Kind of sensor in `SENSORS`, by default the one of the camera's rig, or "time_of_flight".
        distance: Least and greatest distance of the hands in mm, by default that of the camera's rig.
        hand: "right" or "left".
        skeleton: Layout of the labels.
        depth_scale: Millimetres a unit of the PNG files.
        seed: The same seed gives the same frames.
        progress: Called with the number of frames written after each.

    Returns:
        The path of the labels.

    Raises:
        ValueError: Unknown camera, sensor or hand, or depths that do not fit into 16 bits.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_frames(folder, frames=2).name
        'labels.json'
    """
    if isinstance(camera, str):
        if camera not in CAMERAS:
            raise ValueError(f"`camera` must be one of {', '.join(CAMERAS)}. Received: {camera!r}.")
        camera = CAMERAS[camera]
    rig = RIGS.get(camera.name)
    sensor = sensor or (rig.sensor if rig else "time_of_flight")
    if sensor not in SENSORS:
        raise ValueError(f"`sensor` must be one of {', '.join(SENSORS)}. Received: {sensor!r}.")
    if hand not in ("right", "left"):
        raise ValueError(f"`hand` must be 'right' or 'left'. Received: {hand!r}.")
    if frames < 1:
        raise ValueError(f"`frames` must be at least 1. Received: {frames}.")
    distance = distance or (rig.distance if rig else (250.0, 700.0))

    folder = Path(output)
    folder.mkdir(parents=True, exist_ok=True)
    labels = []
    for start in range(0, frames, _CHUNK):
        rng = np.random.default_rng([seed, start // _CHUNK])
        view = camera if hand == "right" else camera.mirrored()
        scenes = sample_scenes(_CHUNK, rng, view, distance=distance)
        for i in range(min(_CHUNK, frames - start)):
            file = f"frame_{start + i:06d}.png"
            depth, joints_xyz = shoot_frame(
                scenes, i, camera, sensor=sensor, hand=hand, skeleton=skeleton, seed=int(rng.integers(2**63))
            )
            write_png(folder / file, depth, depth_scale)
            labels.append(label(file, camera, sensor, depth_scale, hand, skeleton, joints_xyz))
            if progress is not None:
                progress(start + i + 1)
    return write_labels(folder / LABELS_FILE, labels)


def shoot_frame(
    scenes: Scenes, index: int, camera: Camera, *, sensor: str, hand: str, skeleton: Skeleton, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Shoot one scene; as a left hand, in a mirror.

    Returns:
        The frame in mm, float32, shape ``(height, width)``, and the joints in mm, shape ``(joints, 3)``.
    """
    joints_xyz = scenes.joints_xyz(skeleton)[index]
    if hand == "right":
        return scenes.shoot(index, camera, SENSORS[sensor], seed=seed), joints_xyz
    depth = scenes.shoot(index, camera.mirrored(), SENSORS[sensor], seed=seed)
    return np.ascontiguousarray(depth[:, ::-1]), joints_xyz * [-1.0, 1.0, 1.0]


def write_png(path: Path, depth: np.ndarray, depth_scale: float) -> None:
    """Write a frame in mm as a 16-bit PNG of ``depth_scale`` mm a unit."""
    units = np.floor(depth / depth_scale + 0.5)
    if units.max() > _LARGEST:
        # Far background that the format cannot hold is as good as none.
        units[units > _LARGEST] = 0
    written, encoded = cv2.imencode(".png", units.astype(np.uint16))
    if not written:
        raise OSError(f"{path} could not be encoded as PNG.")
    path.write_bytes(encoded.tobytes())


def label(
    file: str, camera: Camera, sensor: str, depth_scale: float, hand: str, skeleton: Skeleton, joints_xyz: np.ndarray
) -> dict:
    """Describe one frame."""
    return {
        "file": file,
        "camera": asdict(camera),
        "sensor": sensor,
        "depth_scale": depth_scale,
        "hand": hand,
        "skeleton": skeleton.name,
        "joints_xyz": np.round(joints_xyz, 3).tolist(),
    }


def write_labels(path: Path, labels: list[dict]) -> Path:
    """Write labels in one step."""
    draft = path.with_name(f".{path.name}.partial")
    draft.write_text(json.dumps(labels, indent=1) + "\n", encoding="utf-8")
    os.replace(draft, path)
    return path
