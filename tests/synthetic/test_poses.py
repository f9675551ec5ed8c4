"""Which poses hands are drawn in: limits, contacts, and what is kept for tests."""

from __future__ import annotations

import json

import numpy as np
import pytest

from keras_handpose.synthetic import PoseMix, sample_angles
from keras_handpose.synthetic.anatomy import mean_shape
from keras_handpose.synthetic.kinematics import HandAngles, finger_joints
from keras_handpose.synthetic.poses import ANGLE_LIMITS, LEARNED_POSES
from keras_handpose.synthetic.touching import Contact, bring_together, gaps, overlapping, place_fingers

NOTHING = {"gestures": 0.0, "closing": 0.0, "named": 0.0, "contacts": 0.0, "learned": 0.0}
THUMB, INDEX, MIDDLE, RING, LITTLE = range(5)


def only(kind: str) -> PoseMix:
    return PoseMix(**{**NOTHING, kind: 1.0})


def rows(angles: HandAngles) -> np.ndarray:
    return np.concatenate([angles.abduction, angles.flexion.reshape(-1, 12), angles.thumb, angles.wrist], axis=1)


def draw(kind: str, n: int = 1000, **options) -> np.ndarray:
    return rows(sample_angles(n, np.random.default_rng(0), mix=only(kind), **options))


@pytest.mark.parametrize("kind", NOTHING)
@pytest.mark.parametrize("n", [1, 2, 300])
def test_poses_stay_within_the_limits_of_the_joints(kind, n):
    poses = np.rad2deg(draw(kind, n))
    assert poses.shape == (n, 23)
    assert (poses >= ANGLE_LIMITS[0] - 1e-9).all()
    assert (poses <= ANGLE_LIMITS[1] + 1e-9).all()


def test_the_same_seed_draws_the_same_poses():
    first, second, other = (rows(sample_angles(500, np.random.default_rng(seed))) for seed in (4, 4, 5))
    np.testing.assert_array_equal(first, second)
    assert np.abs(first - other).max() > 0.1


def test_no_poses():
    assert len(sample_angles(0, np.random.default_rng(0))) == 0


def test_shares_are_relative_to_their_sum():
    np.testing.assert_allclose(PoseMix(**{**NOTHING, "named": 3.0, "learned": 1.0}).chances, [0, 0, 0.75, 0, 0.25])


@pytest.mark.parametrize("shares", [NOTHING, {"learned": -0.1}, {"named": np.inf}])
def test_shares_that_are_none(shares):
    with pytest.raises(ValueError, match="Received: PoseMix"):
        PoseMix(**shares)


def test_every_bone_lies_where_the_kinematics_puts_it():
    angles = sample_angles(300, np.random.default_rng(1))
    for placed, expected in zip(place_fingers(rows(angles)), finger_joints(mean_shape(), angles), strict=True):
        np.testing.assert_allclose(placed, expected, atol=1e-9)


def test_fingers_that_should_touch_do():
    joints, _ = place_fingers(draw("contacts"))
    radii = mean_shape().radii[0]
    nearest = np.full(len(joints), np.inf)
    for tip, others in (
        (THUMB, (INDEX, MIDDLE, RING, LITTLE)),
        (MIDDLE, (INDEX,)),
        (RING, (MIDDLE,)),
        (LITTLE, (RING,)),
    ):
        for other in others:
            # Points along the last two bones, with the flesh there.
            shares = np.linspace(0.0, 1.0, 21)[:, None]
            for bone in (1, 2):
                near, far = joints[:, other, None, bone], joints[:, other, None, bone + 1]
                flesh = radii[other, bone] + shares[:, 0] * (radii[other, bone + 1] - radii[other, bone])
                gap = np.linalg.norm(near + shares * (far - near) - joints[:, tip, None, 3], axis=-1)
                nearest = np.minimum(nearest, np.abs(gap - flesh - radii[tip, 3]).min(axis=1))
    assert (nearest < 2.0).mean() > 0.98


@pytest.mark.parametrize("finger", [INDEX, MIDDLE, RING, LITTLE])
def test_the_thumb_reaches_every_finger_tip(finger):
    joints, _ = place_fingers(draw("contacts", 3000))
    radii = mean_shape().radii[0, :, 3]
    gap = np.linalg.norm(joints[:, THUMB, 3] - joints[:, finger, 3], axis=-1) - radii[THUMB] - radii[finger]
    assert (np.abs(gap) < 4.0).mean() > 0.04


def test_a_thumb_shows_its_pad_to_what_it_touches():
    n = 200
    rng = np.random.default_rng(0)
    contact = Contact(
        tip=np.zeros(n, int),
        finger=np.full(n, INDEX),
        bone=np.full(n, 2),
        share=np.ones(n),
        side=np.tile([0.3, 0.5, np.sqrt(0.66)], (n, 1)),
        facing=np.full(n, 2.2),
    )
    start = draw("gestures", n)
    start[:, 4:7] = np.deg2rad([42.0, 45.0, 20.0]) + rng.normal(0, 0.1, (n, 3))
    start[:, 16:21] = np.deg2rad([75.0, 46.0, 8.0, 36.0, 54.0]) + rng.normal(0, 0.1, (n, 5))
    poses = bring_together(start, contact, np.deg2rad(ANGLE_LIMITS))
    assert (np.abs(gaps(poses, contact)) < 2.0).mean() > 0.9
    frames = place_fingers(poses)[1]
    side = frames[:, INDEX, 2] @ contact.side[0]
    assert np.median(-(frames[:, THUMB, 2, :, 2] * side).sum(-1)) > 0.6
    # Nothing but the two fingers moves.
    np.testing.assert_array_equal(
        poses[:, [1, 2, 3, *range(7, 16), 21, 22]], start[:, [1, 2, 3, *range(7, 16), 21, 22]]
    )


def test_fingers_do_not_pass_through_each_other():
    assert overlapping(rows(sample_angles(3000, np.random.default_rng(2)))).mean() < 0.03


def test_a_thumb_in_a_curled_finger_is_noticed():
    pose = np.zeros((1, 23))
    pose[0, 4:10] = np.deg2rad([80.0, 105.0, 60.0] * 2)
    pose[0, 16:21] = np.deg2rad([15.0, 52.0, 5.0, 0.0, 45.0])  # beside the palm
    assert not overlapping(pose)[0]
    pose[0, 16:21] = np.deg2rad([70.0, 30.0, 20.0, 20.0, 50.0])  # where the fingers are
    assert overlapping(pose)[0]


def test_learned_poses_say_where_they_come_from_and_are_small():
    document = json.loads(LEARNED_POSES.read_text(encoding="utf-8"))
    assert "Apache-2.0" in document["licence"]
    assert "animbank" in document["source"]
    assert LEARNED_POSES.stat().st_size < 200_000


def test_components_that_are_held_out_are_in_no_other_draw():
    document = json.loads(LEARNED_POSES.read_text(encoding="utf-8"))
    components, held_out = document["components"], document["held_out"]
    assert held_out == list(range(5, len(components), 6))
    factors = np.zeros((len(components), 23, 23))
    factors[:, *np.tril_indices(23)] = [component["factor"] for component in components]
    means = np.array([component["mean"] for component in components])

    def source(poses: np.ndarray) -> np.ndarray:
        """Return the component that each pose is most likely drawn from, by all angles but the thumb's."""
        kept = [*range(16), 21, 22]
        likelihood = []
        for mean, factor in zip(means, factors, strict=True):
            covariance = (factor @ factor.T)[np.ix_(kept, kept)]
            apart = np.rad2deg(poses)[:, kept] - mean[kept]
            distance = (np.linalg.solve(covariance, apart.T) * apart.T).sum(axis=0)
            likelihood.append(-distance - np.linalg.slogdet(covariance)[1])
        return np.argmax(likelihood, axis=0)

    kept_for_tests = np.isin(source(draw("learned", held_out=True)), held_out)
    trained_on = np.isin(source(draw("learned")), held_out)
    # Neighbouring components overlap a little.
    assert kept_for_tests.mean() > 0.8
    assert trained_on.mean() < 0.06


def test_neighbouring_fingers_bend_alike_as_in_real_hands():
    flexion = draw("learned", 4000)[:, 4:16].reshape(-1, 4, 3)
    proximal = flexion[..., 1]
    for finger in range(3):
        assert np.corrcoef(proximal[:, finger], proximal[:, finger + 1])[0, 1] > 0.6
    # The DIP joint follows the PIP joint.
    assert np.corrcoef(flexion[:, 1, 1], flexion[:, 1, 2])[0, 1] > 0.6


@pytest.mark.parametrize("kind", NOTHING)
def test_right_hands_only(kind):
    """Thumb's side, fingers and the side to which they bend are a right-handed frame: of a right hand."""
    joints, _ = place_fingers(draw(kind))
    bent = joints[:, 1:, 3].mean(axis=1) - joints[:, 1:, 0].mean(axis=1)
    radial, distal = joints[0, INDEX, 0] - joints[0, LITTLE, 0], joints[0, MIDDLE, 0]
    assert (bent @ np.cross(radial, distal) > 0).mean() > 0.9
    assert (joints[:, THUMB, 1] @ np.cross(radial, distal) > 0).mean() > 0.9
