"""Learn how hands are held from tracked poses, and measure what the rendered hand's poses cover.

    KERAS_HANDPOSE_TEST_DATA=FOLDER python benchmarks/learn_poses.py --output benchmarks/results/poses.json

The folder holds ``poses/animbank.pose``: 2,336 tracked poses of one right hand, one a line, 17 rigid bones of ``x y z``
in m and a quaternion ``x y z w``: forearm, palm, then three each of thumb, index, middle, ring and little finger
(Apache-2.0; they came with Intel's hand-tracking samples). A bone's place is its middle. In the palm's frame z points
to the fingers, x to the thumb's side and -y out of the palm; fingers bend about their x, the thumb about its -y. Where
two bones hinge is not stored; it is the point that stays fixed in both.

Writes ``keras_handpose/synthetic/learned_poses.json`` anew, the same bits for the same poses, and reports how well
angles describe the tracked bones, and how far each tracked pose is from the nearest of 20,000 rendered ones.
"""

from __future__ import annotations

import argparse
import json
import os
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
from report import write_report
from scipy.cluster.vq import kmeans2
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from keras_handpose.files import whole_file
from keras_handpose.skeletons import MSRA21
from keras_handpose.synthetic import HandAngles, PoseMix, landmarks_to_joints, pose_hands, sample_angles
from keras_handpose.synthetic.anatomy import HandShapes, mean_shape
from keras_handpose.synthetic.kinematics import finger_joints
from keras_handpose.synthetic.poses import ANGLE_LIMITS, LEARNED_POSES

COMPONENTS = 48
HELD_OUT = 6  # One in so many components is kept for tests.
WIDER = 1.3  # Each component's variance, against that of its poses,
OF_ALL = 0.05  # to which so much of all poses' covariance is added,
FLOOR = np.array([3.0] * 4 + [4.0] * 12 + [5.0] * 5 + [9.0, 6.0])  # and the variance of these angles in degrees.
SEED = 0
RENDERED = 20_000
LAST_BONE = 11.0  # mm from the middle of a finger's last bone to its tip

# From the tracked palm's frame (thumb's side, back, fingers) to ours (thumb's side, fingers, out of the palm).
TO_OURS = np.array([[1.0, 0, 0], [0, 0, 1.0], [0, -1.0, 0]])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, help="JSON file to write")
    arguments = parser.parse_args()
    if "KERAS_HANDPOSE_TEST_DATA" not in os.environ:
        parser.error("KERAS_HANDPOSE_TEST_DATA must name the folder with the poses.")
    data = Path(os.environ["KERAS_HANDPOSE_TEST_DATA"])

    bones = np.loadtxt(data / "poses" / "animbank.pose").reshape(-1, 17, 7)
    tracked = read_hands(bones)
    angles = fit_angles(tracked)
    held_out = write_mixture(flatten(angles))
    msra = np.load(data / "msra_stats" / "joints_p1_to_p8.npz")
    write_report(
        {
            "data": f"{len(bones):,} tracked poses of one right hand; MSRA15's labels as their published mean and "
            "principal components, of which 2,000 poses are drawn",
            "measure": "mean distance of 21 joints in mm, after rigid alignment, to the nearest of "
            f"{RENDERED:,} rendered poses of a mean hand",
            "results": {
                "tracked poses as joint angles": check(tracked, angles),
                "tracked poses": coverage(angles, held_out),
                "MSRA15": compare_with_msra(msra),
            },
        },
        arguments.output,
    )


@dataclass(frozen=True)
class TrackedHands:
    """``n`` poses of one hand in our hand's frame.

    Attributes:
        joints: As `PosedHands.joints`, in mm, shape ``(n, 5, 4, 3)``.
        hinges: Axes about which the fingers bend, shape ``(n, 5, 3)``.
        arm: Direction of the forearm to the hand, shape ``(n, 3)``.
    """

    joints: np.ndarray
    hinges: np.ndarray
    arm: np.ndarray


def read_hands(bones: np.ndarray) -> TrackedHands:
    """Read joints and hinges off rigid bones, shape ``(n, 17, 7)``."""
    n = len(bones)
    places = 1000.0 * bones[..., :3]
    turns = Rotation.from_quat(bones[..., 3:].reshape(-1, 4)).as_matrix().reshape(n, 17, 3, 3)

    def pivot(near: int, far: int, *, hinge: bool) -> tuple[np.ndarray, np.ndarray]:
        """Return the point that stays fixed in two bones, in the frame of each."""
        unknown = np.concatenate([turns[:, near], -turns[:, far]], axis=-1).reshape(-1, 6)
        fixed = np.linalg.lstsq(unknown, (places[:, far] - places[:, near]).ravel(), rcond=None)[0].reshape(2, 3)
        if hinge:  # Where on its axis is all one.
            fixed[:, 0] = 0.0
        return fixed[0], fixed[1]

    in_arm, in_palm = pivot(0, 1, hinge=False)
    wrist = places[:, 1] + turns[:, 1] @ in_palm
    joints = np.empty((n, 5, 4, 3))
    for finger in range(5):
        chain = [1, *range(2 + 3 * finger, 5 + 3 * finger)]
        for k, (near, far) in enumerate(zip(chain, chain[1:], strict=False)):
            in_near, in_far = pivot(near, far, hinge=finger > 0 and k > 0)
            joints[:, finger, k] = places[:, near] + turns[:, near] @ in_near
        joints[:, finger, 3] = places[:, far] + turns[:, far] @ np.array([*in_far[:2], LAST_BONE])
    to_hand = TO_OURS @ turns[:, 1].transpose(0, 2, 1)
    hinges = np.concatenate([-turns[:, 2:3, :, 1], turns[:, 5::3, :, 0]], axis=1)
    return TrackedHands(
        joints=(joints - wrist[:, None, None]) @ to_hand.transpose(0, 2, 1)[:, None],
        hinges=hinges @ to_hand.transpose(0, 2, 1),
        arm=(to_hand @ turns[:, 0]) @ (in_arm / np.linalg.norm(in_arm)),
    )


def fit_angles(tracked: TrackedHands) -> HandAngles:
    """Find the angles whose bones and hinges on a mean hand have the tracked directions, by least squares."""
    n, shape, joints = len(tracked.arm), mean_shape(), tracked.joints
    directions = np.diff(joints, axis=2)
    # Thumbs are rooted differently: theirs shall be where the tracked one is beside the other fingers.
    size = np.linalg.norm(shape.roots[0, 1] - shape.roots[0, 4]) / np.linalg.norm(joints[0, 1, 0] - joints[0, 4, 0])
    knuckle = (joints[:, 0, 1] - joints[:, 1:, 0].mean(axis=1)) * size + shape.roots[0, 1:].mean(axis=0)
    directions[:, 0, 0] = knuckle - shape.roots[0, 0]
    directions /= np.linalg.norm(directions, axis=-1, keepdims=True)

    def misfit(poses: np.ndarray) -> np.ndarray:
        frames = finger_joints(shape, unflatten(poses))[1]
        along, hinge = frames[..., 1] - directions, 0.3 * (frames[:, :, 1, :, 0] - tracked.hinges)
        return np.concatenate([along.reshape(n, -1), hinge.reshape(n, -1)], axis=-1)

    usual = np.deg2rad([0.0] * 4 + [40.0] * 12 + [45.0, 35.0, 15.0, 15.0, 45.0, 0.0, 0.0])
    poses = np.tile(usual, (n, 1))
    for step in range(12):
        now = misfit(poses)
        slopes = np.stack([misfit(poses + 1e-4 * unit) - now for unit in np.eye(21, 23)], axis=-1) / 1e-4
        normal = slopes.transpose(0, 2, 1) @ slopes + (0.1 if step < 4 else 1e-3) * np.eye(21)
        change = np.linalg.solve(normal, slopes.transpose(0, 2, 1) @ now[..., None])[..., 0]
        poses[:, :21] -= change.clip(-0.6, 0.6)
        poses = poses.clip(*np.deg2rad(ANGLE_LIMITS))
    arm = tracked.arm
    poses[:, 21] = -np.arcsin(arm[:, 2].clip(-1, 1))
    poses[:, 22] = np.arctan2(-arm[:, 0], arm[:, 1])
    return unflatten(poses)


def check(tracked: TrackedHands, angles: HandAngles) -> dict[str, object]:
    """Bend the tracked hand by the angles, and compare."""
    joints = tracked.joints
    lengths = np.linalg.norm(np.diff(joints, axis=2), axis=-1).mean(axis=0)
    shape = replace(mean_shape(), roots=joints[:1, :, 0], bones=lengths[None])
    bent, frames = finger_joints(shape, angles)
    distance = np.linalg.norm(bent - joints, axis=-1)[:, :, 1:].mean(axis=(0, 2)).round(1).tolist()
    return {
        "distance of joints, thumb to little finger, mm": distance,
        "note": "the tracked thumb is rooted at the wrist and longer than ours, so it is placed by its MCP joint",
        "angle between axes of flexion, thumb to little finger, degrees": np.rad2deg(
            np.arccos((frames[:, :, 1, :, 0] * tracked.hinges).sum(-1).clip(-1, 1))
        )
        .mean(axis=0)
        .round(1)
        .tolist(),
    }


def write_mixture(poses: np.ndarray) -> np.ndarray:
    """Fit a mixture of normal distributions and write it where `sample_angles` looks.

    Returns:
        Which poses belong to components that are held out, shape ``(n,)``.
    """
    poses = np.rad2deg(poses)
    _, label = kmeans2(poses, COMPONENTS, iter=60, minit="++", rng=np.random.default_rng(SEED))
    count = np.bincount(label, minlength=COMPONENTS)
    order = [k for k in np.argsort(-count, kind="stable") if count[k] >= 3]
    shared = OF_ALL * np.cov(poses.T) + np.diag(FLOOR**2)
    components = [
        {
            "poses": int(count[k]),
            "mean": poses[label == k].mean(axis=0).round(2).tolist(),
            "factor": np.linalg.cholesky(WIDER * np.cov(poses[label == k].T) + shared)[np.tril_indices(23)]
            .round(2)
            .tolist(),
        }
        for k in order
    ]
    held_out = list(range(HELD_OUT - 1, len(components), HELD_OUT))
    document = {
        "source": "learned from 2,336 tracked hand poses of Intel's hand-tracking samples (animbank.pose)",
        "licence": "Apache-2.0, as that of the poses",
        "order": "degrees: abduction 4, flexion 4 x 3 (MCP, PIP, DIP), thumb 5, wrist 2; see HandAngles",
        "factor": "lower triangle of the covariance's Cholesky factor, row by row",
        "held_out": held_out,
        "components": components,
    }
    with whole_file(LEARNED_POSES) as path:
        path.write_text(json.dumps(document, separators=(",", ":")) + "\n", encoding="utf-8")
    return np.isin(label, np.array(order)[held_out])


def flatten(angles: HandAngles) -> np.ndarray:
    return np.concatenate([getattr(angles, f.name).reshape(len(angles), -1) for f in fields(angles)], axis=-1)


def unflatten(poses: np.ndarray) -> HandAngles:
    abduction, flexion, thumb, wrist = np.split(poses, [4, 16, 21], axis=1)
    return HandAngles(abduction=abduction, flexion=flexion.reshape(-1, 4, 3), thumb=thumb, wrist=wrist)


def mixes() -> dict[str, PoseMix]:
    nothing = {field.name: 0.0 for field in fields(PoseMix)}
    return {
        "gestures and closing hands": PoseMix(**{**nothing, "gestures": 0.55, "closing": 0.45}),
        "all but learned": PoseMix(learned=0.0),
        "all": PoseMix(),
    }


def coverage(tracked: HandAngles, held_out: np.ndarray) -> dict[str, dict[str, float]]:
    """Measure how far tracked poses are from the nearest rendered ones."""
    joints = joints_of(tracked)
    results = {}
    for name, mix in mixes().items():
        distance = nearest(joints, joints_of(sample_angles(RENDERED, np.random.default_rng(1), mix=mix)))
        results[name] = summary(distance)
    # Poses of the components from which nothing was drawn.
    results["all, poses that are held out"] = summary(distance[held_out])
    return results


def summary(distance: np.ndarray) -> dict[str, float]:
    return {
        "mean, mm": round(float(distance.mean()), 2),
        "median, mm": round(float(np.median(distance)), 2),
        "90 %, mm": round(float(np.percentile(distance, 90)), 2),
        "worst, mm": round(float(distance.max()), 2),
    }


def joints_of(angles: HandAngles, shapes: HandShapes | None = None) -> np.ndarray:
    """Pose the mean hand: joints in the hand's frame, shape ``(n, 21, 3)``."""
    shapes = shapes or mean_shape().repeated(len(angles))
    return landmarks_to_joints(pose_hands(shapes, angles).landmarks, MSRA21)


def nearest(joints: np.ndarray, others: np.ndarray, candidates: int = 8) -> np.ndarray:
    """Return the mean distance of joints in mm to those of the nearest of other poses, shape ``(n,)``.

    Of the candidates that are nearest in the hand's frame the nearest after rigid alignment counts.
    """
    _, index = cKDTree(others.reshape(len(others), -1)).query(joints.reshape(len(joints), -1), candidates)
    distances = [np.linalg.norm(aligned(others[i], joints) - joints, axis=-1).mean(axis=-1) for i in index.T]
    return np.min(distances, axis=0)


def aligned(joints: np.ndarray, others: np.ndarray, by: slice | list[int] = slice(None)) -> np.ndarray:
    """Move hands rigidly onto others, shape ``(n, 21, 3)``, by some of their joints (Kabsch)."""
    here, there = joints[:, by].mean(axis=1, keepdims=True), others[:, by].mean(axis=1, keepdims=True)
    u, _, vt = np.linalg.svd((joints[:, by] - here).transpose(0, 2, 1) @ (others[:, by] - there))
    mirror = np.ones((len(joints), 1, 3))
    mirror[:, 0, 2] = np.linalg.det(u @ vt)
    return (joints - here) @ ((u * mirror) @ vt) + there


def compare_with_msra(stored: np.lib.npyio.NpzFile) -> dict[str, object]:
    """Compare rendered poses with draws from MSRA15's labels, both laid with their palms on the mean hand's."""
    palm = [MSRA21.index(f"{finger}_mcp") for finger in ("index", "middle", "ring", "little")] + [MSRA21.index("wrist")]
    rng = np.random.default_rng(0)
    draws = rng.normal(size=(2000, 63)) @ (stored["components"] * np.sqrt(stored["eigenvalues"].clip(0))[:, None])
    labels = (stored["mean_xyz"].reshape(-1) + draws).reshape(-1, 21, 3) * [1.0, -1.0, 1.0]  # y down: right-handed
    flat = joints_of(unflatten(np.zeros((1, 23))))
    # Their hand may be a left one: that one which bends its fingers to the side of ours.
    labels, chirality = max(
        ((hand, name) for hand, name in ((labels, "right"), (labels * [-1.0, 1.0, 1.0], "left"))),
        key=lambda pair: (aligned(pair[0], np.repeat(flat, len(labels), 0), palm)[:, MSRA21.tips].mean(axis=(0, 1)))[2],
    )
    labels = aligned(labels, np.repeat(flat, len(labels), axis=0), palm)
    spreads, distances = {}, {}
    for name, mix in mixes().items():
        ours = joints_of(sample_angles(RENDERED, np.random.default_rng(1), mix=mix))
        spreads[name] = spread(aligned(ours, np.repeat(flat, len(ours), axis=0), palm))
        distances[name] = summary(nearest(labels, ours))
    return {
        "hand": chirality,
        "spread, root of the summed variance of x, y and z": {"MSRA15's labels": spread(labels), **spreads},
        "nearest (draws from principal components are no poses of a hand with firm bones)": distances,
    }


def spread(joints: np.ndarray) -> dict[str, float]:
    each = np.sqrt(joints.var(axis=0).sum(axis=-1))
    tips = {MSRA21.joint_names[tip].replace("_", " "): round(float(each[tip]), 1) for tip in MSRA21.tips}
    return {"all joints, mm": round(float(each.mean()), 1), **tips}


if __name__ == "__main__":
    main()
