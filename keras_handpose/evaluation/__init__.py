"""Errors of predicted joints, as the field reports them."""

from keras_handpose.evaluation.errors import joint_errors, summarise_errors
from keras_handpose.evaluation.predictions import read_image_paths, read_predictions, write_predictions
from keras_handpose.evaluation.protocols import ORDERS, PROTOCOLS, Protocol, protocol_for

__all__ = [
    "ORDERS",
    "PROTOCOLS",
    "Protocol",
    "joint_errors",
    "protocol_for",
    "read_image_paths",
    "read_predictions",
    "summarise_errors",
    "write_predictions",
]
