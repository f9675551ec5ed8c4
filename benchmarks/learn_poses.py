"""Learn how hands are held from tracked poses, and measure what the rendered hand's poses cover.

    KERAS_HANDPOSE_TEST_DATA=FOLDER python benchmarks/learn_poses.py --output benchmarks/results/poses.json

The folder holds ``poses/animbank.pose``: 2,336 tracked poses of a right hand, one a line, 17 rigid bones of ``x y z``
in m and a quaternion ``x y z w``: forearm, palm, then three each of thumb, index, middle, ring and little finger
(Apache-2.0; they came with Intel's hand-tracking samples). In a bone's frame z points to its far end, x to the thumb's
side and -y out of the palm. Writes ``keras_handpose/synthetic/learned_poses.json`` anew, the same bits for the same
poses, and reports how far each tracked pose is from the nearest of 20,000 rendered ones.

Known fault: the thumb's hinge is not the x axis of its bones, so learned thumbs are bent and rolled wrongly.
"""

from __future__ import annotations

import argparse
import json
import os
from dataclasses import fields
from pathlib import Path

import numpy as np
from report import write_report
from scipy.cluster.vq import kmeans2
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from keras_handpose.files import whole_file
from keras_handpose.skeletons import MSRA21
from keras_handpose.synthetic import HandAngles, PoseMix, pose_hands, sample_angles
from keras_handpose.synthetic.anatomy import mean_shape
from keras_handpose.synthetic.poses import LEARNED_POSES

COMPONENTS = 48
RANK = 10
FLOOR = np.deg2rad(4.0)
SEED = 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, help="JSON file to write")
    arguments = parser.parse_args()
    if "KERAS_HANDPOSE_TEST_DATA" not in os.environ:
        parser.error("KERAS_HANDPOSE_TEST_DATA must name the folder with the poses.")
    data = Path(os.environ["KERAS_HANDPOSE_TEST_DATA"])

    bones = np.loadtxt(data / "poses" / "animbank.pose").reshape(-1, 17, 7)
    tracked = tracked_angles(bones)
    write_mixture(tracked)
    tree_free = {name: coverage(tracked, mix) for name, mix in mixes().items()}
    write_report(
        {
            "data": f"{len(bones):,} tracked poses; mean distance of 21 joints in mm in the hand's frame, mean shape",
            "rendered poses": 20_000,
            "results": {"nearest rendered pose": tree_free, "spread": spread(data / "msra_stats")},
        },
        arguments.output,
    )


def tracked_angles(bones: np.ndarray) -> HandAngles:
    """Read joint angles off rigid bones, shape ``(n, 17, 7)``."""
    n = len(bones)
    rotations = Rotation.from_quat(bones[..., 3:].reshape(-1, 4)).as_matrix().reshape(n, 17, 3, 3)
    # From the palm's frame (thumb's side, back, fingers) to ours (thumb's side, fingers, out of the palm).
    to_ours = np.array([[1.0, 0, 0], [0, 0, 1.0], [0, -1.0, 0]])
    in_palm = to_ours @ rotations[:, 1].transpose(0, 2, 1)
    along = np.einsum("nij,nbj->nbi", in_palm, rotations[..., 2])
    across = np.einsum("nij,nbj->nbi", in_palm, rotations[..., 0])

    first, middle, last = (along[:, 5 + k :: 3][:, :4] for k in range(3))
    sideways = across[:, 5::3][:, :4]
    abduction = np.arctan2(-sideways[..., 1], sideways[..., 0])
    forward = first[..., 0] * np.sin(abduction) + first[..., 1] * np.cos(abduction)
    mcp = np.arctan2(first[..., 2], forward)
    flexion = np.stack([mcp, _bend(first, middle, sideways), _bend(middle, last, sideways)], axis=-1)

    thumb = [along[:, 2 + k] for k in range(3)]
    azimuth = np.arctan2(thumb[0][:, 2], thumb[0][:, 0])
    splay = np.arccos(thumb[0][:, 1].clip(-1, 1))
    outwards = np.stack([np.cos(azimuth), 0 * azimuth, np.sin(azimuth)], -1)
    around = np.stack([-np.sin(azimuth), 0 * azimuth, np.cos(azimuth)], -1)
    pad = np.cross(across[:, 2], thumb[0])
    roll = np.arctan2((pad * around).sum(-1), -(pad * outwards).sum(-1))
    bends = [_bend(thumb[k], thumb[k + 1], across[:, 2 + k]) for k in range(2)]

    arm = along[:, 0]
    wrist = np.stack([-np.arcsin(arm[:, 2].clip(-1, 1)), np.arctan2(-arm[:, 0], arm[:, 1])], axis=-1)
    return HandAngles(
        abduction=abduction, flexion=flexion, thumb=np.stack([azimuth, splay, *bends, roll], axis=-1), wrist=wrist
    )


def _bend(near: np.ndarray, far: np.ndarray, across: np.ndarray) -> np.ndarray:
    """Return the angle from one bone to the next about the axis of flexion."""
    return np.arctan2((np.cross(near, far) * across).sum(-1), (near * far).sum(-1))


def write_mixture(tracked: HandAngles) -> None:
    """Fit a mixture of low-rank normal distributions and write it where `sample_angles` looks."""
    flat = flatten(tracked)
    rng = np.random.default_rng(SEED)
    _, label = kmeans2(flat, COMPONENTS, iter=50, minit="++", rng=rng)
    order = np.argsort(-np.bincount(label, minlength=COMPONENTS), kind="stable")
    components = []
    whole = np.cov(flat.T)
    for k in order:
        members = flat[label == k]
        if len(members) < 3:
            continue
        own = np.cov(members.T)
        values, vectors = np.linalg.eigh(0.85 * own + 0.05 * whole)
        factor = vectors[:, -RANK:] * np.sqrt(values[-RANK:].clip(0))
        components.append(
            {
                "poses": len(members),
                "mean": members.mean(axis=0).round(4).tolist(),
                "factor": factor.round(4).tolist(),
            }
        )
    document = {
        "source": "learned from 2,336 tracked hand poses of Intel's hand-tracking samples, Apache-2.0",
        "order": "radians: abduction 4, flexion 4 x 3 (MCP, PIP, DIP), thumb 5, wrist 2; see HandAngles",
        "floor": round(float(FLOOR), 4),
        "components": components,
    }
    with whole_file(LEARNED_POSES) as path:
        path.write_text(json.dumps(document) + "\n", encoding="utf-8")


def flatten(angles: HandAngles) -> np.ndarray:
    return np.concatenate([getattr(angles, f.name).reshape(len(angles), -1) for f in fields(angles)], axis=-1)


def mixes() -> dict[str, PoseMix]:
    nothing = {field.name: 0.0 for field in fields(PoseMix)}
    return {
        "gestures and closing hands": PoseMix(**{**nothing, "gestures": 0.5, "closing": 0.5}),
        "all but learned": PoseMix(learned=0.0),
        "all": PoseMix(),
    }


def coverage(tracked: HandAngles, mix: PoseMix) -> dict[str, float]:
    """Measure how far tracked poses are from the nearest rendered ones."""
    rendered = sample_angles(20_000, np.random.default_rng(1), mix=mix)
    distance = nearest(joints_of(tracked), joints_of(rendered))
    return {
        "median, mm": round(float(np.median(distance)), 1),
        "90 %, mm": round(float(np.percentile(distance, 90)), 1),
        "worst, mm": round(float(distance.max()), 1),
    }


def joints_of(angles: HandAngles) -> np.ndarray:
    """Pose the mean hand: joints in the hand's frame, shape ``(n, 63)``."""
    return pose_hands(mean_shape().repeated(len(angles)), angles).landmarks[:, : len(MSRA21)].reshape(len(angles), -1)


def nearest(joints: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return the mean distance of joints in mm to those of the nearest of other poses."""
    _, index = cKDTree(others).query(joints)
    return np.linalg.norm((joints - others[index]).reshape(len(joints), -1, 3), axis=-1).mean(axis=-1)


def spread(folder: Path) -> dict[str, float]:
    """Compare the spread of joints about their mean in camera space with that of MSRA15's labels."""
    from keras_handpose.synthetic import sample_poses

    stored = np.load(next(folder.glob("*.npz")))
    joints = stored["mean_xyz"].reshape(-1) + np.random.default_rng(0).normal(size=(20_000, 63)) @ (
        stored["components"] * np.sqrt(stored["eigenvalues"].clip(0))[:, None]
    )
    labels = joints.reshape(-1, 21, 3)
    ours = sample_poses(20_000, seed=3) * 125
    return {
        name: round(float(np.sqrt((poses - poses.mean(axis=1, keepdims=True)).var(axis=0).sum(axis=-1)).mean()), 1)
        for name, poses in (("MSRA15's labels, mm", labels), ("rendered poses, mm", ours))
    }


if __name__ == "__main__":
    main()
