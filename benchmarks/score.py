"""The score of poses: calibrated on rendered hands, and judged on others.

    python benchmarks/score.py msra --output benchmarks/results/score.json --plot docs/score.png --write-record

It is fitted to hands that neither training nor the benchmark has: crops, some of them cut as by the frame's border, and
whole frames, in which something else than the hand may be detected; and to what is detected in as many frames whose
hand was taken away. It is judged on other such hands of each kind, on the rendered benchmark and its slices, and on
other frames without a hand.
With ``--write-record`` the calibration goes into the weights' record, and into the preset's exported network.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from report import write_report
from whole_frames import AROUND, without_hands

import keras_handpose as khp
from keras_handpose.confidence import Confidence
from keras_handpose.datasets import LabelledCrops
from keras_handpose.engines import read_metadata, write_metadata
from keras_handpose.evaluation import (
    area_under_roc,
    fit_confidence,
    pose_errors,
    reliability,
    risk_coverage,
    score_poses,
)
from keras_handpose.files import whole_file
from keras_handpose.models.presets import Preset
from keras_handpose.models.weights import resolve, shipped_export
from keras_handpose.plotting.look import FAINT, GRID, GROUND, METHOD_COLOURS, STYLE
from keras_handpose.synthetic import (
    RIGS,
    SENSORS,
    SLICES,
    render_crops,
    rendered_slice,
    rendered_test_set,
    sample_scenes,
)
from keras_handpose.synthetic.studio import TAKE, Studio, Take

FIT_SEED, TEST_SEED = 530_001, 530_002
LIKE_FITTED, BENCHMARK, CUT, FRAMES = "like those it was fitted to", "benchmark", "cut", "whole frames"
NOTHING = "whole frames without a hand"
KEPT = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
THRESHOLDS = (0.25, 0.5, 0.75, 0.9)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", help="a preset or a weight file")
    parser.add_argument("--fit", type=int, default=10_000, help="crops to fit to")
    parser.add_argument("--test", type=int, default=5_000, help="other such crops to judge on")
    parser.add_argument(
        "--frames", type=int, default=1_120, help="whole frames to fit to, and to judge on, with a hand and without one"
    )
    parser.add_argument("--threshold", type=float, default=20.0, help="mean joint error in mm of a good pose")
    parser.add_argument("--workers", type=int, default=2, help="threads that render")
    parser.add_argument("--output", type=Path, help="JSON file to write")
    parser.add_argument("--plot", type=Path, help="picture to write")
    parser.add_argument("--write-record", action="store_true", help="write the calibration into the weights' record")
    arguments = parser.parse_args()

    weights, preset = resolve(arguments.weights)
    estimator = khp.HandPoseEstimator(arguments.weights, camera="msra15")
    layout = {"skeleton": estimator.skeleton, "cube": estimator.cube, "size": estimator.engine.crop_size}
    rendered = {**layout, "workers": arguments.workers}

    crops = render_crops(arguments.fit, seed=FIT_SEED, **rendered)
    eighth = crops.crops(np.arange(0, len(crops), 8))
    frames = in_whole_frames(estimator, arguments, FIT_SEED)[0]
    crops = joined(crops, cut(eighth, FIT_SEED), frames)
    others = in_frames_without_hand(estimator, arguments, FIT_SEED)
    data = (
        f"{arguments.fit} rendered crops, seed {FIT_SEED}, an eighth of them once more as the frame's border cuts "
        f"them, and what is found in {len(frames)} rendered frames with a hand and {len(others)} without one"
    )
    confidence = fit_confidence(
        crops,
        estimator.engine(crops.images),
        data=data,
        threshold_mm=arguments.threshold,
        without_hand=(others, estimator.engine(others.images)),
    )
    del crops

    test = render_crops(arguments.test, seed=TEST_SEED, **rendered)
    held_out = {name: value for name, value in rendered.items() if name != "size"}
    sets: dict[str, Callable[[], LabelledCrops]] = {
        LIKE_FITTED: lambda: test,
        CUT: lambda: cut(test, TEST_SEED),
        BENCHMARK: lambda: rendered_test_set(**held_out),
        **{f"{BENCHMARK}: {name}": lambda name=name: rendered_slice(name, **held_out) for name in SLICES},
    }
    scored = {}
    for name, render in sets.items():
        crops = render()
        joints_unit = estimator.engine(crops.images)
        scored[name] = score_poses(confidence, crops, joints_unit), pose_errors(crops, joints_unit)
    frames, evidence, missed = in_whole_frames(estimator, arguments, TEST_SEED)
    joints_unit = estimator.engine(frames.images)
    scored[FRAMES] = score_poses(confidence, frames, joints_unit), pose_errors(frames, joints_unit)

    results = {name: figures(*pair, arguments.threshold) for name, pair in scored.items()}
    results[FRAMES]["frames_missed"] = missed
    results[FRAMES]["area_under_roc_of_detection_evidence"] = round(
        area_under_roc(evidence, scored[FRAMES][1] <= arguments.threshold), 4
    )
    others = in_frames_without_hand(estimator, arguments, TEST_SEED)
    scores = score_poses(confidence, others, estimator.engine(others.images))
    results[NOTHING] = {
        "poses": len(scores),
        "mean_score": round(float(scores.mean()), 4),
        "from_score": {f"{least:g}": round(float((scores >= least).mean()), 4) for least in (0.1, *THRESHOLDS)},
    }
    report = {
        "weights": {"name": preset.name, "sha256": preset.sha256},
        "good": f"mean joint error of at most {arguments.threshold:g} mm",
        "confidence": confidence.to_dict(),
        "ms_a_frame": milliseconds(confidence, test, estimator),
        "results": results,
    }
    if arguments.plot is not None:
        plot(scored, results, arguments.threshold).savefig(arguments.plot)
    if arguments.write_record:
        write_record(weights, preset, confidence)
    write_report(report, arguments.output)


def cut(crops: LabelledCrops, seed: int) -> LabelledCrops:
    """Empty up to a half of every crop from one side, as where the frame ends."""
    rng, images = np.random.default_rng(seed), crops.images.copy()
    size = images.shape[1]
    for image in images:
        width = int(size * rng.uniform(0.1, 0.5))
        side = (slice(width), slice(size - width, None))[rng.integers(2)]
        image[(side,) if rng.random() < 0.5 else (slice(None), side)] = 1.0
    return replace(crops, images=images)


def in_whole_frames(
    estimator: khp.HandPoseEstimator, arguments: argparse.Namespace, seed: int
) -> tuple[LabelledCrops, np.ndarray, int]:
    """Return the crops of what is detected in frames of all rigs, the evidence for it, and how often nothing is.

    What is detected need not be the hand.
    """
    found, evidence, missed = [], [], 0
    for rig in RIGS.values():
        studio = Studio(
            camera=rig.camera,
            sensor=rig.sensor,
            distance=rig.distance,
            hand="right",
            skeleton=estimator.skeleton,
            seed=seed,
        )
        takes = -(-arguments.frames // (TAKE * len(RIGS)))
        shots = [Take(number=number, paths=("frame",) * TAKE) for number in range(takes)]
        for frame in studio.shoot_all(shots, arguments.workers):
            detection = khp.detect_hand(frame.depth, rig.camera, cube=estimator.cube, min_score=estimator.min_score)
            if not detection.found:
                missed += 1
                continue
            settings = {"cube": estimator.cube, "size": estimator.engine.crop_size}
            crop = khp.crop_hand(frame.depth, rig.camera, detection.centre_xyz, **settings)
            found.append((crop.image[..., None], crop.xyz_to_unit(frame.joints_xyz), detection.centre_xyz))
            evidence.append(detection.score)
    images, joints_unit, centres_xyz = (np.array(values) for values in zip(*found, strict=True))
    crops = LabelledCrops(
        images=images,
        joints_unit=joints_unit.astype(np.float32),
        centres_xyz=centres_xyz,
        cubes=np.full(len(images), estimator.cube),
        skeleton=estimator.skeleton,
    )
    return crops, np.array(evidence), missed


def in_frames_without_hand(estimator: khp.HandPoseEstimator, arguments: argparse.Namespace, seed: int) -> LabelledCrops:
    """Return the crops of what is detected in frames of all rigs whose hand was taken away. Their joints are NaN."""
    images, centres_xyz = [], []
    takes = -(-arguments.frames // (TAKE * len(RIGS)))
    for number, rig in enumerate(RIGS.values()):
        for take in range(takes):
            rng = np.random.default_rng([seed, number + 1, take + 1])
            scenes = without_hands(sample_scenes(TAKE, rng, rig.camera, distance=rig.distance, ingredients=AROUND))
            for i in range(TAKE):
                depth = scenes.shoot(i, rig.camera, SENSORS[rig.sensor], seed=int(rng.integers(2**63)))
                detection = khp.detect_hand(depth, rig.camera, cube=estimator.cube, min_score=estimator.min_score)
                if detection.found:
                    settings = {"cube": estimator.cube, "size": estimator.engine.crop_size}
                    images.append(khp.crop_hand(depth, rig.camera, detection.centre_xyz, **settings).image[..., None])
                    centres_xyz.append(detection.centre_xyz)
    return LabelledCrops(
        images=np.array(images),
        joints_unit=np.full((len(images), len(estimator.skeleton), 3), np.nan, np.float32),
        centres_xyz=np.array(centres_xyz),
        cubes=np.full(len(images), estimator.cube),
        skeleton=estimator.skeleton,
    )


def joined(*parts: LabelledCrops) -> LabelledCrops:
    """Return the crops of all parts."""
    names = ("images", "joints_unit", "centres_xyz", "cubes")
    return replace(parts[0], **{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})


def figures(scores: np.ndarray, errors: np.ndarray, threshold: float) -> dict[str, Any]:
    """Return what is reported of one set."""
    good = errors <= threshold
    coverage, risk = risk_coverage(scores, errors)
    best = risk[np.searchsorted(coverage, np.array(KEPT) - 1e-9)].round(2).tolist()
    return {
        "poses": len(scores),
        "mean_error_mm": round(float(errors.mean()), 2),
        "good": round(float(good.mean()), 4),
        "mean_score": round(float(scores.mean()), 4),
        "area_under_roc": round(area_under_roc(scores, good), 4),
        "reliability": reliability(scores, good),
        "mean_error_mm_of_best": {f"{share:.0%}": figure for share, figure in zip(KEPT, best, strict=True)},
        "from_score": {
            f"{least:g}": {
                "kept": round(float((scores >= least).mean()), 4),
                "good": round(float(good[scores >= least].mean()), 4),
                "mean_error_mm": round(float(errors[scores >= least].mean()), 2),
            }
            for least in THRESHOLDS
            if (scores >= least).any()
        },
    }


def milliseconds(confidence: Confidence, crops: LabelledCrops, estimator: khp.HandPoseEstimator) -> dict[str, float]:
    """Return the time of a score, and of `crop_hand` in turn with it for comparison."""
    camera, times = khp.CAMERAS["msra15"], []
    frame = np.zeros(camera.shape, np.float32)
    frame[80:160, 120:200] = 400
    cuts = [khp.crop_hand(frame, camera, (0, 0, 400), cube=estimator.cube, size=estimator.engine.crop_size)] * 200
    cuts = [replace(crop, image=image[..., 0]) for crop, image in zip(cuts, crops.images, strict=False)]
    poses = [crop.unit_to_xyz(joints.astype(float)) for crop, joints in zip(cuts, crops.joints_unit, strict=False)]
    for _ in range(10):
        for crop, joints_xyz in zip(cuts, poses, strict=True):
            start = time.perf_counter()
            confidence(crop, joints_xyz, estimator.skeleton)
            between = time.perf_counter()
            khp.crop_hand(frame, camera, (0, 0, 400), cube=estimator.cube, size=estimator.engine.crop_size)
            times.append((between - start, time.perf_counter() - between))
    quick, median = 1000 * np.percentile(times, (5, 50), axis=0)
    return {
        name: {"median": round(float(median[i]), 3), "5 %": round(float(quick[i]), 3)}
        for i, name in enumerate(("score", "crop_hand"))
    }


def write_record(weights: Path, preset: Preset, confidence: Confidence) -> None:
    """Write the calibration into the record beside the weights, and into the network that was exported of them."""
    record = weights.with_name(f"{preset.name}.json")
    if not record.is_file():
        raise SystemExit(f"There is no record at {record}. Pass the path of X.weights.h5, with X.json beside it.")
    with whole_file(record) as partial:
        partial.write_text(replace(preset, confidence=confidence).to_json(), encoding="utf-8")
    exported = shipped_export(preset.name)
    if exported is not None and exported.parent == record.parent:
        metadata = read_metadata(exported)
        if metadata.weights_sha256 == preset.sha256:
            write_metadata(exported, replace(metadata, confidence=confidence))


def plot(scored: dict[str, tuple[np.ndarray, np.ndarray]], results: dict[str, Any], threshold: float) -> Figure:
    """Draw how often poses of a score are good, and the error of those that are kept."""
    names = (LIKE_FITTED, BENCHMARK, CUT, FRAMES)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(10.0, 4.6), dpi=110, facecolor=GROUND)
        FigureCanvasAgg(figure)
        left, right = figure.subplots(1, 2, subplot_kw={"facecolor": GROUND})
        left.plot([0, 1], [0, 1], color=FAINT, lw=1, ls=":")
        for name, colour in zip(names, METHOD_COLOURS, strict=False):
            rows = [row for row in results[name]["reliability"]["bins"] if row["poses"] >= 20]
            left.plot(*([row[key] for row in rows] for key in ("mean_score", "good")), "o-", color=colour, ms=4, lw=1.4)
            coverage, risk = risk_coverage(*scored[name])
            shown = coverage >= 0.02
            right.plot(100 * coverage[shown], risk[shown], color=colour, lw=1.8, label=name)
        left.set(xlim=(0, 1), ylim=(0, 1), xlabel="score", ylabel=f"share with a mean error up to {threshold:g} mm")
        right.set(xlim=(0, 100), ylim=(0, None), xlabel="poses kept, those with the highest scores, %")
        right.set_ylabel("their mean error, mm")
        right.legend(frameon=False, fontsize=8, loc="upper left")
        for axes in (left, right):
            axes.grid(color=GRID, lw=0.6)
            axes.spines[:].set_color(GRID)
        figure.tight_layout()
    return figure


if __name__ == "__main__":
    main()
