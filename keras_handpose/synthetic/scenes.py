"""Hands before a camera: whose hand, in which pose, seen from where, with what behind it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from keras_handpose.cameras import Camera
from keras_handpose.skeletons import Skeleton
from keras_handpose.synthetic.anatomy import HandShapes, sample_shapes
from keras_handpose.synthetic.kinematics import PosedHands, landmarks_to_joints, pose_hands
from keras_handpose.synthetic.poses import HandAngles, sample_angles
from keras_handpose.synthetic.rendering import render_plane, render_spheres
from keras_handpose.synthetic.sensors import Sensor, sense
from keras_handpose.synthetic.surface import cover_with_spheres

__all__ = ["Scenes", "place_hands", "sample_scenes", "view_rotations"]


@dataclass(frozen=True, eq=False)
class Scenes:
    """``n`` scenes of one right hand each, in camera space in mm.

    Attributes:
        spheres: The surface of hand and forearm, ``x y z r``, float32, shape ``(n, spheres, 4)``.
        landmarks_xyz: `LANDMARKS` of the hand, shape ``(n, landmarks, 3)``.
        walls: Planes behind the hand, ``a b c d`` with ``a x + b y + c z = d`` and ``c > 0``, shape ``(n, 4)``;
            NaN for none.
    """

    spheres: np.ndarray
    landmarks_xyz: np.ndarray
    walls: np.ndarray

    def __len__(self) -> int:
        return len(self.spheres)

    def joints_xyz(self, skeleton: Skeleton) -> np.ndarray:
        """Return a skeleton's joints in mm, shape ``(n, joints, 3)``."""
        return landmarks_to_joints(self.landmarks_xyz, skeleton)

    def render(self, index: int, camera: Camera) -> np.ndarray:
        """Render one scene without noise: depth in mm, float32, shape ``(height, width)``, 0 for nothing."""
        background = None
        if not np.isnan(self.walls[index, 0]):
            background = render_plane(self.walls[index], camera)
        return render_spheres(self.spheres[index], camera, background=background)

    def shoot(self, index: int, camera: Camera, sensor: Sensor, *, seed: int) -> np.ndarray:
        """Render one scene as a sensor reports it: depth in mm, float32, shape ``(height, width)``, 0 for nothing."""
        return sense(self.render(index, camera), camera, sensor, seed=seed)


def sample_scenes(
    n: int,
    rng: np.random.Generator,
    camera: Camera,
    *,
    distance: tuple[float, float] = (250.0, 700.0),
    arms: float = 0.94,
    walls: float = 0.35,
    shapes: HandShapes | None = None,
) -> Scenes:
    """Draw scenes as a camera on a desk, in front of a user or on a user's head sees them.

    The elbow mostly lies below the hand in the picture, anywhere between well before and far behind it; the hand turns
    freely around its long axis, with the palm or the back to the camera more often than the edge.

    Args:
        n: Number of scenes.
        rng: Source of randomness.
        camera: The camera in whose frame the hands lie.
        distance: Least and greatest distance of the palm in mm.
        arms: Share of the hands on which a forearm hangs.
        walls: Share of the hands with a body, table or wall close behind.
        shapes: The ``n`` hands, by default drawn anew.

    Example:
        >>> import numpy as np
        >>> from keras_handpose.cameras import CAMERAS
        >>> from keras_handpose.skeletons import MSRA21
        >>> scenes = sample_scenes(3, np.random.default_rng(0), CAMERAS["msra15"])
        >>> scenes.joints_xyz(MSRA21).shape
        (3, 21, 3)
    """
    if shapes is None:
        shapes = sample_shapes(n, rng)
    posed = pose_hands(shapes, sample_angles(n, rng))
    spheres = cover_with_spheres(shapes, posed)
    with_arm = rng.random(n) < arms
    hand_alone = cover_with_spheres(shapes, posed, arm=False)

    rotations = _sample_rotations(n, rng)
    to_camera = _placing(posed, rotations, _sample_positions(n, rng, camera, distance))
    spheres[..., :3] = to_camera(spheres[..., :3])
    hand_alone[..., :3] = to_camera(hand_alone[..., :3])
    # Spheres without a radius are behind the camera and never drawn: arrays keep one shape with and without arms.
    bare = np.full_like(spheres, -1.0)
    bare[:, : hand_alone.shape[1]] = hand_alone
    return Scenes(
        spheres=np.where(with_arm[:, None, None], spheres, bare),
        landmarks_xyz=to_camera(posed.landmarks),
        walls=_sample_walls(hand_alone, walls, rng),
    )


def place_hands(
    shapes: HandShapes,
    angles: HandAngles,
    *,
    rotations: np.ndarray,
    positions: np.ndarray,
    arm: bool = True,
    wall: np.ndarray | None = None,
) -> Scenes:
    """Make scenes of hands whose poses and places are known.

    Args:
        shapes: ``n`` hands.
        angles: ``n`` poses.
        rotations: Rotations from the hand's frame to camera space, shape ``(n, 3, 3)``; see `view_rotations`.
        positions: Where the middle MCP joint lies in camera space in mm, shape ``(n, 3)``.
        arm: Whether forearms hang on the hands.
        wall: A plane behind all of them, ``a b c d`` as in `Scenes`.

    See Also:
        `sample_scenes`, which draws all of this.

    Example:
        >>> import numpy as np
        >>> from keras_handpose.skeletons import MSRA21
        >>> rng = np.random.default_rng(0)
        >>> shapes, angles = sample_shapes(1, rng), sample_angles(1, rng)
        >>> scenes = place_hands(shapes, angles, rotations=np.eye(3)[None], positions=np.array([[0.0, 0.0, 400.0]]))
        >>> scenes.joints_xyz(MSRA21)[0, MSRA21.index("middle_mcp")].tolist()
        [0.0, 0.0, 400.0]
    """
    posed = pose_hands(shapes, angles)
    to_camera = _placing(posed, rotations, positions)
    spheres = cover_with_spheres(shapes, posed, arm=arm)
    spheres[..., :3] = to_camera(spheres[..., :3])
    walls = np.full(4, np.nan) if wall is None else np.asarray(wall, np.float64)
    return Scenes(
        spheres=spheres, landmarks_xyz=to_camera(posed.landmarks), walls=np.broadcast_to(walls, (len(shapes), 4))
    )


def view_rotations(turn: np.ndarray, tilt: np.ndarray, roll: np.ndarray) -> np.ndarray:
    """Return rotations from the hand's frame to camera space.

    Args:
        turn: Angle in the picture from the downward direction to that in which the hand's wrist lies, shape ``(n,)``,
            in radians; grows to the right.
        tilt: Angle by which the wrist lies farther away than the fingers, within a quarter turn.
        roll: Turn around the hand's long axis: 0 shows the palm as far as the tilt lets it, pi the back.

    Returns:
        Rotations, shape ``(n, 3, 3)``.

    Example:
        >>> import numpy as np
        >>> zero = np.zeros(1)
        >>> (view_rotations(zero, zero, zero)[0] @ [0, 1, 0]).tolist()  # Fingers up.
        [0.0, -1.0, 0.0]
    """
    elbow = np.stack([np.sin(turn) * np.cos(tilt), np.cos(turn) * np.cos(tilt), np.sin(tilt)], axis=-1)
    along = -elbow
    # Without a roll the palm looks to the camera as far as the hand's long axis lets it.
    palm = np.array([0.0, 0.0, -1.0]) - along * (-along[:, 2:])
    palm /= np.linalg.norm(palm, axis=-1, keepdims=True)
    across = np.cross(along, palm)
    cosine, sine = np.cos(roll)[:, None], np.sin(roll)[:, None]
    return np.stack([cosine * across - sine * palm, along, sine * across + cosine * palm], axis=-1)


def _placing(posed: PosedHands, rotations: np.ndarray, positions: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Return what brings points from the hands' frames to camera space, the middle MCP joints to their positions."""
    palm = posed.landmarks[:, 5]
    shift = positions - np.einsum("nij,nj->ni", rotations, palm)
    return lambda points: points @ rotations.transpose(0, 2, 1) + shift[:, None]


def _sample_rotations(n: int, rng: np.random.Generator) -> np.ndarray:
    anywhere = rng.random(n) < 0.18
    turn = np.where(anywhere, rng.uniform(-np.pi, np.pi, n), rng.normal(0.0, np.deg2rad(42.0), n))
    tilt = np.clip(rng.normal(np.deg2rad(12.0), np.deg2rad(34.0), n), np.deg2rad(-72.0), np.deg2rad(82.0))
    flat = rng.random(n) < 0.6
    side = rng.choice([0.0, np.pi], n)
    roll = np.where(flat, side + rng.normal(0.0, np.deg2rad(32.0), n), rng.uniform(-np.pi, np.pi, n))
    return view_rotations(turn, tilt, roll)


def _sample_positions(n: int, rng: np.random.Generator, camera: Camera, distance: tuple[float, float]) -> np.ndarray:
    low, high = distance
    if not 0 < low <= high:
        raise ValueError(f"`distance` must be two growing positive numbers of mm. Received: {distance}.")
    z = np.exp(rng.uniform(np.log(low), np.log(high), n))
    reach = np.clip(rng.normal(0.0, 0.28, (n, 2)), -0.8, 0.8)
    x = reach[:, 0] * camera.width / 2 * z / camera.fx
    y = reach[:, 1] * camera.height / 2 * z / camera.fy
    return np.stack([x, y, z], axis=-1)


def _sample_walls(hands: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    n = len(hands)
    lean = np.tan(np.clip(rng.normal(0.0, np.deg2rad(22.0), (n, 2)), -0.9, 0.9))
    normal = np.concatenate([lean, np.ones((n, 1))], axis=-1)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    reach = (np.einsum("nsi,ni->ns", hands[..., :3], normal) + hands[..., 3]).max(axis=1)
    gap = rng.exponential(70.0, n) + 3.0
    planes = np.concatenate([normal, (reach + gap)[:, None]], axis=-1)
    planes[rng.random(n) >= share] = np.nan
    return planes
