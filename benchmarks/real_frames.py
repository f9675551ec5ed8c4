"""Hand detection on real frames of three sensors, and the joints of the one frame of which they are known.

    KERAS_HANDPOSE_TEST_DATA=FOLDER python benchmarks/real_frames.py --weights msra icvl nyu \\
        --output benchmarks/results/real_frames.json [--overlays FOLDER]

The folder holds ``hand_boxes.csv`` (file, left, top, right, bottom of the hand in px; empty where no hand is to be
seen), the frames it names in ``kinect2/`` and ``sr305/``, and in ``nyu/`` one frame with the pixels and depths of its
joints. The parameters of detection were chosen with the first two and rendered hands in view. The NYU
frame was looked at in between: the outline's weight was added after it had shown the centre too near to the wrist.

Of frames without joints, what can be said is how many of the predicted ones lie on the hand: at most 40 mm behind the
surface that their pixel shows, and at most 5 mm before it. Beside that are told how many lie within 60 mm of the
depth that their pixel shows, and how far these are before it. The Kinect v2 frames show left hands, or were taken in a
mirror, as that sensor's software gives them. With ``--overlays``, ``sheet_WEIGHTS.png`` shows all poses; what a person
saw there stands in ``benchmarks/looked_at.csv``, and is counted for the weights that were looked at.
"""

from __future__ import annotations

import argparse
import csv
import os
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from report import write_report

from keras_handpose.cameras import CAMERAS, Camera, uvd_to_xyz, xyz_to_uvd
from keras_handpose.estimator import HandPoseEstimator, Pose
from keras_handpose.evaluation import joint_errors
from keras_handpose.models import weights as weight_files
from keras_handpose.plotting import overlay_poses, plot_pose
from keras_handpose.preprocessing import Detection, check_depth, crop_hand, detect_hand, read_depth
from keras_handpose.skeletons import NYU14, convert_joints

NYU_EVALUATED = [0, 3, 6, 9, 12, 15, 18, 21, 24, 25, 27, 30, 31, 32]
"""Which of NYU's 36 joints are the 14 of `NYU14`."""

LOOKED_AT = Path(__file__).parent / "looked_at.csv"
"""Weights, the start of their SHA-256, a frame's file, and whether the skeleton lies on the fingers or is confused."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """A folder of frames that one camera took."""

    camera: Camera
    format: str = "depth16"
    depth_scale: float = 1.0
    cube: float = 250.0
    hand: str = "right"

    def read(self, path: Path) -> np.ndarray:
        return check_depth(read_depth(path, format=self.format), depth_scale=self.depth_scale, camera=self.camera)


SOURCES = {
    "kinect2": Source(camera=CAMERAS["kinect_v2"], hand="left"),
    "sr305": Source(camera=CAMERAS["sr305"], depth_scale=0.125),
    "nyu": Source(camera=CAMERAS["nyu"], format="nyu", cube=300.0),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, help="JSON file to write")
    parser.add_argument("--weights", nargs="*", default=(), help="presets or weights whose joints to look at")
    parser.add_argument("--overlays", type=Path, help="folder to draw what was found into")
    arguments = parser.parse_args()
    if "KERAS_HANDPOSE_TEST_DATA" not in os.environ:
        parser.error("KERAS_HANDPOSE_TEST_DATA must name the folder with the frames.")
    data = Path(os.environ["KERAS_HANDPOSE_TEST_DATA"])

    figures = {}
    for name, boxes in read_boxes(data / "hand_boxes.csv").items():
        figures[name] = boxes_figures(data, SOURCES[name], boxes, arguments.overlays)
    figures["nyu"] = nyu_figures(data / "nyu", SOURCES["nyu"], arguments.overlays)
    for weights in arguments.weights:
        tiles: list[np.ndarray] = []
        for name, boxes in read_boxes(data / "hand_boxes.csv").items():
            joints = joints_on_hands(data, SOURCES[name], boxes, weights, arguments.overlays, tiles)
            figures[name].setdefault("joints on the hand", {})[weights] = joints
        figures["nyu"].setdefault("joints", {})[weights] = nyu_joint_errors(data / "nyu", SOURCES["nyu"], weights)
        if arguments.overlays:
            draw_nyu(data / "nyu", SOURCES["nyu"], weights, arguments.overlays, tiles)
            write_sheet(arguments.overlays / f"sheet_{Path(weights).stem}.png", tiles)
    write_report({"data": "real frames, centre from detection", "results": figures}, arguments.output)


def read_boxes(path: Path) -> dict[str, dict[str, tuple[float, ...] | None]]:
    """Read left, top, right and bottom of the hand by folder and file; None where there is no hand."""
    boxes: dict[str, dict[str, tuple[float, ...] | None]] = {}
    with path.open(encoding="utf-8", newline="") as lines:
        for file, *box in csv.reader(line for line in lines if not line.startswith("file,")):
            boxes.setdefault(file.split("/")[0], {})[file] = tuple(map(float, box)) if all(box) else None
    return boxes


def boxes_figures(data: Path, source: Source, boxes: dict, overlays: Path | None) -> dict:
    inside, offsets, scores, empty = 0, [], [], {}
    for file, box in boxes.items():
        depth = source.read(data / file)
        detection = detect_hand(depth, source.camera, cube=source.cube)
        if overlays:
            draw(overlays / file.replace("/", "_"), depth, source, detection, box)
        if box is None:
            empty[file] = {"found": detection.found, "score": round(detection.score, 3)}
            continue
        left, top, right, bottom = box
        u, v, z = xyz_to_uvd(detection.centre_xyz, source.camera)
        inside += bool(left <= u <= right and top <= v <= bottom)
        scores.append(detection.score)
        middle_uvd = np.array([(left + right) / 2, (top + bottom) / 2, z])
        offsets.append(np.linalg.norm(detection.centre_xyz - uvd_to_xyz(middle_uvd, source.camera)))
    return {
        "frames with a hand": len(offsets),
        "centre inside the hand's box": inside,
        "centre to the box's middle, mm": {"mean": round(np.mean(offsets), 1), "max": round(np.max(offsets), 1)},
        "score": {"min": round(min(scores), 3), "mean": round(np.mean(scores), 3)},
        "frames without a hand": empty,
    }


def nyu_figures(folder: Path, source: Source, overlays: Path | None) -> dict:
    frame, depth, joints_xyz = read_nyu(folder, source)
    figures = {}
    for cube in (250.0, source.cube):
        detection = detect_hand(depth, source.camera, cube=cube)
        off = np.linalg.norm(detection.centre_xyz - joints_xyz.mean(axis=0))
        figures[f"cube {cube:.0f}"] = {
            "found": detection.found,
            "score": round(detection.score, 3),
            f"centre to the mean of {len(joints_xyz)} joints, mm": round(off, 1),
        }
    if overlays:
        draw(overlays / f"nyu_{frame.name}", depth, source, detection, None)
    return figures


def nyu_joint_errors(folder: Path, source: Source, weights: str) -> dict:
    """Compare the joints that both layouts have, in one frame; the layouts place them up to a cm apart."""
    _, depth, joints_xyz = read_nyu(folder, source)
    estimator = HandPoseEstimator(weights, camera=source.camera)
    figures = {}
    for title, centre_xyz in (("centre detected", None), ("centre of the true joints", joints_xyz.mean(axis=0))):
        predicted_xyz = estimator(depth, centre_xyz=centre_xyz).joints_xyz
        predicted_xyz = convert_joints(predicted_xyz, estimator.skeleton, NYU14)
        errors = joint_errors(predicted_xyz, joints_xyz[NYU_EVALUATED])
        known = np.isfinite(errors)
        names = [name for name, is_known in zip(NYU14.joint_names, known, strict=True) if is_known]
        figures[title] = {
            "comparable joints": len(names),
            "mean error, mm": round(errors[known].mean(), 1),
            "errors, mm": dict(zip(names, errors[known].round(1).tolist(), strict=True)),
        }
    return figures


def joints_on_hands(
    data: Path, source: Source, boxes: dict, weights: str, overlays: Path | None, tiles: list[np.ndarray]
) -> dict:
    """Say how many predicted joints lie on the hand that the frames show, and how high the poses score."""
    estimator = HandPoseEstimator(weights, camera=source.camera, hand=source.hand)
    shares, outlines, before, scores = [], [], [], []
    judged = read_judgements(weights)
    counts: dict[str, int] = {}
    empty = {}
    for file, box in boxes.items():
        depth = source.read(data / file)
        pose = estimator(depth)
        if box is None:
            empty[file] = {"found": pose.found, "score": round(pose.score, 3)}
            continue
        if overlays:
            draw_pose(overlays / f"{Path(weights).stem}_{file.replace('/', '_')}", depth, pose)
            tiles.append(tile(depth, pose, file))
        if file in judged:
            sure = " with a score above 0.9" if pose.score > 0.9 else ""
            counts[judged[file] + sure] = counts.get(judged[file] + sure, 0) + 1
        if not pose.found:
            shares.append(0.0)
            outlines.append(0.0)
            scores.append(pose.score)
            continue
        behind = behind_surface(depth, pose)
        shares.append(np.mean((behind < 40) & (behind > -5)))
        outlines.append(np.mean(abs(behind) < 60))
        # Joints beside the hand, before a wall, are before its surface too: that is not meant.
        before += np.maximum(-behind[abs(behind) < 60], 0.0).tolist()
        scores.append(pose.score)
    return {
        "frames": len(shares),
        "share of joints": {"mean": round(float(np.mean(shares)), 3), "least": round(float(min(shares)), 3)},
        "share within 60 mm of what their pixel shows": {
            "mean": round(float(np.mean(outlines)), 3),
            "least": round(float(min(outlines)), 3),
        },
        "these before the surface, mm": {
            "mean": round(float(np.mean(before)), 2),
            "95 %": round(float(np.percentile(before, 95)), 1),
            "greatest": round(float(max(before)), 1),
        },
        "score": {"mean": round(float(np.mean(scores)), 3), "least": round(float(min(scores)), 3)},
        **({"looked at": dict(sorted(counts.items()))} if counts else {}),
        **({"frames without a hand": empty} if empty else {}),
    }


def read_judgements(weights: str) -> dict[str, str]:
    """Return what was seen of these very weights, by file."""
    sha256 = weight_files.resolve(weights)[1].sha256
    with LOOKED_AT.open(encoding="utf-8", newline="") as lines:
        rows = [row for row in csv.DictReader(lines) if row["weights"] == weights]
    return {row["file"]: row["skeleton"] for row in rows if sha256.startswith(row["sha256"])}


def behind_surface(depth: np.ndarray, pose: Pose) -> np.ndarray:
    """Return how far joints are in mm behind the surface that their pixel shows; NaN where it shows none."""
    u, v, d = xyz_to_uvd(pose.joints_xyz, pose.camera).T
    rows, columns = v.round().astype(int), u.round().astype(int)
    is_in = (rows >= 0) & (rows < depth.shape[0]) & (columns >= 0) & (columns < depth.shape[1])
    shown = np.where(is_in, depth[rows.clip(0, depth.shape[0] - 1), columns.clip(0, depth.shape[1] - 1)], 0)
    return np.where(shown > 0, d - shown, np.nan)


def read_nyu(folder: Path, source: Source) -> tuple[Path, np.ndarray, np.ndarray]:
    """Return the frame's path, its depth in mm and its 36 joints in mm."""
    frame, joints = next(folder.glob("depth_*.png")), next(folder.glob("joint_uvd_*.txt"))
    return frame, source.read(frame), uvd_to_xyz(np.loadtxt(joints).reshape(-1, 3), source.camera)


def draw_nyu(folder: Path, source: Source, weights: str, overlays: Path, tiles: list[np.ndarray]) -> None:
    frame, depth, _ = read_nyu(folder, source)
    pose = HandPoseEstimator(weights, camera=source.camera)(depth)
    draw_pose(overlays / f"{Path(weights).stem}_nyu_{frame.name}", depth, pose)
    tiles.append(tile(depth, pose, f"nyu/{frame.name}"))


def draw_pose(path: Path, depth: np.ndarray, pose: Pose) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    plot_pose(depth, pose).savefig(path, dpi=60)


def tile(depth: np.ndarray, pose: Pose, name: str, *, edge: int = 330) -> np.ndarray:
    """Draw a pose over the part of its frame that its cube covers, or, without one, over the whole frame."""
    height, width = depth.shape
    left, top, size = 0, 0, max(height, width)
    if pose.crop is not None:
        size = int(1.1 * max(pose.crop.width, pose.crop.height))
        left = int(pose.crop.left + pose.crop.width / 2 - size / 2)
        top = int(pose.crop.top + pose.crop.height / 2 - size / 2)
    zoom = 2 * edge / size
    picture = overlay_poses(depth, [pose], width=round(zoom * width))
    padded = np.zeros((2 * edge, 2 * edge, 3), np.uint8)
    first_row, first_column = max(0, round(zoom * top)), max(0, round(zoom * left))
    part = picture[first_row : round(zoom * top) + 2 * edge, first_column : round(zoom * left) + 2 * edge]
    row, column = first_row - round(zoom * top), first_column - round(zoom * left)
    padded[row : row + part.shape[0], column : column + part.shape[1]] = part
    small = cv2.resize(padded, (edge, edge), interpolation=cv2.INTER_AREA)
    text = f"{name.split('/')[0]} {Path(name).stem[-12:]}  {pose.score:.2f}"
    cv2.putText(small, text, (6, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (255, 255, 255), 1, cv2.LINE_AA)
    return small


def write_sheet(path: Path, tiles: list[np.ndarray], *, columns: int = 6) -> None:
    tiles = [*tiles, *[np.zeros_like(tiles[0])] * (-len(tiles) % columns)]
    rows = [np.hstack(tiles[i : i + columns]) for i in range(0, len(tiles), columns)]
    cv2.imwrite(str(path), np.vstack(rows)[..., ::-1])


def draw(path: Path, depth: np.ndarray, source: Source, detection: Detection, box: tuple | None) -> None:
    """Draw a frame with the box and what was found, and the crop beside it."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, (frame, crop) = plt.subplots(1, 2, figsize=(11, 5), width_ratios=(2, 1), layout="constrained")
    shown = np.where(depth > 0, depth, np.nan)
    nearest = np.nanmin(shown)
    frame.imshow(shown, cmap="gray", vmin=nearest, vmax=nearest + 900)
    frame.set_title(f"{path.stem}: found {detection.found}, score {detection.score:.2f}")
    if box:
        left, top, right, bottom = box
        frame.plot([left, right, right, left, left], [top, top, bottom, bottom, top], color="tab:green")
    crop.set_axis_off()
    if detection.found:
        frame.plot(*xyz_to_uvd(detection.centre_xyz, source.camera)[:2], "+", color="tab:red", ms=16, mew=3)
        image = crop_hand(depth, source.camera, detection.centre_xyz, cube=source.cube).image
        crop.imshow(image, cmap="viridis_r", vmin=-1, vmax=1)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path.with_suffix(".png"), dpi=80)
    plt.close(figure)


if __name__ == "__main__":
    main()
