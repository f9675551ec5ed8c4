"""Hands before a camera: whose hand, in which pose, seen from where, with what around it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from keras_handpose.cameras import Camera
from keras_handpose.skeletons import MSRA21, Skeleton
from keras_handpose.synthetic.anatomy import HandShapes, sample_shapes
from keras_handpose.synthetic.clutter import body, put_beside, sample_walls, sleeve, watch
from keras_handpose.synthetic.held import hold
from keras_handpose.synthetic.kinematics import HandAngles, PosedHands, landmarks_to_joints, pose_hands
from keras_handpose.synthetic.poses import PoseMix, sample_angles
from keras_handpose.synthetic.rendering import render_plane, render_solids, render_spheres
from keras_handpose.synthetic.sensors import Sensor, sense
from keras_handpose.synthetic.solids import moved
from keras_handpose.synthetic.surface import count_spheres, cover_with_spheres
from keras_handpose.synthetic.views import sample_positions, sample_rotations, view_rotations

__all__ = ["Ingredients", "Scenes", "place_hands", "sample_scenes", "view_rotations"]

_ELBOW = 270.0  # mm from the wrist
_FROM_CAMERA = 0.82  # Cosine of the angle to the view beyond which a forearm is left away.


@dataclass(frozen=True, kw_only=True)
class Ingredients:
    """What scenes are made of. All shares are chances a scene, and independent of each other.

    Args:
        arms: Share of the hands on which a forearm hangs, unless it would come right from the camera; sleeves and
            watches need one.
        sleeves: Share of the forearms in a wide sleeve that ends 0 to 120 mm from the wrist.
        watches: Share of the forearms with a watch or bracelet.
        walls: Share of the hands with a plane close behind.
        bodies: Share of the hands with somebody 30 to 250 mm behind.
        held: Share of the hands that hold something.
        distractors: Share of the hands beside which there is something else: a table, a block, a cable, a mug, a limb
            or another hand.
        wide_views: Share of the views that are drawn uniformly from all rotations.
        poses: Which poses the hands take.

    Example:
        >>> Ingredients(held=0.0).held
        0.0
    """

    arms: float = 0.94
    sleeves: float = 0.3
    watches: float = 0.1
    walls: float = 0.3
    bodies: float = 0.15
    held: float = 0.15
    distractors: float = 0.12
    wide_views: float = 0.25
    poses: PoseMix = PoseMix()

    def alone(self, **changes: object) -> Ingredients:
        """Return the same with nothing but a hand and its forearm, save for some changes.

        Example:
            >>> Ingredients().alone(walls=1.0).walls
            1.0
        """
        return replace(self, **{"walls": 0.0, "bodies": 0.0, "held": 0.0, "distractors": 0.0, **changes})


@dataclass(frozen=True, eq=False)
class Scenes:
    """``n`` scenes of one right hand each, in camera space in mm.

    Attributes:
        spheres: The surface of hand and forearm, ``x y z r``, float32, shape ``(n, spheres, 4)``; those with a negative
            radius are not there.
        landmarks_xyz: `LANDMARKS` of the hand, shape ``(n, landmarks, 3)``.
        walls: Planes behind the hand, ``a b c d`` with ``a x + b y + c z = d`` and ``c > 0``, shape ``(n, 4)``;
            NaN for none.
        solids: What else is in each scene, as in `keras_handpose.synthetic.solids`, ``n`` arrays of shape
            ``(solids, 16)``; empty for nothing in any.
        others: Spheres of other hands in each scene, ``n`` arrays of shape ``(spheres, 4)``; empty for none in any.
    """

    spheres: np.ndarray
    landmarks_xyz: np.ndarray
    walls: np.ndarray
    solids: tuple[np.ndarray, ...] = ()
    others: tuple[np.ndarray, ...] = ()

    def __len__(self) -> int:
        return len(self.spheres)

    @property
    def middles_xyz(self) -> np.ndarray:
        """Middles of the hands' joints in mm, shape ``(n, 3)``."""
        return self.landmarks_xyz[:, : len(MSRA21)].mean(axis=1)

    def joints_xyz(self, skeleton: Skeleton) -> np.ndarray:
        """Return a skeleton's joints in mm, shape ``(n, joints, 3)``."""
        return landmarks_to_joints(self.landmarks_xyz, skeleton)

    def render(self, index: int, camera: Camera) -> np.ndarray:
        """Render one scene without noise: depth in mm, float32, shape ``(height, width)``, 0 for nothing."""
        seen = None
        if not np.isnan(self.walls[index, 0]):
            seen = render_plane(self.walls[index], camera)
        if self.solids and len(self.solids[index]):
            seen = render_solids(self.solids[index], camera, background=seen)
        if self.others and len(self.others[index]):
            seen = render_spheres(self.others[index], camera, background=seen)
        return render_spheres(self.spheres[index], camera, background=seen)

    def shoot(self, index: int, camera: Camera, sensor: Sensor, *, seed: int) -> np.ndarray:
        """Render one scene as a sensor reports it: depth in mm, float32, shape ``(height, width)``, 0 for nothing."""
        return sense(self.render(index, camera), camera, sensor, seed=seed)


def sample_scenes(
    n: int,
    rng: np.random.Generator,
    camera: Camera,
    *,
    distance: tuple[float, float] = (250.0, 700.0),
    shapes: HandShapes | None = None,
    ingredients: Ingredients = Ingredients(),
    held_out: bool = False,
) -> Scenes:
    """Draw scenes as a camera on a desk, in front of a user or on a user's head sees them.

    Args:
        n: Number of scenes.
        rng: Source of randomness.
        camera: The camera in whose frame the hands lie.
        distance: Least and greatest distance of the palm in mm.
        shapes: The ``n`` hands, by default drawn anew.
        ingredients: What the scenes are made of.
        held_out: Whether poses are those that are kept for tests, see `sample_angles`.

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
    posed = pose_hands(shapes, sample_angles(n, rng, mix=ingredients.poses, held_out=held_out))
    rotations = sample_rotations(n, rng, wide=ingredients.wide_views)
    shifts = _shifts(posed, rotations, sample_positions(n, rng, camera, distance))
    spheres = cover_with_spheres(shapes, posed, rotations=rotations, shifts=shifts)
    hands = spheres[:, : count_spheres(arm=False)]
    bare = rng.random(n) >= ingredients.arms
    # A forearm that comes from the camera would hide the hand.
    bare |= np.einsum("nj,nj->n", rotations[:, 2], posed.arm[:, :, 1]) > _FROM_CAMERA
    spheres[bare, hands.shape[1] :, 3] = -1.0
    return Scenes(
        spheres=spheres,
        landmarks_xyz=_to_camera(posed.landmarks, rotations, shifts),
        walls=sample_walls(hands, ingredients.walls, rng),
        **_add_clutter(ingredients, rng, shapes, posed, bare, rotations, shifts, spheres, hands),
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
        >>> from keras_handpose.skeletons import HAND56
        >>> rng = np.random.default_rng(0)
        >>> shapes, angles = sample_shapes(1, rng), sample_angles(1, rng)
        >>> scenes = place_hands(shapes, angles, rotations=np.eye(3)[None], positions=np.array([[0.0, 0.0, 400.0]]))
        >>> scenes.joints_xyz(HAND56)[0, HAND56.index("middle_mcp")].tolist()
        [0.0, 0.0, 400.0]
    """
    posed = pose_hands(shapes, angles)
    shifts = _shifts(posed, rotations, positions)
    walls = np.full(4, np.nan) if wall is None else np.asarray(wall, np.float64)
    return Scenes(
        spheres=cover_with_spheres(shapes, posed, arm=arm, rotations=rotations, shifts=shifts),
        landmarks_xyz=_to_camera(posed.landmarks, rotations, shifts),
        walls=np.broadcast_to(walls, (len(shapes), 4)),
    )


def _shifts(posed: PosedHands, rotations: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Return the hands' origins in camera space, given where their middle MCP joints lie, shape ``(n, 3)``."""
    return positions - np.einsum("nij,nj->ni", rotations, posed.joints[:, 2, 0])


def _to_camera(points: np.ndarray, rotations: np.ndarray, shifts: np.ndarray) -> np.ndarray:
    """Bring points of shape ``(n, points, 3)`` from the hands' frames to camera space."""
    return points @ rotations.transpose(0, 2, 1) + shifts[:, None]


def _add_clutter(
    ingredients: Ingredients,
    rng: np.random.Generator,
    shapes: HandShapes,
    posed: PosedHands,
    bare: np.ndarray,
    rotations: np.ndarray,
    shifts: np.ndarray,
    spheres: np.ndarray,
    hands: np.ndarray,
) -> dict[str, tuple[np.ndarray, ...]]:
    """Draw what is held, worn, behind and beside: `Scenes.solids` and `Scenes.others`."""
    nothing = np.empty((0, 16), np.float32)
    solids, others = [], [np.empty((0, 4), np.float32)] * len(hands)
    chances = rng.random((5, len(hands)))
    shares = (ingredients.held, ingredients.sleeves, ingredients.watches, ingredients.bodies, ingredients.distractors)
    for i, (held, sleeved, watched, before_somebody, distracted) in enumerate(
        (chances < np.array(shares)[:, None]).T.tolist()
    ):
        own, around = [], []
        if held:
            own.append(hold(shapes, posed, i, rng))
        if sleeved and not bare[i]:
            own.append(sleeve(shapes, posed, i, rng))
        if watched and not bare[i]:
            own.append(watch(shapes, posed, i, rng))
        if before_somebody:
            elbow = rotations[i] @ (-posed.arm[i, :, 1] * _ELBOW * shapes.scale[i]) + shifts[i]
            around.append(body(hands[i], elbow, rng))
        if distracted:
            # Another scene's hand whose forearm does not come from before the picture, unless there is none.
            away = spheres[:, -1, 2] - spheres[:, 0, 2] > -60.0
            away[i] = False
            if away.any() and rng.random() < _OTHER_HANDS:
                others[i] = _other_hand(hands[i], spheres[rng.choice(np.flatnonzero(away))], hands.shape[1], rng)
            else:
                around.append(put_beside(hands[i], rng))
        moved_own = [moved(np.concatenate(own), rotations[i], shifts[i])] if own else []
        solids.append(np.concatenate(moved_own + around) if own or around else nothing)
    return {"solids": tuple(solids), "others": tuple(others)}


_OTHER_HANDS = 0.35  # Share of the distractors that are hands.


def _other_hand(hand: np.ndarray, other: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Put another scene's hand beside a hand, mirrored, with its forearm away from it."""
    other = other * np.array([-1.0, 1.0, 1.0, 1.0], np.float32)
    fingers = other[:count]
    away = other[-1, :3] - fingers[:, :3].mean(axis=0) + rng.normal(0.0, 60.0, 3).astype(np.float32)
    away /= np.sqrt(away @ away)
    bound = (hand[:, :3] @ away + hand[:, 3]).max() + np.float32(rng.exponential(30.0))
    shift = hand[:, :3].mean(axis=0) - fingers[:, :3].mean(axis=0) + rng.normal(0.0, 35.0, 3).astype(np.float32)
    nearest = ((fingers[:, :3] + shift) @ away - fingers[:, 3]).min()
    other[:, :3] += shift + away * (bound - nearest)
    return other
