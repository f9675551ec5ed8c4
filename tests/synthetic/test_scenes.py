"""Scenes: every ingredient is there at its share, does what it says, and leaves the joints where they are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from keras_handpose import CAMERAS, MSRA21, Camera, xyz_to_uvd
from keras_handpose.synthetic import Ingredients, pose_hands, render_solids, sample_angles, sample_scenes, sample_shapes
from keras_handpose.synthetic.clutter import BESIDE, put_beside, sleeve, watch
from keras_handpose.synthetic.held import HELD, hold
from keras_handpose.synthetic.solids import box, cylinder, ellipsoid, frame_along, moved
from keras_handpose.synthetic.surface import count_spheres
from keras_handpose.synthetic.views import sample_rotations

CAMERA = CAMERAS["sr305"]
BARE = Ingredients(sleeves=0.0, watches=0.0).alone()
HAND = count_spheres(arm=False)


def scenes_of(n: int = 24, seed: int = 0, **shares):
    return sample_scenes(n, np.random.default_rng(seed), CAMERA, ingredients=replace(BARE, **shares))


def added(scenes) -> np.ndarray:
    """Number of solids and of other hands' spheres in each scene."""
    return np.array([len(solids) + len(others) for solids, others in zip(scenes.solids, scenes.others, strict=True)])


def hands(n: int = 40, seed: int = 0):
    rng = np.random.default_rng(seed)
    shapes = sample_shapes(n, rng)
    return shapes, pose_hands(shapes, sample_angles(n, rng)), rng


def corners(solids: np.ndarray) -> np.ndarray:
    """Corners of the boxes around solids, shape ``(solids, 8, 3)``."""
    signs = np.array(np.meshgrid([-1, 1], [-1, 1], [-1, 1])).reshape(3, 8).T
    axes = solids[:, 4:13].reshape(-1, 3, 3)
    return solids[:, None, 1:4] + (signs * solids[:, None, 13:]) @ axes


@pytest.mark.parametrize("share", ["sleeves", "watches", "bodies", "held", "distractors"])
def test_shares_are_chances(share):
    assert (added(scenes_of(**{share: 0.0})) == 0).all()
    assert (added(scenes_of(arms=1.0, wide_views=0.0, **{share: 1.0})) > 0).mean() > 0.9
    assert 0.3 < (added(scenes_of(300, arms=1.0, **{share: 0.5})) > 0).mean() < 0.7


def test_walls_and_arms_are_chances():
    assert np.isnan(scenes_of().walls).all() and not np.isnan(scenes_of(walls=1.0).walls).any()
    arms, none = (scenes_of(arms=share).spheres[:, HAND:, 3] for share in (1.0, 0.0))
    assert (arms > 0).all(axis=1).mean() > 0.8 and (none < 0).all()
    assert (added(scenes_of(arms=0.0, sleeves=1.0, watches=1.0)) == 0).all()


@pytest.mark.parametrize("share", ["sleeves", "watches", "walls", "bodies", "held", "distractors"])
def test_clutter_leaves_hands_and_joints_where_they_are(share):
    plain, cluttered = scenes_of(), scenes_of(**{share: 1.0})
    np.testing.assert_array_equal(plain.landmarks_xyz, cluttered.landmarks_xyz)
    np.testing.assert_array_equal(plain.spheres, cluttered.spheres)


def test_a_seed_decides_everything():
    full = Ingredients(sleeves=0.5, watches=0.5, walls=0.5, bodies=0.5, held=0.5, distractors=0.5)
    one, same, other = (sample_scenes(8, np.random.default_rng(seed), CAMERA, ingredients=full) for seed in (1, 1, 2))
    for i in range(8):
        seen = one.render(i, CAMERA)
        assert seen.dtype == np.float32 and np.isfinite(seen).all() and (seen >= 0).all()
        np.testing.assert_array_equal(seen, same.render(i, CAMERA))
        assert (seen != other.render(i, CAMERA)).any()


def test_clutter_only_adds_to_the_picture():
    """Where clutter is not nearer, the hand is seen as without."""
    plain = scenes_of(8)
    for share in ("bodies", "held", "distractors"):
        cluttered = scenes_of(8, **{share: 1.0})
        for i in range(8):
            alone, seen = plain.render(i, CAMERA), cluttered.render(i, CAMERA)
            hand = alone > 0
            assert (seen[hand] > 0).all() and (seen[hand] <= alone[hand]).all()


@pytest.mark.parametrize("thing", HELD)
def test_what_is_held_is_in_the_hand(thing):
    shapes, posed, rng = hands()
    gaps = []
    for i in range(40):
        solids = hold(shapes, posed, i, rng, thing=thing)
        assert solids.dtype == np.float32 and np.isfinite(solids).all() and (solids[:, 13:] > 0).all()
        # From the joints to the thing's own box: what is held is touched, or nearly so.
        local = (posed.joints[i].reshape(-1, 3) - solids[0, 1:4]) @ solids[0, 4:13].reshape(3, 3).T
        outside = np.linalg.norm(np.maximum(np.abs(local) - solids[0, 13:], 0), axis=-1)
        gaps.append((outside - shapes.radii[i].ravel()).min())
        middle = 0.5 * (posed.joints[i, 0, 3] + posed.joints[i, 1:4, 3].mean(axis=0))
        assert np.linalg.norm(corners(solids[:1])[0] - middle, axis=-1).min() < 220
    assert np.median(gaps) < 3 and max(gaps) < 45


def test_a_pen_lies_in_the_pinch():
    shapes, posed, rng = hands(200)
    for i in np.flatnonzero(np.linalg.norm(posed.joints[:, 0, 3] - posed.joints[:, 1, 3], axis=-1) < 50):
        pen = hold(shapes, posed, i, rng, thing="pen")[0]
        away = 0.5 * (posed.joints[i, 0, 3] + posed.joints[i, 1, 3]) - pen[1:4]
        along = away @ pen[7:10]
        assert abs(along) < pen[14] and np.linalg.norm(away - along * pen[7:10]) < 0.1


def test_sleeves_and_watches_go_around_the_forearm():
    shapes, posed, rng = hands()
    for i in range(40):
        for solids in (sleeve(shapes, posed, i, rng), watch(shapes, posed, i, rng)):
            tube = solids[0]
            assert tube[13] > 1.04 * shapes.wrist_width[i] and tube[15] > 1.04 * shapes.wrist_thickness[i]
            np.testing.assert_allclose(tube[7:10], posed.arm[i, :, 1], atol=1e-6)
            edge = -(tube[1:4] @ posed.arm[i, :, 1]) - tube[14]  # from the carpus down the forearm
            assert 5 < edge / shapes.scale[i] < 140


def test_a_sleeve_ends_with_a_step():
    shapes, posed, rng = hands(1, seed=4)
    cuff = sleeve(shapes, posed, 0, rng)[:1]
    assert cuff[0, 14] > 80


def test_bodies_stand_behind_the_hand():
    scenes = scenes_of(bodies=1.0)
    for i, solids in enumerate(scenes.solids):
        hand = scenes.spheres[i, :HAND]
        nearest = min(solid[3] - np.linalg.norm(solid[4:13].reshape(3, 3)[:, 2] * solid[13:]) for solid in solids[:1])
        assert nearest > hand[:, 2].mean() - 120
        assert len(solids) in (2, 3) and (solids[:, 13:] > 25).all()


@pytest.mark.parametrize("thing", BESIDE)
def test_what_is_beside_the_hand_does_not_touch_it(thing):
    scenes = scenes_of(12)
    rng = np.random.default_rng(0)
    for spheres in scenes.spheres[:, :HAND]:
        solids = put_beside(spheres, rng, thing=thing)
        # Nearer than 70 mm before the hand there is nothing.
        assert corners(solids)[..., 2].min() > (spheres[:, 2] - spheres[:, 3]).min() - 71
        local = (spheres[None, :, :3] - solids[:, None, 1:4]) @ solids[:, 4:13].reshape(-1, 3, 3).swapaxes(1, 2)
        outside = np.linalg.norm(np.maximum(np.abs(local) - solids[:, None, 13:], 0), axis=-1)
        assert (outside > 0).all()


def test_other_hands_keep_clear():
    scenes = scenes_of(32, distractors=1.0)
    there = [i for i in range(32) if len(scenes.others[i])]
    assert len(there) > 4
    for i in there:
        hand, other = scenes.spheres[i, :HAND], scenes.others[i][:HAND]
        gaps = np.linalg.norm(hand[:, None, :3] - other[None, :, :3], axis=-1) - hand[:, None, 3] - other[None, :, 3]
        assert gaps.min() > -0.1


def test_unknown_things_are_named():
    shapes, posed, rng = hands(1)
    with pytest.raises(ValueError, match="one of pen, bottle.*Received: 'cat'"):
        hold(shapes, posed, 0, rng, thing="cat")
    with pytest.raises(ValueError, match="one of table, block.*Received: 'cat'"):
        put_beside(np.ones((1, 4)), rng, thing="cat")


def test_wide_views_come_from_everywhere():
    rng = np.random.default_rng(0)
    rotations = sample_rotations(20000, rng, wide=1.0)
    np.testing.assert_allclose(rotations @ rotations.swapaxes(1, 2), np.eye(3)[None].repeat(20000, 0), atol=1e-9)
    # The mean of uniform rotations vanishes, and every axis of the hand looks in every direction evenly.
    assert np.abs(rotations.mean(axis=0)).max() < 0.02
    np.testing.assert_allclose((rotations**2).mean(axis=0), 1 / 3, atol=0.01)
    fingers_at_the_camera = (rotations[:, 2, 1] < -0.9).mean()
    assert fingers_at_the_camera == pytest.approx(0.05, abs=0.01)


def test_the_forearm_enters_from_below_on_a_head():
    rotations = sample_rotations(20000, np.random.default_rng(0))
    elbow, palm = -rotations[:, :, 1], rotations[:, :, 2]
    own = (elbow[:, 1] > 0.5) & (elbow[:, 2] < -0.2) & (palm[:, 2] > 0.3)  # from below and before, back to the camera
    assert own.mean() > 0.06


def test_solids_are_exact():
    camera = Camera(width=80, height=60, fx=150, fy=140, cx=31.3, cy=22.8)
    v, u = np.mgrid[:60, :80]
    rays = np.stack([(u - camera.cx) / camera.fx, (v - camera.cy) / camera.fy, np.ones_like(u)], axis=-1)
    axes = frame_along(np.array([0.3, 1.0, -0.4]), np.array([0.2, 0.1, -1.0]))
    half, centre = np.array([40.0, 25.0, 30.0]), np.array([12.0, -7.0, 300.0])
    reach = np.arange(200, 400, 0.1)
    local = ((rays[..., None, :] * reach[:, None]) - centre) @ axes / half
    x, y, z = np.moveaxis(local, -1, 0)
    within = {
        box: np.abs(local).max(axis=-1) < 1,
        cylinder: (x**2 + z**2 < 1) & (np.abs(y) < 1),
        ellipsoid: (local**2).sum(-1) < 1,
    }
    for make, inside in within.items():
        expected = np.where(inside.any(-1), reach[inside.argmax(-1)], 0)
        seen = render_solids(make(centre, axes, half)[None], camera)
        assert (seen > 0).sum() > 300 and ((seen > 0) == (expected > 0)).mean() > 0.995
        both = (seen > 0) & (expected > 0)
        assert np.percentile(np.abs(seen - expected)[both], 99) < 0.15
        background = np.full(camera.shape, 290, np.float32)
        over = render_solids(make(centre, axes, half)[None], camera, background=background)
        np.testing.assert_array_equal(over, np.where((seen > 0) & (seen < 290), seen, 290))


def test_moving_solids_moves_their_points():
    rng = np.random.default_rng(0)
    rotation = sample_rotations(1, rng, wide=1.0)[0]
    solids = np.stack([box(rng.normal(size=3), sample_rotations(1, rng)[0], rng.uniform(1, 2, 3)) for _ in range(5)])
    before = solids.copy()
    shift = np.array([1.0, 2.0, 3.0])
    np.testing.assert_allclose(corners(moved(solids, rotation, shift)), corners(solids) @ rotation.T + shift, atol=1e-5)
    np.testing.assert_array_equal(solids, before)
    with pytest.raises(ValueError, match=r"shape \(solids, 16\)"):
        render_solids(np.zeros((2, 3)), CAMERA)


def test_joints_stay_in_the_picture_of_a_hand_that_holds():
    scenes = scenes_of(16, held=1.0)
    for i in range(16):
        u, v, d = xyz_to_uvd(scenes.joints_xyz(MSRA21)[i], CAMERA).T
        seen = scenes.render(i, CAMERA)
        inside = (u > 0) & (u < CAMERA.width - 1) & (v > 0) & (v < CAMERA.height - 1)
        surface = seen[v[inside].round().astype(int), u[inside].round().astype(int)]
        assert (surface > 0).mean() > 0.9 and (surface[surface > 0] < d[inside][surface > 0] + 1).all()
