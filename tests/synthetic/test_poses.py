"""Which poses hands are drawn in: limits, contacts, and what is kept for tests."""

from __future__ import annotations

import numpy as np
import pytest

from keras_handpose.synthetic import PoseMix, sample_angles
from keras_handpose.synthetic.anatomy import mean_shape
from keras_handpose.synthetic.kinematics import HandAngles, finger_joints
from keras_handpose.synthetic.poses import _LIMITS, LEARNED_POSES, _mixture

NOTHING = {"gestures": 0.0, "closing": 0.0, "named": 0.0, "contacts": 0.0, "learned": 0.0}


def draw(kind: str, n: int = 600, **options) -> HandAngles:
    return sample_angles(n, np.random.default_rng(0), mix=PoseMix(**{**NOTHING, kind: 1.0}), **options)


def rows(angles: HandAngles) -> np.ndarray:
    return np.concatenate([angles.abduction, angles.flexion.reshape(-1, 12), angles.thumb, angles.wrist], axis=1)


@pytest.mark.parametrize("kind", NOTHING)
@pytest.mark.parametrize("n", [1, 300])
def test_poses_stay_within_the_limits_of_the_joints(kind, n):
    poses = np.rad2deg(rows(draw(kind, n)))
    assert poses.shape == (n, 23)
    assert (poses >= _LIMITS[0] - 1e-9).all() and (poses <= _LIMITS[1] + 1e-9).all()
    assert n == 1 or (poses.std(axis=0) > 1).all()


def test_the_same_seed_draws_the_same_poses():
    first, second, other = (rows(sample_angles(200, np.random.default_rng(seed))) for seed in (4, 4, 5))
    np.testing.assert_array_equal(first, second)
    assert np.abs(first - other).max() > 0.1


def test_shares_are_relative_to_their_sum():
    np.testing.assert_allclose(PoseMix(**{**NOTHING, "named": 3.0, "learned": 1.0}).chances, [0, 0, 0.75, 0, 0.25])


@pytest.mark.parametrize("shares", [NOTHING, {"learned": -0.1}, {"named": np.inf}])
def test_shares_that_are_none(shares):
    with pytest.raises(ValueError, match="Received: PoseMix"):
        PoseMix(**shares)


def test_thumbs_touch_what_they_should():
    joints, _ = finger_joints(mean_shape(), draw("contacts"))
    radii = mean_shape().radii[0, :, 3]
    gaps = np.linalg.norm(joints[:, 1:, 3] - joints[:, :1, 3], axis=-1) - radii[1:] - radii[0]
    nearest = np.abs(gaps).min(axis=1)
    assert np.median(nearest) < 2 and (nearest < 5).mean() > 0.75
    assert (np.bincount(np.abs(gaps).argmin(axis=1), minlength=4) > 20).all()  # Every finger is touched.


def test_named_gestures_point_with_straight_fingers():
    flexion = np.rad2deg(draw("named").flexion)
    straight = (flexion[..., 1] < 30) & (flexion[..., 0] < 30)
    curled = (flexion[..., 0] > 50) & (flexion[..., 1] > 70)
    pointing = straight[:, 0] & curled[:, 1:].all(axis=1)
    fists, flat = curled.all(axis=1), straight.all(axis=1)
    assert all(kind.mean() > 0.03 for kind in (pointing, fists, flat))


def test_poses_that_are_held_out_are_in_no_other_draw():
    (means, *_), (held_out, *_) = _mixture(False), _mixture(True)
    assert len(means) == 40 and len(held_out) == 8
    distance = np.rad2deg(np.linalg.norm(held_out[:, None, :16] - means[:, :16], axis=-1)).min(axis=1)
    assert (distance > 5).all() and np.median(distance) > 20  # degrees, over the fingers' 16 angles
    shares = []  # of draws that lie nearest to a component that is held out
    for flag in (False, True):
        fingers = rows(draw("learned", held_out=flag))[:, None, :16]
        near, far = (np.linalg.norm(fingers - centres[:, :16], axis=-1).min(axis=1) for centres in (held_out, means))
        shares.append((near < far).mean())
    assert shares[0] < 0.15 and shares[1] > 0.45


def test_learned_poses_say_where_they_come_from_and_are_small():
    assert "Apache-2.0" in LEARNED_POSES.read_text(encoding="utf-8")[:300]
    assert LEARNED_POSES.stat().st_size < 200_000
