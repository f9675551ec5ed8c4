"""Depth frames as they come: from devices, recordings and folders, with the newest one first."""

from keras_handpose.capture.frame_source import CapturedFrame, FrameSource
from keras_handpose.capture.newest import Newest
from keras_handpose.capture.paced import Paced

__all__ = ["CapturedFrame", "FrameSource", "Newest", "Paced"]
