"""One hand, followed from frame to frame."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from keras_handpose.cameras import Camera
from keras_handpose.capture import CapturedFrame
from keras_handpose.estimator.one_euro import OneEuroFilter
from keras_handpose.estimator.pose import Pose

if TYPE_CHECKING:
    from keras_handpose.estimator.hand_pose_estimator import HandPoseEstimator

__all__ = ["Follower", "jumped", "require_camera"]


class Follower:
    """Estimates poses in frames that follow one another.

    Args:
        estimator: Estimates the pose in a frame, given the last one.
        smoother: Smooths the joints, if they are to be smoothed. Its past is forgotten where a hand is lost.

    Attributes:
        last: The pose in the last frame if there was a hand.
    """

    def __init__(self, estimator: HandPoseEstimator, smoother: OneEuroFilter | None = None) -> None:
        self._estimator, self._smoother = estimator, smoother
        self.last: Pose | None = None
        self._last_time = 0.0

    def __call__(self, frame: CapturedFrame, time: float) -> Pose:
        """Return the pose in the next frame, which was taken at a time in seconds.

        Raises:
            TypeError, ValueError: The frame is malformed or of another camera, or the time does not increase.
        """
        estimator = self._estimator
        require_camera(frame.camera, estimator.camera)
        depth, scale = frame.depth, frame.depth_scale or estimator.depth_scale
        if scale != estimator.depth_scale:
            depth = np.multiply(depth, scale / estimator.depth_scale, dtype=np.float32)
        pose = estimator(depth, last=self.last)
        if pose.found and self._smoother:
            if self.last is None or jumped(self.last, pose, estimator.cube):
                self._smoother.reset()
            pose = replace(pose, joints_xyz=self._smoother(pose.joints_xyz, dt=time - self._last_time))
        self.last, self._last_time = (pose if pose.found else None), time
        return replace(pose, depth_scale=scale)


def jumped(last: Pose, pose: Pose, cube: float) -> bool:
    """Return whether the hand is out of the cube that it was in: lost, and found again elsewhere."""
    return bool((abs(pose.centre_xyz - last.centre_xyz) > cube / 2).any())


def require_camera(camera: Camera | None, expected: Camera) -> None:
    """Refuse a frame of another camera than the estimator's; None is a frame that does not say.

    Raises:
        ValueError: Size, focal lengths or principal point differ.
    """
    if camera is None or camera is expected:
        return
    if any(getattr(camera, name) != getattr(expected, name) for name in ("width", "height", "fx", "fy", "cx", "cy")):
        raise ValueError(
            f"The frames must be of the estimator's camera, {expected}. Received: a frame of {camera}. "
            "Make the estimator with the camera of the source."
        )
