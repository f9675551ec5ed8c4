"""The estimator: a depth frame in, a `Pose` out."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice, repeat
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from keras_handpose.cameras import CAMERAS, Camera
from keras_handpose.capture import CapturedFrame
from keras_handpose.checks import check_hand, check_named, check_positive, check_share, check_whole
from keras_handpose.confidence import Confidence
from keras_handpose.engines import Engine, PipelineEngine
from keras_handpose.estimator.following import Follower, smoother_of
from keras_handpose.estimator.one_euro import OneEuroFilter
from keras_handpose.estimator.pose import Pose
from keras_handpose.estimator.sources import EngineName, open_source
from keras_handpose.estimator.stream import Stream, paired, require_frames
from keras_handpose.preprocessing import (
    BACKGROUND,
    Crop,
    Detection,
    check_depth,
    crop_hand,
    detect_hand,
    hand_candidates,
    track_hand,
)
from keras_handpose.preprocessing.frames import check_scale, warn_of_distance, warn_of_unit
from keras_handpose.skeletons import SKELETONS, Skeleton

if TYPE_CHECKING:
    import keras

__all__ = ["HandPoseEstimator"]

SURE = 0.9
"""Score of a pose from which on no other place of the frame is looked at."""

NO_HAND = 0.2
"""Score of a pose below which what was detected is taken for something else than a hand."""

_OFF_CENTRE = 0.22  # Of the cube's edge. Joints whose middle is farther from the centre want another look from there.
_LOST = 0.25  # Score below which a hand that is followed may have become something else.
_GROUP = 64  # Frames whose crops the network sees in one go.
_SAME = 5.0  # mm between centres of one place, found in a graph and outside of it.


class HandPoseEstimator:
    """Estimates the joints of the hand in depth frames of one camera.

    Args:
        source: A preset's name, the path of weights with their record beside them, a `keras.Model` from crops
            ``(batch, size, size, 1)`` to ``joints_unit`` ``(batch, joints, 3)``, a ``.onnx`` or ``.tflite`` file of a
            network or a whole pipeline that `keras_handpose.export` wrote, or an `Engine`. A file needs neither Keras
            nor TensorFlow; all of its settings come from it, and others are errors.
        camera: The camera that takes the frames, or its name in `CAMERAS`.
        engine: ``"keras"``, ``"onnx"`` or ``"litert"``: what runs the network; by default a file's own runtime, LiteRT
            for a preset whose exported network came with the package, and Keras for all else. For ONNX and LiteRT a
            network is exported once, compared with Keras and kept in the cache.
        threads: Number of threads that ONNX and LiteRT run with, by default 1: the other cores are yours.
        skeleton: What the model's joints are, or the layout's name; needed for a model or an engine of your own.
        cube: Edge in mm of the cube around the hand that the model was trained for; needed as `skeleton` is.
        hand: Which hand is in the frames. Models know right hands; left ones are mirrored on the way in and out.
        depth_scale: Millimetres in one unit of the frames (0.125 for an SR305, 1000 for metres).
        min_score: Evidence from which on something is a hand, by default 0.3; see `detect_hand`. Following a hand
            that was found takes half as much, and what the network is sure of, a third.
        places: Most places of a frame to look at: the one that `detect_hand` finds, and where its pose does not score
            0.9, more `hand_candidates` until one does, or else the best. Where the first place showed nothing, another
            one counts only with such a score. What scores below 0.2 is no hand. At every place the hand is looked at
            once more where its joints turn out to lie aside, as a forearm draws the centre of mass away. Without a
            `confidence`, the first place is taken as it is.
        confidence: What poses are scored with, for a model of your own; see
            `keras_handpose.evaluation.fit_confidence`. By default what the record or the file has, if ``cube`` is
            theirs. Without one, a pose's score is the evidence for a hand.

    Raises:
        TypeError: The camera or the skeleton is none.
        ValueError: An argument is unknown or missing, makes no sense, contradicts the file, or the skeleton does not
            have the model's number of joints; or the file is damaged or no export of this package.
        FileNotFoundError: There is no such file.
        ImportError: The engine's package is not installed.

    Example:
        >>> class Still:  # An engine of one's own: every joint in the middle of the cube.
        ...     crop_size, joints = 128, 21
        ...     def __call__(self, crops):
        ...         return np.zeros((len(crops), 21, 3), np.float32)
        >>> estimator = HandPoseEstimator(Still(), camera="msra15", skeleton="msra21", cube=250)
        >>> frame = np.zeros((240, 320), np.uint16)
        >>> estimator(frame).found
        False
        >>> frame[80:140, 150:200] = 400
        >>> pose = estimator(frame)
        >>> pose.found, pose.joints_xyz.shape
        (True, (21, 3))
    """

    def __init__(
        self,
        source: str | os.PathLike | keras.Model | Engine | PipelineEngine,
        *,
        camera: Camera | str,
        engine: EngineName | None = None,
        threads: int | None = None,
        skeleton: Skeleton | str | None = None,
        cube: float | None = None,
        hand: Literal["right", "left"] = "right",
        depth_scale: float = 1.0,
        min_score: float | None = None,
        places: int = 4,
        confidence: Confidence | None = None,
    ) -> None:
        self.camera = check_named(camera, CAMERAS, Camera, "camera")
        skeleton = None if skeleton is None else check_named(skeleton, SKELETONS, Skeleton, "skeleton")
        cube = None if cube is None else check_positive(cube, "cube", "edge in mm")
        min_score = None if min_score is None else check_share(min_score, "min_score")
        if not isinstance(confidence, Confidence | None):
            raise ValueError(f"`confidence` must be a Confidence or None. Received: confidence={confidence!r:.80}.")
        self.places = check_whole(places, "places")
        self.hand, self.depth_scale = check_hand(hand), check_scale(depth_scale)
        opened = open_source(source, engine=engine, threads=threads, skeleton=skeleton, cube=cube)
        opened.refuse(skeleton=skeleton, cube=cube, min_score=min_score)
        self.source = source
        self.engine = opened.engine
        self._pipeline = opened.engine if isinstance(opened.engine, PipelineEngine) else None
        skeleton = skeleton or opened.skeleton
        cube = opened.cube if cube is None else cube
        min_score = opened.min_score or 0.3 if min_score is None else min_score
        if skeleton is None or cube is None:
            raise ValueError(
                "A model or an engine does not say what its joints are and what cube it was trained for: "
                f"pass `skeleton` and `cube`. Received: skeleton={skeleton}, cube={cube}."
            )
        self.skeleton = skeleton
        if confidence is None and cube == opened.cube:
            confidence = opened.confidence
        self.confidence = confidence
        self.cube = float(cube)
        self.mirror = hand != opened.hand
        self.min_score = float(min_score)
        if len(self.skeleton) != self.engine.joints:
            raise ValueError(
                f"The model has {self.engine.joints} joints and the skeleton {self.skeleton.name!r} has "
                f"{len(self.skeleton)}. Pass the layout that the model was trained on as `skeleton`."
            )
        if confidence is not None:
            confidence.require(self.skeleton)
        if self._pipeline is not None and self._pipeline.frame_shape not in (None, self.camera.shape):
            height, width = self._pipeline.frame_shape
            raise ValueError(
                f"{self._pipeline.path} takes frames of {width} x {height} px. Received: camera "
                f"{self.camera.name!r}, {self.camera.width} x {self.camera.height}. Export the pipeline for this "
                "camera; in ONNX it takes frames of any size."
            )

    def __call__(self, depth: np.ndarray, *, centre_xyz: np.ndarray | None = None, last: Pose | None = None) -> Pose:
        """Estimate the pose in one frame.

        Args:
            depth: Frame of shape ``(height, width)``, in units of ``depth_scale`` mm.
            centre_xyz: The hand's centre in mm if it is known; by default the hand is detected.
            last: The pose in the frame before, for a hand that is followed: it is searched where it was, with less
                evidence asked for, so that it is kept also while it turns its edge to the camera or something else
                comes closer. Where it is not there any more, the whole frame is searched.

        Returns:
            The `Pose`; ``found`` is False where there is no hand.

        Raises:
            TypeError, ValueError: The frame is not a depth frame of the camera's size, the centre is not finite and in
                front of the camera, or ``last`` is no pose.

        Warns:
            UserWarning: There is no hand, and all depth is so near or so far that the unit must be another; or a hand
                was found more than 2 m away.

        See Also:
            `stream`, for frames that follow one another.
        """
        depth = self._in_mm(depth)
        if not isinstance(last, Pose | None):
            raise TypeError(f"`last` must be the Pose of the frame before, or None. Received: a {type(last).__name__}.")
        if centre_xyz is None and last is not None and last.found:
            followed = self._follow(depth, last)
            if followed.found:
                sight = self._look(depth, followed.centre_xyz, evidence=followed.score)
                if sight.crop is not None:
                    return self._kept(depth, self._pose(sight), last)
        return self._settled(depth, self._pose(self._look(depth, centre_xyz)), centre_xyz)

    def batch(
        self, frames: Iterable[np.ndarray], *, centres_xyz: Iterable[np.ndarray | None] | None = None
    ) -> list[Pose]:
        """Estimate the poses in many frames that need not follow one another.

        Args:
            frames: Frames as for a call.
            centres_xyz: The hands' centres in mm, one (or None) for each frame; by default the hands are detected.

        Returns:
            One `Pose` for each frame, as calls would return them.

        Raises:
            TypeError, ValueError: A frame is malformed, or there are not as many centres as frames.

        Warns:
            UserWarning: As a call does.
        """
        frames = require_frames(frames)
        if centres_xyz is None:
            pairs = zip(frames, repeat(None))
        elif not isinstance(centres_xyz, Iterable) or getattr(centres_xyz, "ndim", 1) == 0:
            raise TypeError(f"`centres_xyz` must be one centre for each frame. Received: {centres_xyz!r:.80}.")
        else:
            pairs = paired(frames, centres_xyz, "centres_xyz")
        pairs, poses = iter(pairs), []
        while group := list(islice(pairs, _GROUP)):
            poses += self._group(group)
        return poses

    def stream(
        self,
        frames: Iterable[np.ndarray | tuple[np.ndarray, Camera] | CapturedFrame],
        *,
        smooth: bool | OneEuroFilter = False,
        newest: bool | None = None,
        latency_budget: float | None = None,
        timestamps: Iterable[float] | None = None,
        rate: float = 30.0,
    ) -> Stream[Pose]:
        """Follow a hand through consecutive frames, as calls with ``last`` do.

        Args:
            frames: Frames as for a call, pairs ``(depth, camera)`` or `CapturedFrame`s, possibly without end: an
                array, a generator, or a `FrameSource` such as a device.
            smooth: Whether to smooth the joints with a `OneEuroFilter`, or the filter to smooth them with.
            newest, latency_budget, timestamps, rate: How to keep up with the frames, and when they were taken; see
                `Stream`.

        Returns:
            A `Stream`, an iterator over one `Pose` for each frame that was not dropped. While it runs it raises
            TypeError or ValueError for a frame that is malformed or of another camera, and for a time that does not
            increase.

        Example:
            >>> class Still:
            ...     crop_size, joints = 128, 21
            ...     def __call__(self, crops):
            ...         return np.zeros((len(crops), 21, 3), np.float32)
            >>> estimator = HandPoseEstimator(Still(), camera="msra15", skeleton="msra21", cube=250)
            >>> frames = np.zeros((3, 240, 320), np.uint16)
            >>> frames[1:, 80:140, 150:200] = 400
            >>> stream = estimator.stream(frames, smooth=True)
            >>> [pose.found for pose in stream], stream.statistics.frames
            ([False, True, True], 3)
        """
        follower = Follower(self, smoother_of(smooth))
        return Stream(frames, follower, newest=newest, latency_budget=latency_budget, timestamps=timestamps, rate=rate)

    def _in_mm(self, depth: np.ndarray) -> np.ndarray:
        return check_depth(depth, depth_scale=self.depth_scale, camera=self.camera)

    def _group(self, pairs: Iterable[tuple[np.ndarray, np.ndarray | None]]) -> Iterator[Pose]:
        """Return the poses in frames in their own unit, whose centres may be known; the network runs once on all."""
        pairs = [(self._in_mm(depth), centre_xyz) for depth, centre_xyz in pairs]
        poses = self._poses([self._look(depth, centre_xyz) for depth, centre_xyz in pairs])
        return (self._settled(depth, pose, centre_xyz) for (depth, centre_xyz), pose in zip(pairs, poses, strict=True))

    def _settled(self, depth: np.ndarray, pose: Pose, centre_xyz: np.ndarray | None) -> Pose:
        """Return the pose in a frame in mm, after a look at more places where the first one may be no hand."""
        if centre_xyz is None and self.confidence is not None:
            first_xyz, pose = pose.centre_xyz, self._centred(depth, pose)
            if pose.score < SURE:
                pose = self._believed(self._look_further(depth, pose, first_xyz))
        if not pose.found:
            warn_of_unit(depth)
        elif centre_xyz is None:
            warn_of_distance(pose.centre_xyz)
        return pose

    def _centred(self, depth: np.ndarray, pose: Pose) -> Pose:
        """Return a pose, or the one seen from the middle of its joints where that is far from the cube's centre."""
        if self.confidence is None or not pose.found:
            return pose
        centre_xyz = pose.centre_xyz
        reach = min(self.cube, centre_xyz[2]) / 2  # Wherever a network puts its joints.
        middle_xyz = pose.joints_xyz.mean(axis=0).clip(centre_xyz - reach, centre_xyz + reach)
        if np.linalg.norm(middle_xyz - centre_xyz) <= _OFF_CENTRE * self.cube:
            return pose
        again = self._pose(self._look(depth, middle_xyz, evidence=pose.evidence))
        return again if again.found else pose

    def _look_further(self, depth: np.ndarray, pose: Pose, first_xyz: np.ndarray) -> Pose:
        """Look at the frame's places but the first, and return the first pose that is sure, or else the best one.

        Where nothing was found at first, only a pose that is sure counts.
        """
        best = pose
        candidates = hand_candidates(depth, self.camera, cube=self.cube, min_score=self.min_score)
        others = (place for place in candidates if not np.linalg.norm(place.centre_xyz - first_xyz) < _SAME)
        for place in islice(others, self.places - 1):
            other = self._centred(depth, self._pose(self._look(depth, place.centre_xyz, evidence=place.score)))
            if other.score >= SURE:
                return other
            if pose.found and place.score >= self.min_score and other.score > best.score:
                best = other
        return best

    def _kept(self, depth: np.ndarray, pose: Pose, last: Pose) -> Pose:
        """Return the pose of a hand that is followed, or of the one that is surely elsewhere."""
        if self.confidence is None or pose.score >= _LOST:
            return pose
        if not self._believed(pose, last).found:
            return self._settled(depth, self._pose(self._look(depth)), None)
        other = self._look_further(depth, pose, pose.centre_xyz)
        return other if other.score >= SURE else pose

    def _believed(self, pose: Pose, last: Pose | None = None) -> Pose:
        """Return a pose, and one without a hand where it is of something else.

        A hand that is followed may be seen badly in one frame. In two that follow one another, it is something else.
        """
        score = pose.score if last is None else max(pose.score, last.score)
        if self.confidence is None or not pose.found or score >= NO_HAND:
            return pose
        return self._not_found(score=pose.score, evidence=pose.evidence)

    def _look(self, depth: np.ndarray, centre_xyz: np.ndarray | None = None, *, evidence: float = 1.0) -> _Sight:
        """Look at a frame in mm: for the hand, or at what is around a centre, which has that evidence."""
        if self._pipeline is not None:
            result = self._pipeline(depth, camera=self.camera, mirror=self.mirror, centre_xyz=centre_xyz)
            if not result.found:
                return _Sight(evidence=result.score)
            if centre_xyz is None:
                centre_xyz, evidence = result.centre_xyz, result.score
            return _Sight(self._crop(depth, centre_xyz), evidence, result.joints_xyz)
        if centre_xyz is None:
            detection = detect_hand(depth, self.camera, cube=self.cube, min_score=self.min_score)
            if not detection.found:
                return _Sight(evidence=detection.score)
            centre_xyz, evidence = detection.centre_xyz, detection.score
        crop = self._crop(depth, centre_xyz)
        return _Sight(crop, evidence) if (crop.image < BACKGROUND).any() else _Sight()

    def _follow(self, depth: np.ndarray, last: Pose) -> Detection:
        """Find the hand in a frame in mm where it was in the frame before, asking for less evidence."""
        settings = {"cube": self.cube, "min_score": self.min_score / 2}
        # Wherever a network puts its joints, their middle is near the centre.
        near, far = last.centre_xyz - self.cube / 4, last.centre_xyz + self.cube / 4
        detection = track_hand(depth, self.camera, last.joints_xyz.mean(axis=0).clip(near, far), **settings)
        if detection.found:
            return detection
        return detect_hand(depth, self.camera, around=last.centre_xyz, **settings)

    def _crop(self, depth: np.ndarray, centre_xyz: np.ndarray) -> Crop:
        size = self.engine.crop_size
        return crop_hand(depth, self.camera, centre_xyz, cube=self.cube, size=size, mirror=self.mirror)

    def _poses(self, sights: Sequence[_Sight]) -> list[Pose]:
        """Return the poses in what was seen; a network runs on all crops in one go."""
        images = [sight.crop.image for sight in sights if sight.needs_network]
        joints_unit = iter(self.engine(np.stack(images)[..., None]) if images else ())
        return [self._posed(sight, next(joints_unit) if sight.needs_network else None) for sight in sights]

    def _pose(self, sight: _Sight) -> Pose:
        return self._poses([sight])[0]

    def _posed(self, sight: _Sight, joints_unit: np.ndarray | None) -> Pose:
        """Return the pose in what was seen, of joints that are known or that the network gave."""
        crop, evidence, joints_xyz = sight
        if crop is None:
            return self._not_found(score=0.0 if self.confidence else evidence, evidence=evidence)
        if joints_xyz is None:
            joints_xyz = crop.unit_to_xyz(joints_unit.astype(np.float64))
        joints_xyz = joints_xyz.astype(np.float64)
        return Pose(
            found=True,
            joints_xyz=joints_xyz,
            centre_xyz=np.array(crop.cube.centre_xyz),
            crop=crop,
            score=self.confidence(crop, joints_xyz, self.skeleton) if self.confidence else evidence,
            evidence=evidence,
            **self._shared,
        )

    def _not_found(self, *, score: float, evidence: float) -> Pose:
        return Pose.not_found(score=score, evidence=evidence, **self._shared)

    @property
    def _shared(self) -> dict[str, Any]:
        """What all poses have in common."""
        return {
            "skeleton": self.skeleton,
            "camera": self.camera,
            "hand": self.hand,
            "depth_scale": self.depth_scale,
        }


class _Sight(NamedTuple):
    """What was seen in a frame: the crop of a hand if there is one, evidence for it, and its joints if known."""

    crop: Crop | None = None
    evidence: float = 0.0
    joints_xyz: np.ndarray | None = None

    @property
    def needs_network(self) -> bool:
        return self.crop is not None and self.joints_xyz is None
