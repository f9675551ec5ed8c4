"""Engines run a network on crops, or all of the way from a depth frame to joints. They are all that the estimator knows
of Keras, and of any other runtime."""

from keras_handpose.engines.engine import Engine
from keras_handpose.engines.exported import NetworkEngine, PipelineEngine, PipelineResult, open_engine
from keras_handpose.engines.metadata import Metadata, read_metadata, write_metadata
from keras_handpose.engines.sealed_files import SUFFIXES

__all__ = [
    "SUFFIXES",
    "Engine",
    "Metadata",
    "NetworkEngine",
    "PipelineEngine",
    "PipelineResult",
    "open_engine",
    "read_metadata",
    "write_metadata",
]
