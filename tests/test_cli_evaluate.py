"""Evaluation and leaderboard from the command line, as a shell sees them."""

from __future__ import annotations

import csv
import json
import os
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner, Result

from keras_handpose import ICVL16, MSRA21, xyz_to_uvd
from keras_handpose.cameras import CAMERAS
from keras_handpose.cli import app
from keras_handpose.cli.evaluation_report import depth_reader
from keras_handpose.datasets import CropStore, Frame, LabelledFrames, write_labelled
from keras_handpose.evaluation import PROTOCOLS, GroundTruth, write_predictions

ICVL = PROTOCOLS["icvl"].camera
MSRA = CAMERAS["msra15"]


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": "150"})


def error_of(result: Result) -> str:
    stderr = result.stderr.strip()
    assert result.exit_code == 2 and stderr.startswith("Error: ") and "\n" not in stderr
    return stderr


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> Path:
    """Truth of 1596 ICVL hands, predictions 5 and 13 mm off, and the first sequence of the latter."""
    folder = tmp_path_factory.mktemp("results")
    truth = np.random.default_rng(0).uniform((-80, -80, 350), (80, 80, 450), (1596, 16, 3))
    missed = truth + [3, 4, 12]
    missed[1000:1010] = np.nan
    for name, joints_xyz in {
        "truth": truth,
        "near": truth + [0, 3, 4],
        "far": missed,
        "seq1": missed[:702],
    }.items():
        write_predictions(folder / f"{name}.txt", xyz_to_uvd(joints_xyz, ICVL), decimals=5)
    return folder


@pytest.fixture
def hands(tmp_path) -> list[Frame]:
    """Six frames with a palm and joints on it, the last of them without a hand."""
    v, u = np.mgrid[: MSRA.height, : MSRA.width]
    rng = np.random.default_rng(0)
    frames = []
    for i in range(6):
        depth = np.where(np.hypot(u - 160, v - 120) < 27, 400 + i, 0) * (i < 5)
        joints_xyz = rng.uniform((-40, -40, 395), (40, 40, 420), (21, 3))
        frame = Frame(depth=depth.astype(np.uint16), joints_xyz=joints_xyz, camera=MSRA, skeleton=MSRA21)
        frames.append(frame)
    return frames


# === evaluate ===


def test_the_command_line_of_the_readme(files, tmp_path):
    report = tmp_path / "report"
    result = run(
        *("evaluate", "--ground-truth", files / "truth.txt"),
        *("--predictions", files / "near.txt", files / "far.txt", "--skeleton", "icvl16"),
        *("--json", "--output", report),
    )
    assert result.exit_code == 0, result.stderr
    document = json.loads(result.stdout)
    assert list(document) == ["results"]
    near, far = document["results"]
    assert (near["name"], far["name"]) == ("near", "far")
    assert (near["frames"], far["frames"]) == (1596, 1596)
    assert (near["frames_missed"], far["frames_missed"]) == (0, 10)
    assert near["mean_error_mm"] == pytest.approx(5, abs=1e-3) and far["mean_error_mm"] == pytest.approx(13, abs=1e-3)
    assert near["camera"] == "icvl-evaluation"
    assert list(near["per_joint_error_mm"]) == list(ICVL16.joint_names)
    assert near["success_rate"]["thresholds_mm"][2:4] == [10, 15] and near["success_rate"]["worst_joint"][2:4] == [1, 1]
    assert far["success_rate"]["worst_joint"][2] == 0
    assert far["success_rate"]["worst_joint"][-1] == pytest.approx(1586 / 1596, abs=1e-4)
    assert "far missed 10 of 1,596 frames" in result.stderr

    assert sorted(os.listdir(report)) == ["curves.csv", "errors.png", "report.json"]
    written = json.loads((report / "report.json").read_text())
    assert written["results"] == document["results"]
    assert cv2.imread(str(report / "errors.png")).shape[1] > 1000
    with open(report / "curves.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert float(rows[40]["threshold_mm"]) == 20 and float(rows[40]["near worst_joint"]) == 1
    assert float(rows[-1]["far joint"]) == pytest.approx(1586 / 1596, abs=1e-4)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--predictions", "{0}/near.txt", "--predictions", "{0}/far.txt"],
        ["--predictions", "{0}/near.txt", "{0}/far.txt"],
        ["{0}/near.txt", "{0}/far.txt"],
    ],
)
def test_several_ways_to_name_predictions(files, arguments):
    result = run("evaluate", "--ground-truth", files / "truth.txt", *(a.format(files) for a in arguments))
    assert result.exit_code == 0
    lines = [line for line in result.stdout.splitlines() if " near " in line or " far " in line]
    assert len(lines) == 2
    assert " 5.00 " in lines[0] and " 13.00 " in lines[1]


@pytest.mark.parametrize("part", [["--subset", "icvl-seq1"], ["--frames", "0:702"]])
def test_a_part_of_the_frames(files, part):
    arguments = "evaluate", "--ground-truth", files / "truth.txt", "--predictions", files / "seq1.txt"
    assert "--subset icvl-seq1, or --frames 0:702" in error_of(run(*arguments))
    result = run(*arguments, *part, "--json")
    assert json.loads(result.stdout)["results"][0]["frames"] == 702


def test_names_tell_files_apart(files, tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        shutil.copy(files / "near.txt", tmp_path / folder / "result.txt")
    paths = tmp_path / "a" / "result.txt", tmp_path / "b" / "result.txt"
    result = run("evaluate", "--ground-truth", files / "truth.txt", *paths, "--json")
    assert [record["name"] for record in json.loads(result.stdout)["results"]] == ["a/result", "b/result"]


def test_options_change_what_is_read(files, tmp_path):
    rng = np.random.default_rng(1)
    truth = rng.uniform((-100, -100, 600), (100, 100, 800), (4, 36, 3))
    camera = PROTOCOLS["nyu"].camera
    write_predictions(tmp_path / "truth.txt", xyz_to_uvd(truth, camera), decimals=6)
    write_predictions(tmp_path / "mine.txt", truth * [1, -1, 1], decimals=6)
    result = run(
        *("evaluate", "--ground-truth", tmp_path / "truth.txt", tmp_path / "mine.txt", "--truth-order", "nyu36"),
        *("--axes", "x-yz", "--order", "0,3,6,9,12,15,18,21,24,25,27,30,31,32", "--without-centre-joint"),
        *("--thresholds", "1,2", "--up-to", 10, "--camera", "588.03,587.07,320,240", "--skeleton", "nyu14", "--json"),
    )
    assert result.exit_code == 0, result.stderr
    (record,) = json.loads(result.stdout)["results"]
    assert record["max_error_mm"] < 0.001 and len(record["per_joint_error_mm"]) == 13
    assert record["success_rate"]["thresholds_mm"] == [1, 2] and record["area_under_curve"]["up_to_mm"] == 10


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Name at least one result file"),
        (["a.weights.h5", "b.weights.h5"], "write --weights a.weights.h5 --weights b.weights.h5"),
        (["gone.txt"], "no result file gone.txt"),
        (["{0}/near.txt", "--skeleton", "icvl"], "`--skeleton` must be one of msra21"),
        (["{0}/near.txt", "--skeleton", "nyu14"], "fit icvl16: name that skeleton"),
        (["{0}/near.txt", "--frames", "5"], "FIRST:STOP"),
        (["{0}/near.txt", "--frames", "0:5", "--subset", "icvl-seq1"], "not both"),
        (["{0}/near.txt", "--subset", "seq1"], "icvl-seq1, icvl-seq2"),
        (["{0}/near.txt", "--camera", "icvl2"], "or one of msra15"),
        (["{0}/near.txt", "--camera", "1,2,3"], "fx,fy,cx,cy"),
        (["{0}/near.txt", "--thresholds", "many"], "`--thresholds` must be numbers"),
        (["{0}/near.txt", "--subjects", "P0"], "knows no subjects"),
        (["{0}/near.txt", "--frames-dir", "."], "--output"),
        (["{0}/near.txt", "--axes", "abc"], "`axes` must be"),
        (["{0}/near.txt", "--order", "reverse"], "`order` must be indices or one of nyu36"),
    ],
)
def test_evaluate_fails_in_one_line(files, arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = run("evaluate", "--ground-truth", files / "truth.txt", *(a.format(files) for a in arguments))
    assert message in error_of(result)
    assert not os.listdir(tmp_path)


# === Stores and frames ===


def test_a_crop_store_is_a_ground_truth(hands, tmp_path):
    frames = [
        Frame(
            depth=frame.depth,
            joints_xyz=frame.joints_xyz,
            camera=MSRA,
            skeleton=MSRA21,
            subject=f"P{i % 2}",
            path=f"{i}.png",
        )
        for i, frame in enumerate(hands)
    ]
    CropStore.from_frames(tmp_path / "store.h5", frames, workers=1).close()
    joints_uvd = np.array([xyz_to_uvd(frame.joints_xyz + [0, 3, 4], MSRA) for frame in frames])
    everything = write_predictions(tmp_path / "all.txt", joints_uvd, decimals=6)
    found = write_predictions(tmp_path / "found.txt", joints_uvd[:5], decimals=6)
    of_p1 = write_predictions(tmp_path / "p1.txt", joints_uvd[[1, 3]], decimals=6)
    for predictions, options, expected in (
        (everything, (), (6, 0)),
        (found, (), (6, 1)),
        (everything, ("--subjects", "P1"), (3, 0)),
        (everything, ("--subjects", "P1, P0"), (6, 0)),
        (of_p1, ("--subjects", "P1"), (3, 1)),
    ):
        result = run("evaluate", "--ground-truth", tmp_path / "store.h5", predictions, *options, "--json")
        assert result.exit_code == 0, result.stderr
        (record,) = json.loads(result.stdout)["results"]
        assert (record["frames"], record["frames_missed"]) == expected
        assert record["mean_error_mm"] == pytest.approx(5, abs=0.01) and record["skeleton"] == "msra21"
    wrong = run("evaluate", "--ground-truth", tmp_path / "store.h5", everything, "--subjects", "P9")
    assert "Its subjects are: P0, P1" in error_of(wrong)


def test_frames_are_drawn_with_both_skeletons(hands, tmp_path):
    folder = write_labelled(tmp_path / "frames", hands)
    names = LabelledFrames(folder).paths
    joints_xyz = np.array([frame.joints_xyz for frame in hands])
    truth = write_predictions(tmp_path / "truth.txt", xyz_to_uvd(joints_xyz, MSRA), image_paths=names)
    shifted = xyz_to_uvd(joints_xyz + [0, 0, 1] * np.array([4.0, 1.0, 3.0, 2.0, 9.0, 5.0])[:, None, None], MSRA)
    shifted[4] = np.nan
    mine, report = write_predictions(tmp_path / "mine.txt", shifted), tmp_path / "report"
    result = run("evaluate", "--ground-truth", truth, mine, "--frames-dir", folder, "--output", report)
    assert result.exit_code == 0, result.stderr
    assert sorted(os.listdir(report)) == ["curves.csv", "errors.png", "overlays.png", "report.json"]
    picture = cv2.imread(str(report / "overlays.png"))
    assert picture.shape[1] > 900 and len(np.unique(picture.reshape(-1, 3), axis=0)) > 50


def test_frames_are_found_in_three_ways(hands, tmp_path):
    folder = write_labelled(tmp_path / "frames", hands)
    names = LabelledFrames(folder).paths
    joints_xyz = np.array([frame.joints_xyz for frame in hands])
    truth = GroundTruth.of(joints_xyz, skeleton=MSRA21, camera=MSRA)
    backwards = GroundTruth.of(joints_xyz, skeleton=MSRA21, camera=MSRA, image_paths=names[::-1])
    for read_depth, order in (
        (depth_reader(truth, folder, None, None, None), [0, 1, 2, 3, 4, 5]),
        (depth_reader(truth.select((2, 4)), folder, None, None, None), [2, 3]),
        (depth_reader(truth, None, None, "frames", folder), [0, 1, 2, 3, 4, 5]),
        (depth_reader(backwards, folder, "depth16", None, None), [5, 4, 3, 2, 1, 0]),
        (depth_reader(backwards, None, None, "frames", folder), [5, 4, 3, 2, 1, 0]),
    ):
        for row, frame in enumerate(order):
            np.testing.assert_array_equal(read_depth(row), hands[frame].depth)
    (folder / names[0]).unlink()
    for arguments, message in (
        ((folder, None, None, None), "for each of 6 frames"),
        ((folder, "jpeg", None, None), "`--depth-format` must be one of depth16"),
        ((None, None, "frames", None), "--data-dir"),
    ):
        with pytest.raises(ValueError, match=message):
            depth_reader(truth, *arguments)


# === leaderboard ===


@pytest.mark.parametrize(("dataset", "frames"), [("msra15", "76,375"), ("icvl", "rotated copies"), ("nyu", "view 1")])
def test_the_leaderboard_says_what_must_agree(dataset, frames):
    result = run("leaderboard", dataset)
    assert result.exit_code == 0
    assert "Two figures compare only if these agree" in result.stdout and frames in result.stdout
    assert "centre" in result.stdout and "yours" not in result.stdout


def test_ones_own_error_finds_its_place():
    lines = run("leaderboard", "nyu", "--mean-error", 12.3).stdout.splitlines()
    place = next(i for i, line in enumerate(lines) if " yours " in line)
    assert "DeepPrior++" in lines[place - 1] and "12.238" in lines[place - 1] and "12.694" in lines[place + 1]


def test_a_report_finds_its_place(files, tmp_path):
    arguments = "evaluate", "--ground-truth", files / "truth.txt"
    run(*arguments, files / "far.txt", "--without-centre-joint", "--frames", "900:1596", "--output", tmp_path)
    result = run("leaderboard", "icvl", "--mine", tmp_path / "report.json")
    assert result.exit_code == 0
    assert [line for line in result.stdout.splitlines() if " far " in line and " 13 " in line]
    assert "far is of 696 frames; icvl's test set has 1596" in result.stderr
    assert "far missed 10 frames" in result.stderr and "leaves the centre joint out" in result.stderr
    assert "must be of nyu14" in error_of(run("leaderboard", "nyu", "--mine", tmp_path / "report.json"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["hands"], "`dataset` must be one of msra15, icvl, nyu"),
        (["nyu", "--mine", "gone.json"], "no report gone.json"),
        (["nyu", "--mine", "{0}/truth.txt"], "no report.json of `keras-handpose evaluate"),
        (["nyu", "--mine", "{0}"], "no report {0}"),
        (["nyu", "--mine", "{0}/words.json"], "or it is damaged"),
        (["nyu", "--mine", "{0}/missed.json"], "mean error of mine must be a number of mm"),
        (["nyu", "--mean-error", "nan"], "must be a number of mm"),
    ],
)
def test_leaderboard_fails_in_one_line(files, arguments, message):
    for name, mean in (("words", "far"), ("missed", None)):
        record = {"name": "mine", "mean_error_mm": mean, "skeleton": "nyu14", "frames": 8252}
        (files / f"{name}.json").write_text(json.dumps({"results": [record]}))
    message = message.format(files)
    assert message in error_of(run("leaderboard", *(argument.format(files) for argument in arguments)))
