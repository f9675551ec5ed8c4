"""Pictures of poses and of evaluations."""

from keras_handpose.plotting.evaluations import plot_errors, plot_overlays
from keras_handpose.plotting.look import FINGER_COLOURS
from keras_handpose.plotting.overlay import overlay_poses
from keras_handpose.plotting.poses import plot_pose, plot_poses

__all__ = ["FINGER_COLOURS", "overlay_poses", "plot_errors", "plot_overlays", "plot_pose", "plot_poses"]
