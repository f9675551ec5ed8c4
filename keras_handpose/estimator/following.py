"""One hand, followed from frame to frame."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from keras_handpose.cameras import Camera, check_camera
from keras_handpose.capture import CapturedFrame
from keras_handpose.estimator.one_euro import OneEuroFilter
from keras_handpose.estimator.pose import Pose
from keras_handpose.preprocessing import check_depth
from keras_handpose.preprocessing.frames import check_scale

if TYPE_CHECKING:
    from keras_handpose.estimator.both_hands import BothHands
    from keras_handpose.estimator.hand_pose_estimator import HandPoseEstimator

__all__ = ["Follower", "Track", "depth_for", "smoother_of"]


class Follower:
    """Estimates poses in frames that follow one another.

    Args:
        estimator: Estimates the pose in a frame, given the last one.
        smoother: Smooths the joints, if they are to be smoothed.
    """

    def __init__(self, estimator: HandPoseEstimator, smoother: OneEuroFilter | None = None) -> None:
        self._estimator = estimator
        self._track = Track(smoother, cube=estimator.cube)

    def __call__(self, frame: CapturedFrame, time: float) -> Pose:
        """Return the pose in the next frame, which was taken at a time in seconds.

        Raises:
            TypeError, ValueError: The frame is malformed or of another camera, or the time does not increase.
        """
        depth, scale = depth_for(self._estimator, frame)
        pose = self._track(self._estimator(depth, last=self._track.last), time)
        return replace(pose, depth_scale=scale)


class Track:
    """The last pose of a hand that is followed, and the smoothing of its joints.

    Args:
        smoother: Smooths the joints, if they are to be smoothed. Its past is forgotten where the hand was lost.
        cube: Edge in mm of the cube around the hand. A hand that is out of the one that it was in was lost.

    Attributes:
        last: The pose in the last frame if there was a hand.
    """

    def __init__(self, smoother: OneEuroFilter | None, *, cube: float) -> None:
        self.last: Pose | None = None
        self._smoother, self._cube, self._last_time = smoother, cube, 0.0

    def __call__(self, pose: Pose, time: float) -> Pose:
        """Take the pose in the next frame, and return it smoothed.

        Raises:
            ValueError: The time does not increase.
        """
        if pose.found and self._smoother:
            if self.last is None or (abs(pose.centre_xyz - self.last.centre_xyz) > self._cube / 2).any():
                self._smoother.reset()
            pose = replace(pose, joints_xyz=self._smoother(pose.joints_xyz, dt=time - self._last_time))
        self.last, self._last_time = (pose if pose.found else None), time
        return pose


def smoother_of(smooth: bool | OneEuroFilter | None) -> OneEuroFilter | None:
    """Return the filter that a stream's argument ``smooth`` means, if any.

    Raises:
        TypeError: It is neither true nor false nor a filter.
    """
    if smooth is None or isinstance(smooth, bool | np.bool_):
        return OneEuroFilter() if smooth else None
    if not (callable(smooth) and hasattr(smooth, "reset")):
        raise TypeError(f"`smooth` must be True, False or a OneEuroFilter. Received: {smooth!r:.80}.")
    return smooth


def depth_for(estimator: HandPoseEstimator | BothHands, frame: CapturedFrame) -> tuple[np.ndarray, float]:
    """Return a frame's depth in the estimator's units, and the mm in one of its own.

    Raises:
        TypeError, ValueError: The frame has another scale and is malformed, its scale is not positive, or it is of
            another camera.
    """
    _require_camera(frame.camera, estimator.camera)
    scale = estimator.depth_scale if frame.depth_scale is None else check_scale(frame.depth_scale)
    if scale == estimator.depth_scale:
        return frame.depth, scale
    return check_depth(frame.depth, depth_scale=scale / estimator.depth_scale), scale


def _require_camera(camera: Camera | None, expected: Camera) -> None:
    """Refuse a frame of another camera than the estimator's; None is a frame that does not say.

    Raises:
        TypeError: It is no camera.
        ValueError: Size, focal lengths or principal point differ.
    """
    if camera is None or camera is expected:
        return
    check_camera(camera)
    if any(getattr(camera, name) != getattr(expected, name) for name in ("width", "height", "fx", "fy", "cx", "cy")):
        raise ValueError(
            f"The frames must be of the estimator's camera, {expected}. Received: a frame of {camera}. "
            "Make the estimator with the camera of the source."
        )
