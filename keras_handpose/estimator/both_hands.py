"""Both hands in a depth frame: two estimators that share one network."""

from __future__ import annotations

import copy
import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from keras_handpose.cameras import Camera, xyz_to_uvd
from keras_handpose.capture import CapturedFrame
from keras_handpose.checks import HANDS
from keras_handpose.confidence import Confidence
from keras_handpose.engines import Engine, PipelineEngine
from keras_handpose.estimator.following import Track, depth_for, smoother_of
from keras_handpose.estimator.hand_pose_estimator import HandPoseEstimator, _Sight
from keras_handpose.estimator.one_euro import OneEuroFilter
from keras_handpose.estimator.pose import Pose
from keras_handpose.estimator.sources import EngineName
from keras_handpose.estimator.stream import Stream
from keras_handpose.preprocessing import Detection, check_depth, detect_hand
from keras_handpose.preprocessing.frames import warn_of_distance, warn_of_unit
from keras_handpose.preprocessing.objects import object_area, remove_object
from keras_handpose.skeletons import Skeleton

if TYPE_CHECKING:
    import keras

__all__ = ["BothHands"]

_SAME = 60.0  # mm. Centres that are closer are those of one hand.
_LEAST, _MOST = 3e3, 3e4  # mm² that are seen of a hand: see `object_area`.
_MEMORY = 1.0  # Seconds for which a stream knows where a lost hand was.


class BothHands:
    """Estimates the joints of the right and the left hand in depth frames of one camera.

    Hands that were found in the frame before are followed. A hand that was not is looked for in what is left of the
    frame when the other one is taken out with its forearm.

    **Which hand is which is told by place alone**; depth does not tell a left hand from a right one that is turned
    over. Of two new hands the one on the left of the picture is the left hand, or with ``facing`` the right one. A new
    hand beside one that is followed is the other hand. A single new hand is named by its half of the picture, so one
    that comes up beyond the middle has the wrong name. A hand keeps its name while it is followed, also across the
    other one and the middle.
    Whoever knows which single hand there will be uses `HandPoseEstimator`.

    Args:
        source: What estimates poses, as for `HandPoseEstimator`. It is opened once.
        camera: The camera that takes the frames, or its name in `CAMERAS`.
        facing: Whether the camera looks at the person, so that the right hand is on the left of the picture; by
            default it sees the hands as their owner does, as on the head or over the desk. Pictures are not mirrored.
        engine, threads, skeleton, cube, depth_scale, min_score, confidence: As for `HandPoseEstimator`.

    Attributes:
        right, left: The `HandPoseEstimator` of each hand.

    Raises:
        ValueError, FileNotFoundError, ImportError: As for `HandPoseEstimator`.

    Example:
        >>> class Still:  # An engine of one's own: every joint in the middle of the cube.
        ...     crop_size, joints = 128, 21
        ...     def __call__(self, crops):
        ...         return np.zeros((len(crops), 21, 3), np.float32)
        >>> both = BothHands(Still(), camera="msra15", skeleton="msra21", cube=250)
        >>> frame = np.zeros((240, 320), np.uint16)
        >>> frame[80:140, 50:100] = 400
        >>> [(pose.hand, pose.found) for pose in both(frame)]
        [('right', False), ('left', True)]
        >>> frame[80:140, 200:250] = 450
        >>> right, left = both(frame)
        >>> right.centre_xyz[2].round(), left.centre_xyz[2].round()
        (np.float64(450.0), np.float64(400.0))
    """

    def __init__(
        self,
        source: str | os.PathLike | keras.Model | Engine | PipelineEngine,
        *,
        camera: Camera | str,
        facing: bool = False,
        engine: EngineName | None = None,
        threads: int | None = None,
        skeleton: Skeleton | str | None = None,
        cube: float | None = None,
        depth_scale: float = 1.0,
        min_score: float | None = None,
        confidence: Confidence | None = None,
    ) -> None:
        self.right = HandPoseEstimator(
            source,
            camera=camera,
            engine=engine,
            threads=threads,
            skeleton=skeleton,
            cube=cube,
            hand="right",
            depth_scale=depth_scale,
            min_score=min_score,
            confidence=confidence,
        )
        self.left = copy.copy(self.right)
        self.left.hand, self.left.mirror = "left", not self.right.mirror
        self.facing = facing
        self.camera, self.engine, self.skeleton = self.right.camera, self.right.engine, self.right.skeleton
        self.cube, self.depth_scale, self.min_score = self.right.cube, self.right.depth_scale, self.right.min_score

    def __call__(self, depth: np.ndarray, *, last: tuple[Pose, Pose] | None = None) -> tuple[Pose, Pose]:
        """Estimate both poses in one frame.

        Args:
            depth: Frame of shape ``(height, width)``, in units of ``depth_scale`` mm.
            last: What the call for the frame before returned, for hands that are followed: each is searched where it
                was, with less evidence asked for, and keeps its name.

        Returns:
            The right and the left `Pose`, in this order; ``found`` is False where there is no such hand.

        Raises:
            TypeError, ValueError: The frame is not a depth frame of the camera's size, or ``last`` is not a right and
                a left pose.

        See Also:
            `stream`, for frames that follow one another.
        """
        hands = [*HANDS] if last is None else _hands_of(last)
        if hands != [*HANDS]:
            raise ValueError(f"`last` must be the right and the left pose, as a call returns them. Received: {hands}.")
        followed = [pose if pose.found else None for pose in last or ()] or [None, None]
        return self._estimate(depth, followed, [None if pose is None else pose.centre_xyz for pose in followed])

    def stream(
        self,
        frames: Iterable[np.ndarray | tuple[np.ndarray, Camera] | CapturedFrame],
        *,
        smooth: bool | OneEuroFilter = False,
        newest: bool | None = None,
        latency_budget: float | None = None,
        timestamps: Iterable[float] | None = None,
        rate: float = 30.0,
    ) -> Stream[tuple[Pose, Pose]]:
        """Follow both hands through consecutive frames, as calls with ``last`` do.

        A hand that is lost and comes up near where it was within a second keeps its name.

        Args:
            frames: Frames as for `HandPoseEstimator.stream`.
            smooth: Whether to smooth the joints with a `OneEuroFilter`, or the filter whose copies smooth each hand.
            newest, latency_budget, timestamps, rate: How to keep up with the frames, and when they were taken; see
                `Stream`.

        Returns:
            A `Stream`, an iterator over a right and a left `Pose` for each frame that was not dropped. While it runs
            it raises TypeError or ValueError as that of `HandPoseEstimator.stream` does.

        Example:
            >>> class Still:
            ...     crop_size, joints = 128, 21
            ...     def __call__(self, crops):
            ...         return np.zeros((len(crops), 21, 3), np.float32)
            >>> both = BothHands(Still(), camera="msra15", skeleton="msra21", cube=250)
            >>> frames = np.zeros((3, 240, 320), np.uint16)
            >>> frames[1:, 80:140, 50:100] = 400
            >>> frames[2:, 80:140, 200:250] = 400
            >>> [(right.found, left.found) for right, left in both.stream(frames)]
            [(False, False), (False, True), (True, True)]
        """
        follower = _Follower(self, smoother_of(smooth))
        return Stream(frames, follower, newest=newest, latency_budget=latency_budget, timestamps=timestamps, rate=rate)

    def _estimate(
        self, depth: np.ndarray, followed: Sequence[Pose | None], known: Sequence[np.ndarray | None]
    ) -> tuple[Pose, Pose]:
        """Estimate the poses, given those of hands that are followed, and the centres that hands had lately."""
        in_mm = check_depth(depth, depth_scale=self.depth_scale, camera=self.camera)
        hands = self._find(in_mm, followed, known)
        if not any(hand.found for hand in hands):
            warn_of_unit(in_mm)
        for hand in hands:
            warn_of_distance(hand.centre_xyz)
        frames = self._apart(in_mm, hands)
        right, left = (self._pose(*each) for each in zip((self.right, self.left), frames, hands, followed, strict=True))
        return right, left

    def _pose(self, estimator: HandPoseEstimator, depth: np.ndarray, hand: Detection, last: Pose | None) -> Pose:
        """Estimate the pose of one hand, given its last one where it is followed."""
        if not hand.found:
            return estimator._pose(_Sight(evidence=hand.score))
        pose = estimator._pose(estimator._look(depth, hand.centre_xyz, evidence=hand.score))
        return estimator._believed(pose if last else estimator._centred(depth, pose), last)

    def _apart(self, depth: np.ndarray, hands: list[Detection]) -> list[np.ndarray]:
        """Return the frame for each hand, without the other one where that is in its cube and not joined to it."""
        frames = [depth, depth]
        right, left = (hand.centre_xyz for hand in hands)
        if (abs(right - left) < self.cube).all():  # NaN, where there is no hand, is not.
            for i, (own, other) in enumerate(((right, left), (left, right))):
                rest = remove_object(depth, self.camera, other)
                again = detect_hand(rest, self.camera, cube=self.cube, around=own, min_score=self.min_score / 2)
                if again.found and _distance(again.centre_xyz, own) < _SAME:
                    frames[i] = rest
        return frames

    def _find(
        self, depth: np.ndarray, followed: Sequence[Pose | None], known: Sequence[np.ndarray | None]
    ) -> list[Detection]:
        """Find the right and the left hand in a frame in mm."""
        hands = [_LOST if last is None else self.right._follow(depth, last) for last in followed]
        if _are_one(*hands):
            moved = [_distance(hand.centre_xyz, last.centre_xyz) for hand, last in zip(hands, followed, strict=True)]
            hands[int(np.argmax(moved))] = _LOST  # It strayed to the other one.
        found = [hand.found for hand in hands]
        if not any(found):
            first = self._detect(depth)
            return self._named(first, self._beside(depth, first) if first.found else _LOST, known)
        if not all(found):
            lost = found.index(False)
            hands[lost] = self._beside(depth, hands[1 - lost], last=followed[lost])
        return hands

    def _beside(self, depth: np.ndarray, hand: Detection, *, last: Pose | None = None) -> Detection:
        """Find the other hand, where it was or else anywhere."""
        rest = remove_object(depth, self.camera, hand.centre_xyz, cover=True)
        other = _LOST if last is None else self.right._follow(rest, last)
        if not other.found:
            other = self._detect(rest)
            if other.found and not _LEAST < object_area(rest, self.camera, other.centre_xyz) < _MOST:
                return _LOST  # A fragment, or a wall.
        return _LOST if _are_one(hand, other) else other

    def _detect(self, depth: np.ndarray) -> Detection:
        return detect_hand(depth, self.camera, cube=self.cube, min_score=self.min_score)

    def _named(self, first: Detection, second: Detection, known: Sequence[np.ndarray | None]) -> list[Detection]:
        """Return new hands as right and left: as they lately were, or else by their places in the picture."""

        def strangeness(hands: list[Detection]) -> tuple[float, float]:
            away = sum(
                self.cube if centre is None else min(self.cube, _distance(hand.centre_xyz, centre))
                for hand, centre in zip(hands, known, strict=True)
                if hand.found
            )
            right, left = (self._right_of_the_middle(hand) for hand in hands)
            return away, (right - left) * (1 if self.facing else -1)

        return min([first, second], [second, first], key=strangeness)

    def _right_of_the_middle(self, hand: Detection) -> float:
        """Return how far in px a hand is to the right of the picture's middle, 0 without one."""
        return xyz_to_uvd(hand.centre_xyz, self.camera)[0] - (self.camera.width - 1) / 2 if hand.found else 0.0


class _Follower:
    """Estimates both poses in frames that follow one another; see `Follower`, which does so with one."""

    def __init__(self, both: BothHands, smoother: OneEuroFilter | None) -> None:
        self._both = both
        self._tracks = [Track(copy.deepcopy(smoother), cube=both.cube) for _ in "rl"]
        self._known: list[tuple[np.ndarray, float] | None] = [None, None]

    def __call__(self, frame: CapturedFrame, time: float) -> tuple[Pose, Pose]:
        depth, scale = depth_for(self._both, frame)
        poses = self._both._estimate(
            depth,
            [track.last for track in self._tracks],
            [None if seen is None or time - seen[1] > _MEMORY else seen[0] for seen in self._known],
        )
        right, left = (track(pose, time) for track, pose in zip(self._tracks, poses, strict=True))
        for i, pose in enumerate((right, left)):
            if pose.found:
                self._known[i] = pose.centre_xyz, time
        return replace(right, depth_scale=scale), replace(left, depth_scale=scale)


def _hands_of(poses: object) -> list[str]:
    """Say which hands poses are of, and for others what they are."""
    parts = poses if isinstance(poses, tuple | list) else [poses]
    return [part.hand if isinstance(part, Pose) and parts is poses else f"a {type(part).__name__}" for part in parts]


def _are_one(hand: Detection, other: Detection) -> bool:
    """Return whether two centres that were found are those of one hand."""
    return hand.found and other.found and _distance(hand.centre_xyz, other.centre_xyz) < _SAME


def _distance(xyz: np.ndarray, other_xyz: np.ndarray) -> float:
    return float(np.linalg.norm(xyz - other_xyz))


_LOST = Detection(found=False, centre_xyz=np.full(3, np.nan), score=0.0)
