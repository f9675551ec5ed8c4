"""Depth frames as they come: from devices, recordings and folders, the newest one first."""

from keras_handpose.capture.archive import ArchiveSource, write_archive
from keras_handpose.capture.folder import RECORDING_FILE, FolderSource
from keras_handpose.capture.frame_source import CapturedFrame, FrameSource
from keras_handpose.capture.newest import Newest
from keras_handpose.capture.opening import SOURCES, open_capture
from keras_handpose.capture.paced import Paced
from keras_handpose.capture.realsense import RealSenseRecording, RealSenseSource

__all__ = [
    "RECORDING_FILE",
    "SOURCES",
    "ArchiveSource",
    "CapturedFrame",
    "FolderSource",
    "FrameSource",
    "Newest",
    "Paced",
    "RealSenseRecording",
    "RealSenseSource",
    "open_capture",
    "write_archive",
]
