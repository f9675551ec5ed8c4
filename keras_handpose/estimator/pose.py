"""The answer: a hand's joints in one depth frame."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from keras_handpose.cameras import Camera, check_camera, xyz_to_uvd
from keras_handpose.checks import check_hand
from keras_handpose.preprocessing import Crop
from keras_handpose.skeletons import SKELETONS, Skeleton

__all__ = ["Pose"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Pose:
    """A hand's joints in one depth frame.

    Args:
        found: Whether there is a hand. Without one, joints and centre are NaN and there is no crop.
        joints_xyz: Joints in camera space in mm, shape ``(joints, 3)``, float64.
        centre_xyz: Centre of the hand's cube in mm, shape ``(3,)``, float64.
        crop: What the network saw; None without a hand or in a pose that was read from a file.
        score: Probability from 0 to 1 that the pose is good: that the mean error of its joints is at most 20 mm, or
            what else the network was calibrated for; see `Confidence`. It is 0 without a hand. Of a network that was
            not calibrated it is the evidence.
        hand: ``"right"`` or ``"left"``.
        skeleton: What the joints are.
        camera: The camera that took the frame.
        depth_scale: Millimetres in one unit of the frame.
        evidence: Evidence for a hand, from 0 to 1, which a pose is found by; see `detect_hand`. It is 1 for a centre
            that was given. It does not say how exact the joints are.

    Raises:
        TypeError: The skeleton or the camera is none.
        ValueError: The joints are not of shape ``(len(skeleton), 3)``, or there is no such hand.

    Example:
        >>> from keras_handpose.cameras import CAMERAS
        >>> from keras_handpose.skeletons import MSRA21
        >>> pose = Pose.not_found(skeleton=MSRA21, camera=CAMERAS["msra15"])
        >>> pose.found, pose.joints_xyz.shape
        (False, (21, 3))
    """

    found: bool
    joints_xyz: np.ndarray
    centre_xyz: np.ndarray
    crop: Crop | None
    score: float
    hand: Literal["right", "left"]
    skeleton: Skeleton
    camera: Camera
    depth_scale: float = 1.0
    evidence: float = 0.0

    def __post_init__(self) -> None:
        check_camera(self.camera)
        check_hand(self.hand)
        if not isinstance(self.skeleton, Skeleton):
            raise TypeError(f"`skeleton` must be a Skeleton. Received: {self.skeleton!r:.80}.")
        for name, shape in (("joints_xyz", (len(self.skeleton), 3)), ("centre_xyz", (3,))):
            points = getattr(self, name)
            if not isinstance(points, np.ndarray) or points.shape != shape:
                received = points.shape if isinstance(points, np.ndarray) else f"a {type(points).__name__}"
                raise ValueError(f"`{name}` must have shape {shape} for {self.skeleton.name}. Received: {received}.")

    @classmethod
    def not_found(
        cls,
        *,
        skeleton: Skeleton,
        camera: Camera,
        hand: Literal["right", "left"] = "right",
        score: float = 0.0,
        depth_scale: float = 1.0,
        evidence: float = 0.0,
    ) -> Pose:
        """Return the pose that says there is no hand in the frame."""
        return cls(
            found=False,
            joints_xyz=np.full((len(skeleton), 3), np.nan),
            centre_xyz=np.full(3, np.nan),
            crop=None,
            score=score,
            hand=hand,
            skeleton=skeleton,
            camera=camera,
            depth_scale=depth_scale,
            evidence=evidence,
        )

    def __repr__(self) -> str:
        centre = "none" if not self.found else " ".join(f"{value:.0f}" for value in self.centre_xyz)
        return (
            f"<Pose of a {self.hand} hand: found={self.found}, score={self.score:.2f}, evidence={self.evidence:.2f}, "
            f"centre {centre} mm, {self.skeleton.name}, camera {self.camera.name!r}>"
        )

    @property
    def joints_uvd(self) -> np.ndarray:
        """The joints in the frame: ``u v d`` in px, px, mm, shape ``(joints, 3)``."""
        return xyz_to_uvd(self.joints_xyz, self.camera)

    def to_dict(self) -> dict[str, Any]:
        """Return the pose as plain values that JSON can hold, without the crop.

        Lengths are rounded to 0.001 (mm and px), and NaN becomes None.

        See Also:
            `from_dict`, the inverse.

        Example:
            >>> from keras_handpose.cameras import CAMERAS
            >>> from keras_handpose.skeletons import MSRA21
            >>> Pose.not_found(skeleton=MSRA21, camera=CAMERAS["msra15"]).to_dict()["centre_xyz"]
            [None, None, None]
        """
        return {
            "found": self.found,
            "score": round(self.score, 3),
            "evidence": round(self.evidence, 3),
            "hand": self.hand,
            "skeleton": self.skeleton.name,
            "camera": asdict(self.camera),
            "depth_scale": self.depth_scale,
            "centre_xyz": _to_list(self.centre_xyz),
            "joints_xyz": _to_list(self.joints_xyz),
            "joints_uvd": _to_list(self.joints_uvd),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], *, skeleton: Skeleton | None = None) -> Pose:
        """Rebuild a pose from `to_dict`'s values; ``crop`` is None.

        Args:
            values: What `to_dict` returned, also after a way through JSON. Further keys are ignored.
            skeleton: What the joints are, for a layout that is not in `SKELETONS`.

        Raises:
            ValueError: A value is missing or wrong, or the skeleton is not known by its name.
        """
        if not isinstance(values, Mapping):
            raise ValueError(f"`values` must be what `to_dict` returns. Received: a {type(values).__name__}.")
        try:
            skeleton = skeleton or SKELETONS[values["skeleton"]]
            return cls(
                found=values["found"],
                joints_xyz=np.array(values["joints_xyz"], np.float64),
                centre_xyz=np.array(values["centre_xyz"], np.float64),
                crop=None,
                score=values["score"],
                hand=values["hand"],
                skeleton=skeleton,
                camera=Camera(**values["camera"]),
                depth_scale=values["depth_scale"],
                evidence=values.get("evidence", values["score"]),  # Which older files have as the score.
            )
        except KeyError as error:
            raise ValueError(
                f"These values are not a pose, or its skeleton is not among {', '.join(SKELETONS)}: "
                f"{error} is unknown. Received keys: {', '.join(values)}. Pass `skeleton` for a layout of your own."
            ) from error
        except (TypeError, ValueError, OverflowError) as error:
            raise ValueError(f"These values are not a pose: {error}. Received keys: {', '.join(values)}.") from error


def _to_list(values: np.ndarray) -> list:
    """Round an array and turn it into nested lists with None for what is not finite."""
    return np.where(np.isfinite(values), values.round(3), None).tolist()
