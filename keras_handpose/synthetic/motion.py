"""A hand that moves: rendered frames that follow one another, with the joints that are in them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Literal

import numpy as np

from keras_handpose.cameras import CAMERAS, Camera
from keras_handpose.capture import CapturedFrame
from keras_handpose.checks import check_hand, check_named
from keras_handpose.skeletons import MSRA21, Skeleton
from keras_handpose.synthetic.anatomy import sample_shapes
from keras_handpose.synthetic.crops import RIGS
from keras_handpose.synthetic.kinematics import HandAngles, pose_hands
from keras_handpose.synthetic.poses import sample_angles
from keras_handpose.synthetic.scenes import Scenes, place_hands, view_rotations
from keras_handpose.synthetic.sensors import SENSORS
from keras_handpose.synthetic.studio import shoot_frame

__all__ = ["RenderedMotion"]

_TAKE = 16  # Frames whose hands are posed in one go.
_LARGEST = 2**16 - 1

# Seconds from one target to the next, for the fingers, the direction of view and the place.
_BEATS = {"fingers": 1.6, "view": 3.2, "place": 2.4}
_HOLD = (0.05, 0.4)  # Shares of a beat for which a target is held before the next one is gone for.
_CHANNELS = {name: number for number, name in enumerate(("person", "noise", "margin", *_BEATS), start=1)}

_MIDDLE = 0.72  # Where on the way from the wrist to the middle MCP joint the middle of the hand lies.
_FLESH = 12.0  # mm of flesh around the joints, and a little room.
_WALLS = 0.35  # Share of the motions with a wall behind.


class RenderedMotion:
    """Renders one person's hand that moves before a camera; a `FrameSource` whose truth is known.

    Fingers, direction of view and place go from one target to the next along minimum-jerk paths (Flash and Hogan 1985),
    each at a pace of its own, and rest for a moment at each. The fingers' targets are those of `sample_angles`: open
    hands, fists, pointing, pinching, counting. The whole hand stays in the frame; the forearm reaches out of it.

    Frames are rendered when they are asked for, all of them; `Paced` gives them as a camera does.

    Args:
        frames: Number of frames, by default without end.
        camera: The camera, or its name in `CAMERAS`.
        sensor: Kind of sensor in `SENSORS`, by default the one of the camera's rig, or "time_of_flight".
        distance: Least and greatest distance in mm of the hand's middle, farther where the whole hand would not fit in
            the frame.
        hand: "right" or "left".
        rate: Frames per second.
        speed: How fast the hand moves; 1 is unhurried.
        still: Whether the hand rests at where it is at first, so that frames differ in the sensor's noise alone.
        wall: Whether there is a wall behind the hand; by default the seed says.
        depth_scale: Millimetres in one unit of the frames, which are uint16.
        seed: The same seed gives the same person, motion and frames.

    Attributes:
        camera, depth_scale, live: As every `FrameSource` has them; not live.
        frames, hand, rate, seed, sensor, wall: As given or chosen.

    Raises:
        ValueError: An argument is unknown or out of range.

    Example:
        >>> motion = RenderedMotion(3, camera="msra15", seed=1)
        >>> [round(frame.time, 3) for frame in motion]
        [0.0, 0.033, 0.067]
        >>> motion.frame(2).depth.shape, motion.joints_xyz(2).shape
        ((240, 320), (21, 3))
    """

    live = False

    def __init__(
        self,
        frames: int | None = None,
        *,
        camera: Camera | str = "sr305",
        sensor: str | None = None,
        distance: tuple[float, float] = (300.0, 600.0),
        hand: Literal["right", "left"] = "right",
        rate: float = 30.0,
        speed: float = 1.0,
        still: bool = False,
        wall: bool | None = None,
        depth_scale: float = 0.125,
        seed: int = 0,
    ) -> None:
        camera = check_named(camera, CAMERAS, Camera, "camera")
        check_hand(hand)
        rig = RIGS.get(camera.name)
        sensor = sensor or (rig.sensor if rig else "time_of_flight")
        for name, value, fits, expected in (
            ("frames", frames, frames is None or frames >= 0, "a number of frames or None"),
            ("sensor", sensor, sensor in SENSORS, f"one of {', '.join(SENSORS)}"),
            ("distance", distance, 0 < distance[0] <= distance[1] < math.inf, "two growing positive numbers of mm"),
            ("rate", rate, 0 < rate < math.inf, "a positive number of frames per second"),
            ("speed", speed, 0 < speed < math.inf, "positive; pass still=True for a hand that rests"),
            ("depth_scale", depth_scale, 0 < depth_scale < math.inf, "a positive number of mm in one unit"),
            ("seed", seed, seed >= 0, "at least 0"),
        ):
            if not fits:
                raise ValueError(f"`{name}` must be {expected}. Received: {value!r}.")
        self.camera, self.depth_scale = camera, float(depth_scale)
        self.frames, self.sensor, self.hand, self.rate, self.seed = frames, sensor, hand, float(rate), seed
        self._pace = 0.0 if still else speed / rate

        rng = self._rng("person")
        self._shape = sample_shapes(1, rng)
        self.wall = bool(rng.random() < _WALLS) if wall is None else wall
        self._knuckle = self._shape.roots[0, 2]  # The middle MCP joint in the hand's frame.
        view = camera if hand == "right" else camera.mirrored()
        self._room = _Room(view, distance, self._reach(), farthest=_LARGEST * self.depth_scale)
        self._plane = self._room.wall_behind(rng) if self.wall else None
        # Targets and hands are made anew where they were forgotten: a motion without end needs no more memory.
        self._target = lru_cache(64)(self._draw_target)
        self._take = lru_cache(2)(self._pose_take)

    def __iter__(self) -> Iterator[CapturedFrame]:
        """Yield the frames, from the first one, rendering each when it is asked for."""
        return map(self.frame, itertools.count() if self.frames is None else range(self.frames))

    def close(self) -> None:
        """Do nothing: there is nothing to close."""

    def frame(self, index: int) -> CapturedFrame:
        """Render a frame.

        Args:
            index: Its number, from 0.

        Returns:
            The frame in uint16 units of ``depth_scale`` mm, with its time.

        Raises:
            IndexError: The motion has no such frame.
        """
        depth, _ = shoot_frame(
            *self._scene(index),
            self.camera,
            sensor=self.sensor,
            hand=self.hand,
            skeleton=MSRA21,
            seed=int(self._rng("noise", index).integers(2**63)),
        )
        depth *= np.float32(1 / self.depth_scale)
        depth[depth > _LARGEST] = 0  # Beyond what the units can say.
        return CapturedFrame(np.rint(depth).astype(np.uint16), self.camera, self.depth_scale, index / self.rate)

    def joints_xyz(self, index: int, skeleton: Skeleton = MSRA21) -> np.ndarray:
        """Return the true joints in a frame.

        Args:
            index: Number of the frame, from 0.
            skeleton: Which joints.

        Returns:
            Joints in camera space in mm, shape ``(joints, 3)``.

        Raises:
            IndexError: The motion has no such frame.
        """
        scenes, place = self._scene(index)
        return scenes.joints_xyz(skeleton)[place] * ([1.0, 1.0, 1.0] if self.hand == "right" else [-1.0, 1.0, 1.0])

    def _scene(self, index: int) -> tuple[Scenes, int]:
        """Return scenes, of the mirrored camera for a left hand, and which of them a frame shows."""
        if index < 0 or (self.frames is not None and index >= self.frames):
            count = "without end" if self.frames is None else f"of {self.frames} frames"
            raise IndexError(f"`index` must be that of a frame, from 0, of a motion {count}. Received: {index}.")
        return self._take(index // _TAKE), index % _TAKE

    def _pose_take(self, number: int) -> Scenes:
        times = np.arange(number * _TAKE, (number + 1) * _TAKE) * self._pace
        fingers, view, middle_xyz = (self._path(channel, times) for channel in _BEATS)
        rotations = view_rotations(*view.T)
        return place_hands(
            self._shape.repeated(_TAKE),
            _to_angles(fingers),
            rotations=rotations,
            positions=middle_xyz + rotations @ ((1 - _MIDDLE) * self._knuckle),
            wall=self._plane,
        )

    def _path(self, channel: str, times: np.ndarray) -> np.ndarray:
        """Return where a channel is at times in seconds, shape ``(times, values)``."""
        beats, since = np.divmod(times / _BEATS[channel], 1.0)
        holds, here, there = [], [], []
        for beat in beats.astype(int).tolist():
            hold, values = self._target(channel, beat)
            holds.append(hold)
            here.append(values)
            there.append(self._target(channel, beat + 1)[1])
        u = np.clip((since - holds) / (1 - np.array(holds)), 0.0, 1.0)[:, None]
        done = u**3 * (10 - 15 * u + 6 * u**2)  # Minimum jerk: at rest at both ends.
        return (1 - done) * here + done * there

    def _draw_target(self, channel: str, beat: int) -> tuple[float, np.ndarray]:
        """Draw how long a target is held, as a share of its beat, and the target."""
        rng = self._rng(channel, beat)
        draw: Callable[[np.random.Generator], np.ndarray] = {
            "fingers": _draw_fingers,
            "view": _draw_view,
            "place": self._room.draw,
        }[channel]
        return rng.uniform(*_HOLD), draw(rng)

    def _reach(self) -> float:
        """Return how far the hand reaches from its middle, in mm, judged by many poses."""
        poses = 256
        posed = pose_hands(self._shape.repeated(poses), sample_angles(poses, self._rng("margin")))
        return float(np.linalg.norm(posed.landmarks - _MIDDLE * self._knuckle, axis=-1).max()) + _FLESH

    def _rng(self, channel: str, number: int = 0) -> np.random.Generator:
        # Of trailing zeros the generator takes no notice: counted from 1, no two lists are the same.
        return np.random.default_rng([self.seed, number + 1, _CHANNELS[channel]])


class _Room:
    """Where a hand's middle may be, so that the ball around it is in the frame: a truncated pyramid.

    Args:
        camera: The camera.
        distance: Least and greatest distance in mm.
        reach: Radius of the ball in mm.
        farthest: Where depth ends in mm.
    """

    def __init__(self, camera: Camera, distance: tuple[float, float], reach: float, *, farthest: float) -> None:
        edges = np.array([[-camera.cx, camera.width - 1 - camera.cx], [-camera.cy, camera.height - 1 - camera.cy]])
        slopes = edges / [[camera.fx], [camera.fy]]
        # The planes through the frame's edges, moved inwards by the radius: x = slope z -+ margin.
        self._slopes, self._margins = slopes, reach * np.hypot(1.0, slopes) * [1.0, -1.0]
        with np.errstate(divide="ignore"):
            nearest = float((-np.diff(self._margins) / np.diff(slopes)).max())
        if not nearest < farthest:
            raise ValueError(
                f"`camera` must see a whole hand at less than {farthest:.0f} mm, where depth ends. Received: {camera}."
            )
        self._near = max(distance[0], nearest)
        self._far = max(distance[1], self._near)
        self._reach = reach

    def draw(self, rng: np.random.Generator) -> np.ndarray:
        """Draw a place in mm, shape ``(3,)``."""
        z = math.exp(rng.uniform(math.log(self._near), math.log(self._far)))
        low, high = self._bounds(z)
        return np.array([*((low + high) / 2 + (high - low) / 2 * np.clip(rng.normal(0.0, 0.5, 2), -1.0, 1.0)), z])

    def wall_behind(self, rng: np.random.Generator) -> np.ndarray:
        """Draw a plane ``a b c d`` that no hand reaches, shape ``(4,)``."""
        normal = np.array([*np.tan(np.clip(rng.normal(0.0, np.deg2rad(12.0), 2), -0.4, 0.4)), 1.0])
        normal /= np.linalg.norm(normal)
        corners = [
            [x, y, z] for z in (self._near, self._far) for x, y in itertools.product(*np.transpose(self._bounds(z)))
        ]
        gap = rng.exponential(100.0) + 20.0
        return np.array([*normal, (np.array(corners) @ normal).max() + self._reach + gap])

    def _bounds(self, z: float) -> tuple[np.ndarray, np.ndarray]:
        """Return least and greatest x and y at a distance."""
        low, high = (self._slopes * z + self._margins).T
        return low, high


def _draw_fingers(rng: np.random.Generator) -> np.ndarray:
    angles = sample_angles(1, rng)
    # It is the hand that is turned to the camera, so the forearm swings: less than it differs between pictures.
    return np.concatenate([angles.abduction[0], angles.flexion[0].ravel(), angles.thumb[0], 0.4 * angles.wrist[0]])


def _to_angles(fingers: np.ndarray) -> HandAngles:
    abduction, flexion, thumb, wrist = np.split(fingers, [4, 16, 21], axis=1)
    return HandAngles(abduction=abduction, flexion=flexion.reshape(-1, 4, 3), thumb=thumb, wrist=wrist)


def _draw_view(rng: np.random.Generator) -> np.ndarray:
    """Draw turn, tilt and roll: the forearm comes from below, palm or back to the camera."""
    turn = np.clip(rng.normal(0.0, 24.0), -60.0, 60.0)
    tilt = np.clip(rng.normal(20.0, 14.0), 4.0, 50.0)  # An elbow before the hand would be taken for it.
    roll = rng.choice([0.0, 180.0]) + np.clip(rng.normal(0.0, 22.0), -60.0, 60.0)
    return np.deg2rad([turn, tilt, roll])
