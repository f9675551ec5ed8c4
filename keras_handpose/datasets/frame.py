"""One labelled depth frame, whatever dataset it comes from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from keras_handpose.cameras import Camera, check_camera
from keras_handpose.checks import check_hand
from keras_handpose.preprocessing import check_depth
from keras_handpose.skeletons import Skeleton

__all__ = ["Frame", "FrameFormat"]


class FrameFormat(Protocol):
    """What the files of a dataset can hold: frames of one camera, one skeleton, one hand."""

    name: str
    camera: Camera
    skeleton: Skeleton
    hand: str


@dataclass(frozen=True, kw_only=True, eq=False)
class Frame:
    """A depth frame with its joints, as it was recorded: a left hand is not mirrored here but when it is cropped.

    Args:
        depth: Depth in mm, shape ``(height, width)``, float32 or uint16; 0 where there is none.
        joints_xyz: Joints in camera space (x right, y down, z away) in mm, shape ``(joints, 3)``.
        camera: The camera that took the frame.
        skeleton: Layout of the joints.
        hand: "right" or "left".
        subject: Whose hand it is, in the dataset's own name; empty where it is unknown.
        path: The frame's file, relative to the dataset's folder.

    Raises:
        TypeError: The depth is no array, the camera no camera or the skeleton none.
        ValueError: The joints do not fit the skeleton, or the hand is neither right nor left.

    Example:
        >>> from keras_handpose.cameras import CAMERAS
        >>> from keras_handpose.skeletons import MSRA21
        >>> depth, joints_xyz = np.zeros((240, 320), np.float32), np.full((21, 3), 400.0)
        >>> frame = Frame(depth=depth, joints_xyz=joints_xyz, camera=CAMERAS["msra15"], skeleton=MSRA21)
        >>> frame.hand, frame.joints_xyz.shape
        ('right', (21, 3))
    """

    depth: np.ndarray
    joints_xyz: np.ndarray
    camera: Camera
    skeleton: Skeleton
    hand: str = "right"
    subject: str = ""
    path: str = ""

    def __post_init__(self) -> None:
        check_camera(self.camera)
        for name, kind in (("depth", np.ndarray), ("skeleton", Skeleton)):
            if not isinstance(getattr(self, name), kind):
                received = type(getattr(self, name)).__name__
                raise TypeError(f"`{name}` must be of type {kind.__name__}. Received: a {received}.")
        if np.shape(self.joints_xyz) != (len(self.skeleton), 3):
            raise ValueError(
                f"`joints_xyz` must have shape ({len(self.skeleton)}, 3) for {self.skeleton.name}. "
                f"Received: {np.shape(self.joints_xyz)}."
            )
        check_hand(self.hand)

    def require(self, kept: FrameFormat) -> None:
        """Check that a dataset's files can hold this frame.

        Raises:
            TypeError, ValueError: The frame is of another camera, skeleton or hand, its depth is not depth, or one of
                its joints is not finite.
        """
        if self.skeleton != kept.skeleton or self.hand != kept.hand:
            raise ValueError(
                f"{kept.name} holds {kept.hand} hands in {kept.skeleton.name}. "
                f"Received: a {self.hand} hand in {self.skeleton.name}."
            )
        if self.camera != kept.camera:
            raise ValueError(f"{kept.name} holds frames of {kept.camera}. Received: {self.camera}.")
        check_depth(self.depth, camera=self.camera)
        if not np.isfinite(self.joints_xyz).all():
            raise ValueError(f"Joints must be finite. Received: frame {self.path!r} with joints {self.joints_xyz}.")
