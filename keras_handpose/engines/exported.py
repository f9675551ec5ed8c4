"""Exported files as engines: what was called with crops or frames in Keras is called alike without it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from keras_handpose.cameras import Camera
from keras_handpose.checks import check_path
from keras_handpose.engines.engine import check_crops
from keras_handpose.engines.litert import LiteRTSession
from keras_handpose.engines.onnx import OnnxSession
from keras_handpose.engines.session import Session, Tensor
from keras_handpose.preprocessing import HandCube, check_depth

__all__ = ["NetworkEngine", "PipelineEngine", "PipelineResult", "open_engine"]

_SESSIONS = {".onnx": OnnxSession, ".tflite": LiteRTSession}
_BATCH = 32  # Crops to run at once at most, where a graph takes more than one.


def open_engine(path: str | os.PathLike, *, threads: int | None = None) -> NetworkEngine | PipelineEngine:
    """Open an exported file: a `NetworkEngine` for a network, a `PipelineEngine` for a whole pipeline.

    Neither Keras nor TensorFlow is imported.

    Args:
        path: A ``.onnx`` or ``.tflite`` file that `keras_handpose.export` wrote.
        threads: Number of threads to run with, by default 1.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is of another format, damaged, not an export of this package, or its metadata say what its graph
            does not have; or `threads` is not a positive number.
        ImportError: The file's runtime is not installed.
    """
    suffix = check_path(path).suffix
    if suffix not in _SESSIONS:
        raise ValueError(f"An exported model's file ends in {' or '.join(_SESSIONS)}. Received: {os.fspath(path)!r}.")
    session = _SESSIONS[suffix](path, threads=threads)
    return (NetworkEngine if session.metadata.kind == "network" else PipelineEngine)(session)


class NetworkEngine:
    """Runs an exported network; an `Engine`. `open_engine` makes it.

    Args:
        session: The file in its runtime.

    Attributes:
        crop_size: Edge of the crops in px.
        joints: Number of joints.
        path, metadata: The file, and what it says of itself.

    Raises:
        ValueError: The metadata say what the graph does not have.
    """

    def __init__(self, session: Session) -> None:
        self.path, self.metadata = session.path, session.metadata
        self.crop_size, self.joints = size, joints = session.metadata.crop_size, len(session.metadata.skeleton)
        for batch in (None, 1):
            inputs = {"crop": Tensor((batch, size, size, 1), np.float32)}
            outputs = {"joints_unit": Tensor((batch, joints, 3), np.float32)}
            if (session.inputs, session.outputs) == (inputs, outputs):
                break
        else:
            raise _other_graph(session, inputs, outputs)
        self._session, self._batch = session, batch or _BATCH

    def __call__(self, crops: np.ndarray) -> np.ndarray:
        """Estimate ``joints_unit`` ``(n, joints, 3)`` from crops ``(n, size, size, 1)``; see `Engine`."""
        crops = check_crops(crops, self.crop_size)
        parts = [crops[i : i + self._batch] for i in range(0, len(crops), self._batch)]
        joints_unit = [self._session.run({"crop": part})["joints_unit"] for part in parts]
        return joints_unit[0] if len(joints_unit) == 1 else np.concatenate(joints_unit)


class PipelineResult(NamedTuple):
    """What a pipeline says of a frame.

    Args:
        joints_xyz: Joints in mm, shape ``(joints, 3)``, float32; NaN without a hand.
        joints_uvd: The same in px, px, mm.
        centre_xyz: Centre of the hand's cube in mm, shape ``(3,)``, float32; NaN without a hand.
        found: Whether there is a hand.
        score: Evidence for a hand, from 0 to 1.
    """

    joints_xyz: np.ndarray
    joints_uvd: np.ndarray
    centre_xyz: np.ndarray
    found: bool
    score: float


class PipelineEngine:
    """Runs an exported pipeline. `open_engine` makes it.

    Args:
        session: The file in its runtime.

    Attributes:
        crop_size: Edge of the crops in px.
        joints: Number of joints.
        path, metadata: The file, and what it says of itself.
        frame_shape: Height and width of the frames in px that it takes, None for any.

    Raises:
        ValueError: The metadata say what the graph does not have.
    """

    def __init__(self, session: Session) -> None:
        self.path, self.metadata = session.path, session.metadata
        self.crop_size, self.joints = session.metadata.crop_size, len(session.metadata.skeleton)
        joints = Tensor((self.joints, 3), np.float32)
        point, number, flag = Tensor((3,), np.float32), Tensor((), np.float32), Tensor((), np.bool_)
        others = {"camera": Tensor((4,), np.float32), "mirror": flag, "centre": point}
        outputs = {"joints_xyz": joints, "joints_uvd": joints, "centre_xyz": point, "found": flag, "score": number}
        for shape in ((None, None), session.metadata.camera.shape):
            inputs = {"depth": Tensor(shape, np.float32), **others}
            if (session.inputs, session.outputs) == (inputs, outputs):
                break
        else:
            raise _other_graph(session, inputs, outputs)
        self.frame_shape = None if None in shape else shape
        self._session = session

    def __call__(
        self, depth: np.ndarray, *, camera: Camera, mirror: bool = False, centre_xyz: np.ndarray | None = None
    ) -> PipelineResult:
        """Estimate the pose in one frame.

        Args:
            depth: Frame in mm, shape ``(height, width)``; see `check_depth`.
            camera: The camera that took it.
            mirror: Whether the hand is not the one that the network knows.
            centre_xyz: The hand's centre in mm, shape ``(3,)``, if it is known; by default the hand is detected.

        Raises:
            TypeError, ValueError: The frame is not a depth frame of the camera's size and one that the pipeline takes,
                or the centre is not finite and in front of the camera.
        """
        depth = check_depth(depth, camera=camera)
        if self.frame_shape not in (None, depth.shape):
            raise ValueError(f"`depth` must have shape {self.frame_shape} for {self.path}. Received: {depth.shape}.")
        centre = (0, 0, 0)
        if centre_xyz is not None:
            centre = HandCube(centre_xyz=centre_xyz, size=self.metadata.cube).centre_xyz
        outputs = self._session.run(
            {
                "depth": depth,
                "camera": np.array((camera.fx, camera.fy, camera.cx, camera.cy), np.float32),
                "mirror": np.array(mirror),
                "centre": np.array(centre, np.float32),
            }
        )
        return PipelineResult(**{**outputs, "found": bool(outputs["found"]), "score": float(outputs["score"])})


def _other_graph(session: Session, inputs: Mapping[str, Tensor], outputs: Mapping[str, Tensor]) -> ValueError:
    differences = [
        f"{name} {_described(graph.get(name))}, not {_described(said.get(name))}"
        for said, graph in ((inputs, session.inputs), (outputs, session.outputs))
        for name in {**said, **graph}
        if said.get(name) != graph.get(name)
    ]
    return ValueError(
        f"{session.path} is not the {session.metadata.kind} that its metadata say it is. Its graph has "
        f"{'; '.join(differences)}. Export it again with keras_handpose.export."
    )


def _described(tensor: Tensor | None) -> str:
    if tensor is None:
        return "missing"
    shape = ", ".join("any" if size is None else str(size) for size in tensor.shape)
    return f"({shape}) {'of another type' if tensor.dtype is None else np.dtype(tensor.dtype).name}"
