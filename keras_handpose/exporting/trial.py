"""The trial of an export: its file runs on crops beside the Keras network that it was made of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from keras_handpose.exporting.calibration import calibration_crops, held_out_crops, pipeline_inputs
from keras_handpose.exporting.comparison import Comparison, ExportError, compare
from keras_handpose.preprocessing import Detection, crop_hand, detect_hand
from keras_handpose.synthetic.scenes import sample_scenes

if TYPE_CHECKING:
    from keras_handpose.datasets import CropStore
    from keras_handpose.engines.exported import PipelineEngine, PipelineResult
    from keras_handpose.engines.metadata import Metadata
    from keras_handpose.exporting.subjects import Subject

__all__ = ["calibration_inputs", "compare_with_keras"]

_HELD_OUT = 256
_CALIBRATION = 128
_FRAMES = 8
_SCENES_SEED = 5_150_313


def calibration_inputs(metadata: Metadata, store: CropStore | None) -> Iterator[dict[str, np.ndarray]]:
    """Yield what to calibrate a file with: for each run an array for every input by name.

    Args:
        metadata: What the file is.
        store: The user's crops, if there are any.
    """
    images = calibration_crops(_CALIBRATION, **_kind_of_crops(metadata), store=store).images
    if metadata.kind == "pipeline":
        return pipeline_inputs(images, shape=metadata.camera.shape, cube=metadata.cube)
    return ({"crop": image[None]} for image in images)


def compare_with_keras(path: Path, subject: Subject, store: CropStore | None) -> Comparison:
    """Run a file and its Keras network on held-out crops.

    Of a pipeline, the crops go in as frames; Keras has what `crop_hand` cuts out of them. Its detection runs beside
    `detect_hand` on rendered frames of its camera.

    Raises:
        ExportError: The detection finds other hands.
    """
    from keras_handpose.engines.exported import open_engine
    from keras_handpose.engines.keras import KerasEngine

    metadata = subject.metadata
    crops = held_out_crops(_HELD_OUT, **_kind_of_crops(metadata), store=store)
    half_cubes = crops.cubes[:, None, None] / 2
    engine, keras_engine = open_engine(path), KerasEngine(subject.network)
    if metadata.kind == "network":
        joints, keras_joints = engine(crops.images) * half_cubes, keras_engine(crops.images) * half_cubes
        return compare(joints, keras_joints, crops.joints_unit * half_cubes, quantize=metadata.quantize)

    _check_detection(engine, metadata)
    joints, images, centres = [], [], []
    for frame in pipeline_inputs(crops.images, shape=metadata.camera.shape, cube=metadata.cube):
        depth, centre = frame["depth"], frame["centre"]
        fx, fy, cx, cy = frame["camera"].tolist()
        camera = replace(metadata.camera, fx=fx, fy=fy, cx=cx, cy=cy)
        images.append(crop_hand(depth, camera, centre, cube=metadata.cube, size=metadata.crop_size).image)
        joints.append(engine(depth, camera=camera, mirror=False, centre_xyz=centre).joints_xyz)
        centres.append(centre)
    half_cube, centres = metadata.cube / 2, np.stack(centres)[:, None]
    keras_joints = keras_engine(np.stack(images)[..., None]) * half_cube + centres
    return compare(np.stack(joints), keras_joints, crops.joints_unit * half_cube + centres, quantize=metadata.quantize)


def _check_detection(engine: PipelineEngine, metadata: Metadata) -> None:
    camera = metadata.camera
    scenes = sample_scenes(_FRAMES, np.random.default_rng(_SCENES_SEED), camera)
    for number in range(_FRAMES):
        depth = scenes.render(number, camera)
        expected = detect_hand(depth, camera, cube=metadata.cube, min_score=metadata.min_score)
        result = engine(depth, camera=camera)
        if not np.allclose(result.centre_xyz, expected.centre_xyz, rtol=0, atol=0.5, equal_nan=True):
            raise ExportError(
                "The exported file does not find the hands that `detect_hand` finds, and was not kept. "
                f"Received: {_hand(result)} in a rendered frame with {_hand(expected)}."
            )


def _hand(found: PipelineResult | Detection) -> str:
    return f"a hand at {np.round(found.centre_xyz, 1).tolist()} mm" if found.found else "no hand"


def _kind_of_crops(metadata: Metadata) -> dict:
    return {
        "skeleton": metadata.skeleton,
        "cube": metadata.cube,
        "size": metadata.crop_size,
        "hand": metadata.hand,
    }
