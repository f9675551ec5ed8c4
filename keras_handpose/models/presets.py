"""Records of pretrained weights, as data."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from keras_handpose.checks import HANDS, as_number
from keras_handpose.confidence import Confidence
from keras_handpose.records import plain, read_object, write_object
from keras_handpose.skeletons import SKELETONS

__all__ = ["DEFAULT_JOINTS", "FORMAT_VERSION", "WEIGHTS_SUFFIX", "Preset", "file_sha256", "is_preset_name"]

FORMAT_VERSION = 1
"""Version of the record's layout. It grows when a key that is needed is added, removed or changes its meaning."""

WEIGHTS_SUFFIX = ".weights.h5"
"""How the name of every weight file ends, as Keras wants it."""

DEFAULT_JOINTS = 21
"""Joints of a network whose architecture does not say how many it has."""

_PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_TEXT = ("text", str)
_WHOLE_NUMBER = ("a whole number", int)
_NUMBER = ("a number", (int, float))
_OBJECT = ("an object of keys and values", Mapping)
_KINDS: dict[str, tuple[str, Any]] = {
    "name": _TEXT,
    "file": _TEXT,
    "size": _WHOLE_NUMBER,
    "sha256": _TEXT,
    "architecture": _OBJECT,
    "skeleton": _TEXT,
    "camera": _TEXT,
    "cube": _NUMBER,
    "hand": _TEXT,
    "trained_on": _TEXT,
    "training": _OBJECT,
    "errors": _OBJECT,
    "licence": _TEXT,
    "format_version": _WHOLE_NUMBER,
}


@dataclass(frozen=True, kw_only=True)
class Preset:
    """The record that lies beside a weight file and says what is in it.

    Args:
        name: What ``weights=`` calls it.
        file: Plain name of the weight file, ``*.weights.h5``.
        size, sha256: Bytes and SHA-256 of that file, in hexadecimal digits.
        architecture: Keyword arguments of `ResidualAttentionRegressor` that rebuild the network. Here and in the other
            mappings, lists become tuples, so that a record equals what is read back from its file.
        skeleton: Name of its joint layout in `SKELETONS`, which has as many joints as the architecture.
        camera: Name of the camera that the training frames are from; where they are rendered for many, of the one of
            the dataset whose joints they have.
        cube: Edge of the crop in mm.
        hand: ``"right"`` or ``"left"``, the hand that the network knows.
        trained_on: The training data in a few words, shown whenever the weights load.
        training: How the weights came about: data, command, commit, samples, seed.
        errors: Measured errors, each under the name of the data that it was measured on.
        licence: SPDX identifier of the weights' licence.
        confidence: What poses are scored with, a `Confidence` or its values; None where nothing was calibrated.
        format_version: Version of this record's layout.

    Raises:
        ValueError: A value has the wrong type or lies outside of what is described above.

    Example:
        >>> preset = Preset(name="mine", file="mine.weights.h5", size=12, sha256="0" * 64,
        ...                 architecture={"joints": 21}, skeleton="msra21", camera="msra15", cube=250.0, hand="right",
        ...                 trained_on="rendered hands", licence="Apache-2.0")
        >>> Preset.from_json(preset.to_json()) == preset
        True
    """

    name: str
    file: str
    size: int
    sha256: str
    architecture: Mapping[str, Any]
    skeleton: str
    camera: str
    cube: float
    hand: str
    trained_on: str
    training: Mapping[str, Any] = field(default_factory=dict)
    errors: Mapping[str, Any] = field(default_factory=dict)
    licence: str
    format_version: int = FORMAT_VERSION
    confidence: Confidence | None = None

    def __post_init__(self) -> None:
        for key, (kind, types) in _KINDS.items():
            value = getattr(self, key)
            if not isinstance(value, types) or isinstance(value, bool):
                raise ValueError(f"`{key}` must be {kind}. Received: {key}={value!r}.")
            if types is Mapping:
                object.__setattr__(self, key, plain(value, key))
        stem = self.file.removesuffix(WEIGHTS_SUFFIX)
        for condition, expectation, key in (
            (
                self.format_version == FORMAT_VERSION,
                f"{FORMAT_VERSION} in this version of the library",
                "format_version",
            ),
            (
                is_preset_name(self.name),
                f"letters, digits, dots, dashes and underscores, and not end in {WEIGHTS_SUFFIX}",
                "name",
            ),
            (
                _PLAIN_NAME.fullmatch(stem) and stem != self.file,
                f"a plain file name without folders that ends in {WEIGHTS_SUFFIX}",
                "file",
            ),
            (self.size > 0, "a positive number of bytes", "size"),
            (re.fullmatch(r"[0-9a-f]{64}", self.sha256), "64 lower-case hexadecimal digits", "sha256"),
            (self.skeleton in SKELETONS, f"one of {', '.join(SKELETONS)}", "skeleton"),
            (self.camera, "the name of a camera", "camera"),
            (0 < as_number(self.cube) < math.inf, "a positive length in mm", "cube"),
            (self.hand in HANDS, "'right' or 'left'", "hand"),
            (self.trained_on and self.trained_on.isprintable(), "one line that names the training data", "trained_on"),
            (self.licence, "an SPDX licence identifier", "licence"),
        ):
            if not condition:
                raise ValueError(f"`{key}` must be {expectation}. Received: {key}={getattr(self, key)!r}.")
        if self.confidence is not None:
            if not isinstance(self.confidence, Confidence):
                object.__setattr__(self, "confidence", Confidence.from_dict(self.confidence))
            self.confidence.require(SKELETONS[self.skeleton])
        joints = self.architecture.get("joints", DEFAULT_JOINTS)
        if joints != len(SKELETONS[self.skeleton]):
            raise ValueError(
                f"`skeleton` must have the network's {joints} joints, and {self.skeleton!r} has "
                f"{len(SKELETONS[self.skeleton])}. Received: skeleton={self.skeleton!r}, architecture with "
                f"joints={joints!r}. Name the layout that the network was trained on."
            )

    @classmethod
    def from_json(cls, text: str) -> Preset:
        """Read a record from JSON text; the inverse of `to_json`.

        Raises:
            ValueError: The text is not JSON, a key is missing, unknown or doubled, or a value is wrong.
        """
        return cls(**read_object(text, [f.name for f in fields(cls)], optional=["confidence"]))

    def kept_confidence(self) -> Confidence | None:
        """Return what poses of weights are scored with that were trained further from these; None without anything."""
        if self.confidence is None:
            return None
        return replace(self.confidence, data=f"{self.confidence.data}; before {self.name} was trained further")

    def to_json(self) -> str:
        """Write the record as JSON text; the inverse of `from_json`."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        confidence = values.pop("confidence")
        return write_object(values if confidence is None else {**values, "confidence": confidence.to_dict()})

    @classmethod
    def read(cls, path: str | Path) -> Preset:
        """Read a record file.

        Raises:
            FileNotFoundError: There is no such file.
            ValueError: It is not a valid record; the message names the file and what is wrong.
        """
        path = Path(path)
        try:
            return cls.from_json(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ValueError(f"{path} is not a valid weights record. {error}") from error

    def check(self, path: Path) -> None:
        """Check a file against the record's size and SHA-256.

        Raises:
            FileNotFoundError: There is no such file.
            OSError: It is another file, or damaged.
        """
        size = path.stat().st_size
        if size != self.size:
            raise OSError(f"{path} is not the file of its record: it has {size} bytes, not {self.size}.")
        sha256 = file_sha256(path)
        if sha256 != self.sha256:
            raise OSError(f"{path} is not the file of its record: its SHA-256 is {sha256}, not {self.sha256}.")


def is_preset_name(text: str) -> bool:
    """Return whether weights can be called so: the name leads out of no folder and is not that of a weight file.

    Example:
        >>> is_preset_name("mine-2"), is_preset_name("../mine"), is_preset_name("mine.weights.h5")
        (True, False, False)
    """
    return _PLAIN_NAME.fullmatch(text) is not None and not text.endswith(WEIGHTS_SUFFIX)


def file_sha256(path: Path) -> str:
    """Return a file's SHA-256 in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
