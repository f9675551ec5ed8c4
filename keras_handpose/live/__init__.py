"""Poses as they come: to a viewer, a video and a recording."""

from keras_handpose.live.joint_angles import joint_angles
from keras_handpose.live.loop import watch
from keras_handpose.live.recorder import Recorder
from keras_handpose.live.rerun_viewer import RerunViewer
from keras_handpose.live.video import VideoWriter
from keras_handpose.live.viewer import Viewer
from keras_handpose.live.window import WindowViewer

__all__ = ["Recorder", "RerunViewer", "VideoWriter", "Viewer", "WindowViewer", "joint_angles", "watch"]
