"""What an exported model says of itself, inside of its file."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from itertools import chain
from typing import Any, Literal

from keras_handpose import __version__
from keras_handpose.cameras import Camera
from keras_handpose.checks import HANDS
from keras_handpose.confidence import Confidence
from keras_handpose.engines.sealed_files import seal, unseal
from keras_handpose.records import plain, read_object, write_object
from keras_handpose.skeletons import SKELETONS, Skeleton

__all__ = ["FORMAT_VERSION", "Metadata", "read_metadata", "write_metadata"]

FORMAT_VERSION = 1
"""Version of the metadata's layout. It grows when a key that is needed is added, removed or changes its meaning."""


@dataclass(frozen=True, kw_only=True)
class Metadata:
    """What an exported model is, and how to feed it and read it.

    Args:
        kind: ``"network"``: from ``crop`` to ``joints_unit``; ``"pipeline"``: from ``depth``, ``camera``, ``mirror``
            and ``centre`` to ``joints_xyz``, ``joints_uvd``, ``centre_xyz``, ``found`` and ``score``.
        skeleton: What the joints are.
        cube: Edge in mm of the cube around the hand.
        hand: ``"right"`` or ``"left"``, the hand that the network knows.
        crop_size: Edge of the network's crops in px.
        camera: The camera at the export, of which a TFLite pipeline has the frame size; needed for a pipeline.
        min_score: Evidence from which on something is a hand for a pipeline, and needed for one.
        preset: Name of the weights, if they have one.
        quantize: None for float32, ``"float16"``, ``"dynamic"`` or ``"int8"``.
        version: Version of this package that wrote the file.
        weights_sha256: SHA-256 of the network's weights, in hexadecimal digits.
        trained_on: The training data in a few words, if they are known.
        comparison: How the file compared with the Keras model when it was written. Lists become tuples.
        format_version: Version of this layout.
        confidence: What poses are scored with; None where nothing was calibrated.

    Raises:
        ValueError: A value has the wrong type or lies outside of what is described above.

    Example:
        >>> from keras_handpose.skeletons import MSRA21
        >>> metadata = Metadata(
        ...     kind="network", skeleton=MSRA21, cube=250.0, hand="right", crop_size=128, weights_sha256="0" * 64
        ... )
        >>> Metadata.from_json(metadata.to_json()) == metadata
        True
    """

    kind: Literal["network", "pipeline"]
    skeleton: Skeleton
    cube: float
    hand: Literal["right", "left"]
    crop_size: int
    camera: Camera | None = None
    min_score: float | None = None
    preset: str | None = None
    quantize: Literal["float16", "dynamic", "int8"] | None = None
    version: str = __version__
    weights_sha256: str
    trained_on: str | None = None
    comparison: Mapping[str, Any] = field(default_factory=dict)
    format_version: int = FORMAT_VERSION
    confidence: Confidence | None = None

    def __post_init__(self) -> None:
        pipeline = self.kind == "pipeline"
        text_or_none = (str, type(None))
        for key, fits, expected in (
            ("format_version", self.format_version == FORMAT_VERSION, f"{FORMAT_VERSION} in this version"),
            ("kind", self.kind in ("network", "pipeline"), "'network' or 'pipeline'"),
            ("skeleton", isinstance(self.skeleton, Skeleton), "a Skeleton"),
            ("cube", _is_number(self.cube) and self.cube > 0, "a positive length in mm"),
            ("hand", self.hand in HANDS, "'right' or 'left'"),
            ("crop_size", _is_whole(self.crop_size) and self.crop_size > 0, "a positive number of px"),
            ("camera", isinstance(self.camera, (Camera,) if pipeline else (Camera, type(None))), "a Camera"),
            (
                "min_score",
                _is_number(self.min_score) and 0 < self.min_score <= 1 or (self.min_score is None and not pipeline),
                "in (0, 1]",
            ),
            ("preset", isinstance(self.preset, text_or_none), "a name or None"),
            (
                "quantize",
                self.quantize in (None, "float16", "dynamic", "int8"),
                "None, 'float16', 'dynamic' or 'int8'",
            ),
            ("version", isinstance(self.version, str), "text"),
            (
                "weights_sha256",
                isinstance(self.weights_sha256, str) and re.fullmatch("[0-9a-f]{64}", self.weights_sha256),
                "64 lower-case hexadecimal digits",
            ),
            ("trained_on", isinstance(self.trained_on, text_or_none), "text or None"),
            ("comparison", isinstance(self.comparison, Mapping), "an object of keys and values"),
            ("confidence", isinstance(self.confidence, Confidence | None), "a Confidence or None"),
        ):
            if not fits:
                raise ValueError(f"`{key}` must be {expected}. Received: {key}={getattr(self, key)!r}.")
        if self.confidence is not None:
            self.confidence.require(self.skeleton)
        object.__setattr__(self, "comparison", plain(self.comparison, "comparison"))

    @classmethod
    def from_json(cls, text: str | bytes) -> Metadata:
        """Read metadata from JSON text; the inverse of `to_json`.

        Raises:
            ValueError: The text is not JSON, a key is missing, unknown or doubled, or a value is wrong.
        """
        names = [f.name for f in fields(cls)]
        values = read_object(text, names, optional=["confidence"], format_version=FORMAT_VERSION)
        skeleton, camera = _skeleton(values["skeleton"]), values["camera"]
        if camera is not None:
            try:
                camera = Camera(**camera)
            except (TypeError, ValueError, OverflowError) as error:
                raise ValueError(f"`camera` must be a camera's values. {error} Received: {camera!r}.") from error
        if values.get("confidence") is not None:
            values["confidence"] = Confidence.from_dict(values["confidence"])
        return cls(**{**values, "skeleton": skeleton, "camera": camera})

    def to_json(self) -> str:
        """Write the metadata as JSON text; the inverse of `from_json`."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        values["skeleton"] = {f.name: getattr(self.skeleton, f.name) for f in fields(Skeleton)}
        values["skeleton"]["fingers"] = dict(self.skeleton.fingers)
        values["camera"] = None if self.camera is None else asdict(self.camera)
        if values["confidence"] is None:
            del values["confidence"]
        else:
            values["confidence"] = self.confidence.to_dict()
        return write_object(values)


def read_metadata(path: str | os.PathLike) -> Metadata:
    """Read the metadata of an exported model, and check that the file is as it was written. No runtime is needed.

    Args:
        path: A ``.onnx`` or ``.tflite`` file.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is of another format, damaged, changed after it was written, or not a model that this package
            exported.

    See Also:
        `write_metadata`, the inverse; `keras_handpose.engines.sealed_files`, which says where they are in the file.
    """
    text = unseal(path)
    try:
        return Metadata.from_json(text)
    except ValueError as error:
        raise ValueError(f"The metadata in {path} cannot be used. {error}") from error


def write_metadata(path: str | os.PathLike, metadata: Metadata) -> None:
    """Write metadata into a model's file, in one step. Those that it has are replaced.

    Args:
        path: A ``.onnx`` or ``.tflite`` file.
        metadata: What to write.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is of another format.

    See Also:
        `read_metadata`, the inverse.
    """
    seal(path, metadata.to_json().encode())


def _skeleton(values: Any) -> Skeleton:
    """Return the skeleton of a JSON value, the one in `SKELETONS` where it is the same."""
    try:
        skeleton = Skeleton(
            **{
                **values,
                "joint_names": tuple(values["joint_names"]),
                "landmarks": tuple(values["landmarks"]),
                "fingers": {name: tuple(finger) for name, finger in values["fingers"].items()},
                "palm": tuple(values["palm"]),
                "bones": tuple((a, b) for a, b in values["bones"]),
            }
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(
            f"`skeleton` must have the values {', '.join(f.name for f in fields(Skeleton))}. "
            f"Received: {values!r}, of which {type(error).__name__}: {error}."
        ) from error
    joints = len(skeleton)
    names = (skeleton.name, *skeleton.joint_names, *skeleton.landmarks)
    indices = (skeleton.centre_joint, *skeleton.palm, *chain(*skeleton.bones, *skeleton.fingers.values()))
    for fits, expected in (
        (all(isinstance(name, str) for name in names), "names that are text"),
        (joints == len(skeleton.landmarks) == len({*skeleton.joint_names}) > 0, "one name and landmark for each joint"),
        (all(_is_whole(index) and 0 <= index < joints for index in indices), f"indices from 0 to {joints - 1}"),
        (all(skeleton.fingers.values()), "joints on every finger"),
    ):
        if not fits:
            raise ValueError(f"`skeleton` must have {expected}. Received: {values!r}.")
    return skeleton if SKELETONS.get(skeleton.name) != skeleton else SKELETONS[skeleton.name]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
