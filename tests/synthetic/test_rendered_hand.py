"""The rendered hand: anatomy, kinematics and exact depth."""

from __future__ import annotations

import numpy as np
import pytest

from keras_handpose import CAMERAS, MSRA21, SKELETONS, Camera, corresponding_joints, xyz_to_uvd
from keras_handpose.skeletons import HAND56
from keras_handpose.synthetic import (
    LANDMARKS,
    HandAngles,
    Ingredients,
    cover_with_spheres,
    landmarks_to_joints,
    pose_hands,
    render_spheres,
    sample_angles,
    sample_scenes,
    sample_shapes,
)

FULL = Ingredients(sleeves=1, watches=1, walls=1, bodies=1, held=1, distractors=1)


def flat_hand(**angles) -> HandAngles:
    zero = {
        "abduction": np.zeros((1, 4)),
        "flexion": np.zeros((1, 4, 3)),
        "thumb": np.zeros((1, 5)),
        "wrist": np.zeros((1, 2)),
    }
    return HandAngles(**(zero | angles))


def landmark(posed, name):
    return posed.landmarks[0, LANDMARKS.index(name)]


def test_bones_keep_their_lengths_in_every_pose():
    rng = np.random.default_rng(0)
    shapes = sample_shapes(200, rng)
    posed = pose_hands(shapes, sample_angles(200, rng))
    lengths = np.linalg.norm(np.diff(posed.joints, axis=2), axis=-1)
    np.testing.assert_allclose(lengths, shapes.bones, rtol=1e-9)
    np.testing.assert_allclose(posed.joints[:, :, 0], shapes.roots)


def test_frames_are_rotations():
    rng = np.random.default_rng(1)
    frames = pose_hands(sample_shapes(50, rng), sample_angles(50, rng)).frames
    np.testing.assert_allclose(
        frames @ np.swapaxes(frames, -1, -2), np.broadcast_to(np.eye(3), frames.shape), atol=1e-9
    )
    np.testing.assert_allclose(np.linalg.det(frames), 1.0)


def test_flexion_bends_fingers_to_the_palm_and_abduction_to_the_thumb():
    shapes = sample_shapes(1, np.random.default_rng(0))
    straight = pose_hands(shapes, flat_hand())
    bent = pose_hands(shapes, flat_hand(flexion=np.full((1, 4, 3), 0.5)))
    spread = pose_hands(shapes, flat_hand(abduction=np.full((1, 4), 0.3)))
    for finger in ("index", "middle", "ring", "little"):
        tip = f"{finger}_tip"
        assert landmark(bent, tip)[2] > landmark(straight, tip)[2] + 10  # z is palmar
        assert landmark(spread, tip)[0] > landmark(straight, tip)[0] + 5  # x is radial


def test_right_hands_only():
    """Seen from the back with the fingers up, a right hand's thumb is on the left."""
    rng = np.random.default_rng(3)
    shapes = sample_shapes(100, rng)
    landmarks = pose_hands(shapes, sample_angles(100, rng)).landmarks
    joints = landmarks_to_joints(landmarks, MSRA21)
    fingers = joints[:, MSRA21.index("middle_mcp")] - joints[:, MSRA21.index("wrist")]
    radial = joints[:, MSRA21.index("index_mcp")] - joints[:, MSRA21.index("little_mcp")]
    palmar = np.cross(radial, fingers)
    assert (palmar[:, 2] > 0).all()
    # Fingers bend to that side.
    tips = joints[:, MSRA21.tips[1:]].mean(axis=1) - joints[:, [1, 5, 9, 13]].mean(axis=1)
    assert np.median((tips * palmar).sum(-1)) > 0


def test_scenes_keep_the_chirality():
    joints = sample_scenes(200, np.random.default_rng(0), CAMERAS["msra15"]).joints_xyz(HAND56)
    radial = joints[:, 1] - joints[:, 13]
    fingers = joints[:, 5] - joints[:, 0]
    palmar = np.cross(radial, fingers)
    thumb = joints[:, MSRA21.index("thumb_cmc")] - joints[:, 0]
    assert ((thumb * palmar).sum(-1) > 0).all()


def test_people_differ_within_reason():
    shapes = sample_shapes(2000, np.random.default_rng(0))
    middle = shapes.roots[:, 2, 1] + shapes.bones[:, 2].sum(-1)
    assert 120 < np.percentile(middle, 5) < 150 < np.percentile(middle, 95) < 200
    assert (shapes.radii > 2).all() and (np.diff(shapes.radii, axis=2) < 0).all()


def test_joints_lie_within_the_flesh():
    rng = np.random.default_rng(4)
    shapes = sample_shapes(30, rng)
    posed = pose_hands(shapes, sample_angles(30, rng))
    spheres = cover_with_spheres(shapes, posed).astype(np.float64)
    for name in MSRA21.landmarks:
        centre = posed.landmarks[:, LANDMARKS.index(name), None]
        depth_below_skin = (spheres[..., 3] - np.linalg.norm(spheres[..., :3] - centre, axis=-1)).max(axis=1)
        assert (depth_below_skin > 1.5).all(), name


def test_the_surface_is_closed():
    """Between the centres of two spheres of a chain, the skin is at least two thirds of a radius away."""
    rng = np.random.default_rng(5)
    shapes = sample_shapes(20, rng)
    posed = pose_hands(shapes, sample_angles(20, rng))
    spheres = cover_with_spheres(shapes, posed, arm=False)
    for i in range(20):
        for finger in range(5):
            for k in range(3):
                along = np.linspace(posed.joints[i, finger, k], posed.joints[i, finger, k + 1], 40)
                inside = spheres[i, :, 3] - np.linalg.norm(along[:, None] - spheres[i, :, :3], axis=-1)
                assert (inside.max(axis=1) > 0.66 * shapes.radii[i, finger, k + 1]).all()


def test_bumps_are_low():
    """Halfway between two spheres of a finger or of the forearm, the skin is less than 0.5 mm deeper than over them."""
    shapes = sample_shapes(8, np.random.default_rng(7))
    flat = HandAngles(
        abduction=np.zeros((8, 4)), flexion=np.zeros((8, 4, 3)), thumb=np.zeros((8, 5)), wrist=np.zeros((8, 2))
    )
    posed = pose_hands(shapes, flat)
    spheres = cover_with_spheres(shapes, posed).astype(np.float64)
    for i in range(8):
        middle_finger = posed.joints[i, 2]
        for start, end in ((middle_finger[0] + [0, 12, 0], middle_finger[3]), ([-3, -40, 0], [-3, -200, 0])):
            along = np.linspace(np.array(start), np.array(end), 400)
            away = along[:, None, :2] - spheres[i, None, :, :2]
            room = spheres[i, :, 3] ** 2 - (away**2).sum(-1)
            # The back of the hand: the least z of any sphere there.
            back = np.where(room > 0, spheres[i, :, 2] - np.sqrt(np.maximum(room, 0)), np.inf).min(axis=1)
            smooth = np.convolve(back, np.ones(25) / 25, "valid")
            assert np.abs(back[12:-12] - smooth).max() < 0.5


@pytest.mark.parametrize("skeleton", SKELETONS.values(), ids=lambda skeleton: skeleton.name)
def test_labels_of_all_skeletons_agree(skeleton):
    scenes = sample_scenes(5, np.random.default_rng(0), CAMERAS["msra15"])
    joints = scenes.joints_xyz(skeleton)
    assert joints.shape == (5, len(skeleton), 3) and np.isfinite(joints).all()
    indices, _ = corresponding_joints(HAND56, skeleton)
    np.testing.assert_array_equal(joints, scenes.landmarks_xyz[:, indices])


def test_depth_of_a_sphere_is_exact():
    """Every pixel against the closed form of a ray and a sphere, in double precision."""
    camera = Camera(width=80, height=60, fx=150, fy=140, cx=31.3, cy=22.8)
    centre, radius = np.array([12.0, -7.0, 300.0]), 40.0
    depth = render_spheres(np.array([[*centre, radius]]), camera)
    v, u = np.mgrid[:60, :80]
    rays = np.stack([(u - camera.cx) / camera.fx, (v - camera.cy) / camera.fy, np.ones_like(u)], axis=-1)
    a, b, c = (rays**2).sum(-1), rays @ centre, (centre**2).sum() - radius**2
    room = b**2 - a * c
    expected = np.where(room > 0, (b - np.sqrt(np.maximum(room, 0))) / a, 0)
    clear = np.abs(room) > 1e-4 * b**2  # at the very outline float32 may decide otherwise
    np.testing.assert_allclose(depth[clear], expected[clear], atol=0.05)
    assert (depth > 0).sum() > 500


def test_nearer_surfaces_hide_farther_ones_in_any_order():
    camera = CAMERAS["msra15"]
    spheres = np.array([[0, 0, 400, 30], [5, 5, 350, 20], [-20, 10, 500, 60]])
    depth = render_spheres(spheres, camera)
    np.testing.assert_array_equal(depth, render_spheres(spheres[::-1], camera))
    assert depth[120, 160] < 350
    background = np.full(camera.shape, 340, np.float32)
    behind = render_spheres(spheres, camera, background=background)
    np.testing.assert_array_equal(behind, np.where(depth > 0, np.minimum(depth, 340), 340))
    assert (background == 340).all()


def test_a_window_is_a_part_of_the_frame():
    camera = CAMERAS["sr305"]
    scenes = sample_scenes(1, np.random.default_rng(2), camera, distance=(400, 400), ingredients=FULL)
    frame = scenes.render(0, camera)
    u, v, _ = xyz_to_uvd(scenes.landmarks_xyz[0].mean(axis=0), camera).astype(int)
    window = scenes.render(0, camera.window(u - 50, v - 40, 100, 80))
    np.testing.assert_allclose(window, frame[v - 40 : v + 40, u - 50 : u + 50], atol=0.02)


def test_labels_lie_behind_the_surface_that_shows_them():
    camera = CAMERAS["kinect_v2"]
    scenes = sample_scenes(20, np.random.default_rng(6), camera, distance=(500, 700), ingredients=Ingredients().alone())
    for i in range(20):
        u, v, d = xyz_to_uvd(scenes.joints_xyz(MSRA21)[i], camera).T
        seen = scenes.render(i, camera)
        inside = (u > 0) & (u < camera.width - 1) & (v > 0) & (v < camera.height - 1)
        surface = seen[v[inside].round().astype(int), u[inside].round().astype(int)]
        assert (surface > 0).mean() > 0.95
        assert (surface[surface > 0] < d[inside][surface > 0] + 1).all()


def test_spheres_must_be_spheres():
    with pytest.raises(ValueError, match=r"shape \(spheres, 4\)"):
        render_spheres(np.zeros((3, 3)), CAMERAS["msra15"])


def test_distances_must_grow():
    with pytest.raises(ValueError, match="two growing positive"):
        sample_scenes(1, np.random.default_rng(0), CAMERAS["msra15"], distance=(500, 300))
