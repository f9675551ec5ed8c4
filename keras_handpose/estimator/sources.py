"""What can estimate poses: a preset, a weight file, a model, an exported file or an engine."""

from __future__ import annotations

import importlib.util
import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from keras_handpose.confidence import Confidence
from keras_handpose.engines import SUFFIXES, Engine, NetworkEngine, PipelineEngine, open_engine
from keras_handpose.skeletons import SKELETONS, Skeleton

if TYPE_CHECKING:
    import keras

__all__ = ["EngineName", "Source", "open_source"]

EngineName = Literal["keras", "onnx", "litert"]

_logger = logging.getLogger("keras_handpose")

_SUFFIX_OF = {"onnx": ".onnx", "litert": ".tflite"}
_ENGINES = ("keras", *_SUFFIX_OF)


@dataclass(frozen=True, kw_only=True)
class Source:
    """An engine, and what is known of the network in it.

    Args:
        engine: Runs on crops, or on frames.
        skeleton: What its joints are, None where it does not say.
        cube: Edge in mm of the cube that it was trained for, None where it does not say.
        cubes: The smallest and largest cube that it knows.
        hand: The hand that it knows.
        min_score: Evidence from which on something is a hand, where it finds hands itself.
        confidence: What its poses are scored with, None where nothing was calibrated.
        file: The exported file that it comes from, which has these settings inside.
    """

    engine: Engine | PipelineEngine
    skeleton: Skeleton | None = None
    cube: float | None = None
    cubes: tuple[float, float] | None = None
    hand: Literal["right", "left"] = "right"
    min_score: float | None = None
    confidence: Confidence | None = None
    file: Path | None = None

    def refuse(self, **given: object) -> None:
        """Refuse settings that contradict an exported file's.

        Raises:
            ValueError: One does. None contradicts nothing, and nothing a file that does not say.
        """
        for name, value in given.items():
            own = getattr(self, name)
            if self.file is not None and None not in (value, own) and value != own:
                value, own = (getattr(thing, "name", thing) for thing in (value, own))
                raise ValueError(f"`{name}` is {own!r} in {self.file}. Received: {name}={value!r}. Leave it out.")


def open_source(
    source: str | os.PathLike | keras.Model | Engine | PipelineEngine,
    *,
    engine: EngineName | None = None,
    threads: int | None = None,
    skeleton: Skeleton | None = None,
    cube: float | None = None,
) -> Source:
    """Open what estimates poses.

    Args:
        source: A preset's name, the path of weights, a `keras.Model`, the path of an exported file, or an engine.
        engine: What runs it; by default an exported file's own runtime, LiteRT for a preset whose exported network
            came with the package, and Keras for all else. For ONNX and LiteRT, a network is exported once and kept in
            the cache.
        threads: Number of threads of the engines other than Keras, by default 1.
        skeleton, cube: What a `keras.Model` has to say in its exported file.

    Raises:
        ValueError: An engine's name is unknown, or does not fit the source; `threads` are given to Keras.
    """
    if engine is not None and engine not in _ENGINES:
        raise ValueError(f"`engine` must be one of {', '.join(map(repr, _ENGINES))}. Received: engine={engine!r}.")
    if isinstance(source, PipelineEngine | Engine):
        if engine is not None or threads is not None:
            raise ValueError(
                "An engine runs as it is: leave `engine` and `threads` out. "
                f"Received: a {type(source).__name__}, engine={engine!r}, threads={threads!r}."
            )
        return _of_file(source) if isinstance(source, NetworkEngine | PipelineEngine) else Source(engine=source)
    if isinstance(source, str | os.PathLike) and Path(source).suffix in SUFFIXES:
        suffix = Path(source).suffix
        if engine is not None and _SUFFIX_OF.get(engine) != suffix:
            (fitting,) = (name for name, own in _SUFFIX_OF.items() if own == suffix)
            raise ValueError(f"A {suffix} file runs with engine={fitting!r}. Received: {source!s}, engine={engine!r}.")
        opened = open_engine(source, threads=threads)
        _say_what_it_was_trained_on(opened.metadata.preset or Path(source).name, opened.metadata.trained_on)
        return _of_file(opened)
    engine = engine or _default_engine(source)
    if engine in _SUFFIX_OF:
        from keras_handpose.exporting import cached_export

        opened = open_engine(cached_export(source, format=engine, skeleton=skeleton, cube=cube), threads=threads)
    elif threads is not None:
        raise ValueError(
            f"`threads` is for engine='onnx' and 'litert'. Received: engine={engine!r}, threads={threads}."
        )
    else:
        opened = _in_keras(source)
    if not isinstance(source, str | os.PathLike):
        return _of_model(source, opened)
    from keras_handpose.models.weights import resolve

    record = resolve(source)[1]
    if engine in _SUFFIX_OF:
        _say_what_it_was_trained_on(record.name, record.trained_on)
    if record.confidence is None:
        _logger.warning(
            "%s: no calibrated score: a pose scores the evidence for a hand, and one place of a frame is looked at",
            record.name,
        )
    return Source(
        engine=opened,
        skeleton=SKELETONS[record.skeleton],
        cube=record.cube,
        cubes=record.training.get("cubes_mm"),
        hand=record.hand,
        confidence=record.confidence,
    )


def _of_model(model: keras.Model, opened: Engine) -> Source:
    """Return what is known of a model: what its exported file says, or what the weights that it loaded came with."""
    said = getattr(opened, "metadata", None)
    if said is not None:
        return Source(engine=opened, skeleton=said.skeleton, cube=said.cube, hand=said.hand, confidence=said.confidence)
    from keras_handpose.models.origins import origin

    preset, sha256 = origin(model)
    if preset is None:
        return Source(engine=opened)
    return Source(
        engine=opened,
        skeleton=SKELETONS[preset.skeleton],
        cube=preset.cube,
        hand=preset.hand,
        confidence=preset.confidence if preset.sha256 == sha256 else None,  # Of a model that was trained further.
    )


def _default_engine(source: str | os.PathLike | keras.Model) -> EngineName:
    if isinstance(source, str | os.PathLike) and importlib.util.find_spec("ai_edge_litert"):
        from keras_handpose.models.weights import shipped_export

        return "litert" if shipped_export(os.fspath(source)) else "keras"
    return "keras"


def _of_file(engine: NetworkEngine | PipelineEngine) -> Source:
    metadata = engine.metadata
    return Source(
        engine=engine,
        skeleton=metadata.skeleton,
        cube=metadata.cube,
        hand=metadata.hand,
        min_score=metadata.min_score,
        confidence=metadata.confidence,
        file=engine.path,
    )


def _say_what_it_was_trained_on(name: str, trained_on: str | None) -> None:
    if trained_on is not None:
        _logger.warning("%s: trained on %s", name, trained_on)


def _in_keras(source: str | os.PathLike | keras.Model) -> Engine:
    from keras_handpose.engines.keras import KerasEngine

    if not isinstance(source, str | os.PathLike):
        return KerasEngine(source)
    from keras_handpose.models import ResidualAttentionRegressor

    return KerasEngine(ResidualAttentionRegressor(weights=source))
