"""Joints in a depth image of one's own camera, and a picture of them.

python examples/own_depth_image.py frame.png --fx 476 --fy 476 --cx 313.7 --cy 242.8 --depth-scale 0.125
"""

from __future__ import annotations

import argparse
from pathlib import Path

import keras_handpose as khp


def main(
    image: Path,
    *,
    lens: dict[str, float],
    depth_scale: float = 1.0,
    hand: str = "right",
    weights: str = "msra",
    picture: Path = Path("pose.png"),
) -> khp.Pose:
    """Find the hand, print its joints and draw them.

    Args:
        image: 16-bit PNG file, or another format of `khp.read_depth`.
        lens: fx, fy, cx, cy of the calibration in px.
        depth_scale: Millimetres in one unit of the image.
        hand: "right" or "left".
        weights: Preset or weight file.
        picture: Where to draw.
    """
    depth = khp.read_depth(image)
    height, width = depth.shape
    camera = khp.Camera(width=width, height=height, **lens)
    estimator = khp.HandPoseEstimator(weights, camera=camera, hand=hand, depth_scale=depth_scale)
    pose = estimator(depth)
    if not pose.found:
        raise SystemExit(f"No hand was found in {image} (evidence {pose.evidence:.2f}). Are scale and camera right?")
    print(f"{hand} hand, within 20 mm with a probability of {pose.score:.2f}")
    for name, (x, y, z) in zip(estimator.skeleton.joint_names, pose.joints_xyz, strict=True):
        print(f"{name:12} {x:7.1f} {y:7.1f} {z:7.1f} mm")
    khp.plot_pose(depth, pose).savefig(picture)
    return pose


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("image", type=Path)
    for name in ("fx", "fy", "cx", "cy"):
        parser.add_argument(f"--{name}", type=float, required=True, help="calibration, px")
    parser.add_argument("--depth-scale", type=float, default=1.0, help="mm in one unit of the image")
    parser.add_argument("--hand", choices=("right", "left"), default="right")
    given = vars(parser.parse_args())
    main(given.pop("image"), lens={name: given.pop(name) for name in ("fx", "fy", "cx", "cy")}, **given)
