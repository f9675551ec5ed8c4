"""Where hands are shot: scenes before one camera and one kind of sensor, turned into labelled frames."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from keras_handpose.cameras import Camera, xyz_to_uvd
from keras_handpose.datasets import Frame
from keras_handpose.skeletons import Skeleton
from keras_handpose.synthetic.anatomy import HandShapes, sample_shapes
from keras_handpose.synthetic.scenes import Ingredients, Scenes, sample_scenes
from keras_handpose.synthetic.sensors import SENSORS

__all__ = ["TAKE", "Studio", "Take", "shoot_frame"]

TAKE = 16
"""Most frames of a take."""

_AROUND_HAND = 25.0  # mm around the joints that a segmented frame keeps: the hand and some of the forearm.


def shoot_frame(
    scenes: Scenes,
    index: int,
    camera: Camera,
    *,
    sensor: str,
    hand: str,
    skeleton: Skeleton,
    seed: int,
    segmented: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """Shoot one scene; as a left hand, in a mirror.

    Args:
        scenes: Scenes in front of the camera, or of the mirrored one for a left hand.
        index: Which scene.
        camera: The camera.
        sensor: Kind of sensor in `SENSORS`.
        hand: "right" or "left".
        skeleton: Layout of the joints.
        seed: The same seed gives the same errors of the sensor.
        segmented: Whether only a box around the hand is kept.

    Returns:
        The frame in mm, float32, shape ``(height, width)``, and the joints in mm, shape ``(joints, 3)``.
    """
    view = camera if hand == "right" else camera.mirrored()
    joints_xyz = scenes.joints_xyz(skeleton)[index]
    if segmented:
        left, top, right, bottom = _box_around(scenes.landmarks_xyz[index], view)
        depth = np.zeros(view.shape, np.float32)
        window = view.window(left, top, right - left, bottom - top)
        depth[top:bottom, left:right] = scenes.shoot(index, window, SENSORS[sensor], seed=seed)
    else:
        depth = scenes.shoot(index, view, SENSORS[sensor], seed=seed)
    if hand == "right":
        return depth, joints_xyz
    return np.ascontiguousarray(depth[:, ::-1]), joints_xyz * [-1.0, 1.0, 1.0]


@dataclass(frozen=True, kw_only=True)
class Take:
    """Up to `TAKE` frames that are shot in one go, of one person or of another one in every frame.

    Args:
        number: Which take it is of the studio's, or of the person's.
        paths: A path for each frame.
        person: Number of the person.
        subject: Name of the person.
    """

    number: int
    paths: tuple[str, ...]
    person: int | None = None
    subject: str = ""


@dataclass(frozen=True, kw_only=True)
class Studio:
    """A camera with a sensor, before which hands are held.

    Args:
        camera, sensor: What the frames are shot with.
        distance: Least and greatest distance of the hands in mm.
        hand: "right" or "left".
        skeleton: Layout of the labels.
        seed: The same seed gives the same frames.
        segmented: Whether frames show nothing but hands and some of the forearm.
        ingredients: What the scenes are made of.
    """

    camera: Camera
    sensor: str
    distance: tuple[float, float]
    hand: str
    skeleton: Skeleton
    seed: int = 0
    segmented: bool = False
    ingredients: Ingredients = Ingredients()

    def shoot_all(self, takes: Iterable[Take], workers: int) -> Iterator[Frame]:
        """Shoot in several threads, a little ahead, and return the frames in order."""
        with ThreadPoolExecutor(workers) as pool:
            ahead = deque()
            try:
                for take in takes:
                    ahead.append(pool.submit(self.shoot, take))
                    if len(ahead) > 2 * workers:
                        yield from ahead.popleft().result()
                while ahead:
                    yield from ahead.popleft().result()
            finally:
                for future in ahead:
                    future.cancel()

    def shoot(self, take: Take) -> list[Frame]:
        """Shoot one take."""
        if take.person is None:
            rng, shapes = np.random.default_rng([self.seed, take.number]), None
        else:
            # Of trailing zeros the generator takes no notice: counted from 1, no two lists are the same.
            rng = np.random.default_rng([self.seed, take.person + 1, take.number + 1])
            shapes = self.hand_of(take.person).repeated(TAKE)
        view = self.camera if self.hand == "right" else self.camera.mirrored()
        ingredients = self.ingredients.alone() if self.segmented else self.ingredients
        scenes = sample_scenes(TAKE, rng, view, distance=self.distance, shapes=shapes, ingredients=ingredients)
        frames = []
        for i, path in enumerate(take.paths):
            depth, joints_xyz = shoot_frame(
                scenes,
                i,
                self.camera,
                sensor=self.sensor,
                hand=self.hand,
                skeleton=self.skeleton,
                seed=int(rng.integers(2**63)),
                segmented=self.segmented,
            )
            frames.append(
                Frame(
                    depth=depth,
                    joints_xyz=joints_xyz,
                    camera=self.camera,
                    skeleton=self.skeleton,
                    hand=self.hand,
                    subject=take.subject,
                    path=path,
                )
            )
        return frames

    def hand_of(self, person: int) -> HandShapes:
        """Return the one hand that a person has in all frames."""
        return sample_shapes(1, np.random.default_rng([self.seed, person + 1, 0, 1]))


def _box_around(landmarks_xyz: np.ndarray, camera: Camera) -> tuple[int, int, int, int]:
    """Return left, top, right and bottom of the half-open box around a hand, at least one pixel of the frame."""
    uvd = xyz_to_uvd(landmarks_xyz, camera)
    near, far = np.nanmin(uvd, axis=0), np.nanmax(uvd, axis=0)  # A finger may reach behind the camera.
    margin = _AROUND_HAND * max(camera.fx, camera.fy) / np.nanmean(uvd[:, 2])
    left, top = np.floor(near[:2] - margin).clip(0, [camera.width - 1, camera.height - 1]).astype(int)
    right, bottom = np.ceil(far[:2] + margin).clip(1, [camera.width, camera.height]).astype(int)
    return int(left), int(top), max(int(right), int(left) + 1), max(int(bottom), int(top) + 1)
