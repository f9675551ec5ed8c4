"""Errors of predicted joints, as the field reports them."""

from keras_handpose.evaluation.errors import joint_errors, summarise_errors

__all__ = ["joint_errors", "summarise_errors"]
