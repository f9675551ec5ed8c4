"""Exporting: one file that estimates hand poses without Keras."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from keras_handpose.checks import check_path
from keras_handpose.datasets import CropStore
from keras_handpose.engines.metadata import Metadata, write_metadata
from keras_handpose.engines.sealed_files import SUFFIXES
from keras_handpose.exporting.comparison import MODES, Comparison
from keras_handpose.exporting.conversion import convert, network_signature, pipeline_signature, require_packages
from keras_handpose.exporting.quantisation import quantise
from keras_handpose.exporting.subjects import Subject, open_subject
from keras_handpose.exporting.trial import calibration_inputs, compare_with_keras
from keras_handpose.files import whole_file
from keras_handpose.skeletons import Skeleton

if TYPE_CHECKING:
    import keras

    from keras_handpose.estimator import HandPoseEstimator

__all__ = ["Export", "export"]


@dataclass(frozen=True, kw_only=True)
class Export:
    """A file that was exported, and what is known about it.

    Args:
        path: The file.
        size: Its bytes.
        metadata: What it says of itself.
        comparison: How it compares with the Keras model.
    """

    path: Path
    size: int
    metadata: Metadata
    comparison: Comparison

    def describe(self) -> str:
        """Say in a few lines what was exported and how it compares."""
        what = "whole pipeline" if self.metadata.kind == "pipeline" else "network"
        return (
            f"{self.path}: {what}, {self.metadata.quantize or 'float32'}, {self.size / 1e6:.1f} MB\n"
            f"{self.comparison.describe()}"
        )

    __str__ = describe


def export(
    source: keras.Model | HandPoseEstimator | str | os.PathLike,
    path: str | os.PathLike,
    *,
    quantize: Literal["float16", "dynamic", "int8"] | None = None,
    skeleton: Skeleton | str | None = None,
    cube: float | None = None,
    hand: Literal["right", "left"] | None = None,
    calibration: CropStore | str | os.PathLike | None = None,
    progress: Callable[[str], object] | None = None,
) -> Export:
    """Write a network, or the whole way from a depth frame to joints, to one ONNX or TFLite file.

    The file is compared with the Keras model on crops that it was not calibrated with before it takes its place, in one
    step; one that fails leaves what was there before as it was. It is the same file from every Keras backend; the
    conversion runs in TensorFlow, in a process of its own if that is not the backend.

    - A network takes ``crop`` ``(batch, size, size, 1)`` and gives ``joints_unit`` ``(batch, joints, 3)``; any batch in
      ONNX, of one in TFLite.
    - A pipeline takes ``depth`` ``(height, width)`` in mm, ``camera`` ``(4,)``, ``fx fy cx cy`` in px, ``mirror``, true
      for the hand that the network does not know, and ``centre`` ``(3,)``, the hand's centre in mm or zeros where the
      hand is to be found. It gives ``joints_xyz`` in mm and ``joints_uvd``, ``(joints, 3)``, ``centre_xyz`` ``(3,)``,
      ``found`` and ``score``. In ONNX a frame may have any size, in TFLite that of the estimator's camera.

    Args:
        source: A `keras.Model` from crops to ``joints_unit``, a preset's name or the path of weights with their record
            beside them, for the network; a `HandPoseEstimator` on one of these for the whole pipeline.
        path: The file, ``.onnx`` or ``.tflite``; its suffix is the format.
        quantize: None for float32, ``"float16"`` to halve the file, ``"dynamic"`` for weights of 8 bits, ``"int8"``
            for an arithmetic of 8 bits. Pre- and post-processing, the pose's code and the prior stay float32.
        skeleton: What the model's joints are, or the layout's name; needed for a model that no record is known of.
        cube: Edge in mm of the cube that the model was trained for; needed as `skeleton` is.
        hand: Which hand the model knows; needed as `skeleton` is.
        calibration: A `CropStore` or its path, crops to calibrate and compare with; by default they are rendered.
        progress: Called with a few words before each step.

    Returns:
        What was exported.

    Raises:
        TypeError: The path is none.
        ValueError: Arguments are missing, wrong or contradict what is known of the model.
        ExportError: The model cannot be converted, or the file does not give its joints.
        ImportError: The packages of ``keras-handpose[export]`` are not installed.
        OSError: The weights or the store cannot be read, or the file not be written.

    See Also:
        `HandPoseEstimator`, which runs these files without Keras and TensorFlow.
    """
    path = check_path(path)
    if path.suffix not in SUFFIXES:
        raise ValueError(f"`path` must end in {' or '.join(SUFFIXES)}. Received: {str(path)!r}.")
    if quantize not in MODES:
        raise ValueError(f"`quantize` must be one of {', '.join(map(repr, MODES))}. Received: {quantize!r}.")
    require_packages(path.suffix, quantize)
    say = progress or (lambda step: None)
    say("Loading the network")
    subject = open_subject(source, skeleton=skeleton, cube=cube, hand=hand, quantize=quantize)
    store = calibration if calibration is None or isinstance(calibration, CropStore) else CropStore(calibration)
    if path.is_dir():
        raise IsADirectoryError(f"`path` must be a file's. Received: the folder {path}.")
    with tempfile.TemporaryDirectory() as folder, whole_file(path) as partial:
        partial.touch()  # What cannot be written is said before the work.
        say("Converting")
        converted = Path(folder) / f"float32{path.suffix}" if quantize else partial
        _convert(subject, converted)
        if quantize:
            say("Quantising")
            inputs = calibration_inputs(subject.metadata, store) if quantize == "int8" else ()
            quantise(converted, partial, quantize, inputs)
        write_metadata(partial, subject.metadata)
        say("Comparing")
        comparison = compare_with_keras(partial, subject, store)
        comparison.check()
        metadata = replace(subject.metadata, comparison=comparison.to_dict())
        write_metadata(partial, metadata)
    return Export(path=path, size=path.stat().st_size, metadata=metadata, comparison=comparison)


def _convert(subject: Subject, path: Path) -> None:
    metadata, fixed = subject.metadata, path.suffix == ".tflite"
    if metadata.kind == "network":
        convert(subject.network, path, network_signature(metadata.crop_size, 1 if fixed else None))
        return
    from keras_handpose.models.pipeline import hand_pose_pipeline

    pipeline = hand_pose_pipeline(subject.network, cube=metadata.cube, min_score=metadata.min_score)
    convert(pipeline, path, pipeline_signature(*(metadata.camera.shape if fixed else (None, None))))
