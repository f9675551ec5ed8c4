"""The command line, as a shell sees it: output, files, exit status."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner, Result

from keras_handpose import __version__
from keras_handpose.cli import app
from keras_handpose.cli.output import to_json
from keras_handpose.datasets import LabelledFrames
from keras_handpose.estimator import HandPoseEstimator, Pose
from keras_handpose.evaluation import joint_errors
from keras_handpose.models import weights as weight_files
from keras_handpose.skeletons import MSRA21


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": "120"})


def has_failed(result: Result, *, status: int = 2) -> bool:
    """Whether a command ended with this status and one line on stderr, not with a traceback."""
    stderr = result.stderr.strip()
    return (
        result.exit_code == status
        and isinstance(result.exception, SystemExit)
        and stderr.startswith("Error: ")
        and "\n" not in stderr
    )


def palm(width: int = 320, height: int = 240) -> np.ndarray:
    """A frame with a disc of a palm's size at 400 mm in its middle, for a focal length of 240 px."""
    v, u = np.mgrid[:height, :width]
    return np.where(np.hypot(u - width / 2, v - height / 2) < 27, 400, 0).astype(np.uint16)


@pytest.fixture
def frames(tmp_path) -> Path:
    """A folder with two good frames, one without a hand and two that are no depth frames."""
    folder = tmp_path / "frames"
    folder.mkdir()
    for name, image in {
        "a.png": palm(),
        "b.png": np.roll(palm(), 40, axis=1),
        "c.png": np.zeros((240, 320), np.uint16),
        "d.png": np.zeros((240, 320, 3), np.uint8),
        "e.png": palm(640, 480),
    }.items():
        assert cv2.imwrite(str(folder / name), image)
    return folder


# === The command ===


def test_help_names_every_command():
    result = run("--help")
    assert result.exit_code == 0
    assert all(
        f" {command} " in result.stdout
        for command in ("demo", "evaluate", "leaderboard", "predict", "synth", "train", "weights")
    )


def test_version():
    assert run("--version").stdout.strip() == __version__


@pytest.mark.parametrize("command", [[], ["weights"]])
def test_without_arguments_there_is_help(command):
    assert "Usage:" in run(*command).output


@pytest.mark.parametrize(
    "command",
    ["demo", "evaluate", "leaderboard", "predict", "weights", "weights list", "weights verify", "weights download"],
)
def test_every_command_explains_itself(command):
    result = run(*command.split(), "--help")
    assert result.exit_code == 0 and "Usage:" in result.stdout


# === predict ===


def test_predict_prints_the_joints_of_one_frame(frames, tiny_weights):
    result = run("predict", frames / "a.png", "--camera", "msra15", "--weights", tiny_weights)
    assert result.exit_code == 0
    expected = HandPoseEstimator(tiny_weights, camera="msra15")(palm())
    for name, (x, y, z) in zip(MSRA21.joint_names, expected.joints_xyz, strict=True):
        (line,) = (line for line in result.stdout.splitlines() if f" {name} " in line)
        assert all(f"{value:.1f}" in line for value in (x, y, z))


def test_predict_prints_nothing_but_json_if_asked(frames, tiny_weights):
    result = run("predict", frames / "a.png", "--camera", "241.42,241.42,160,120", "--weights", tiny_weights, "--json")
    assert result.exit_code == 0
    document = json.loads(result.stdout)
    assert document["joint_names"] == [*MSRA21.joint_names]
    (record,) = document["poses"]
    assert record["file"] == "a.png"
    pose = Pose.from_dict(record)
    expected = HandPoseEstimator(tiny_weights, camera="msra15")(palm())
    np.testing.assert_allclose(pose.joints_xyz, expected.joints_xyz, atol=1e-3)
    assert pose.camera.shape == (240, 320)


def test_predict_knows_hands_scales_and_formats(tmp_path, tiny_weights):
    frame = palm()[:, ::-1].astype(np.float32) / 1000
    np.save(tmp_path / "frame.npy", frame)
    nyu = np.zeros((*palm().shape, 3), np.uint8)
    nyu[..., 1], nyu[..., 0] = palm() >> 8, palm() & 255
    cv2.imwrite(str(tmp_path / "depth_1_0000001.png"), nyu)
    shared = ("--camera", "msra15", "--weights", tiny_weights, "--json")
    left = run("predict", tmp_path, *shared, "--format", "npy", "--depth-scale", 1000, "--hand", "left")
    by_suffix = run("predict", tmp_path / "frame.npy", *shared, "--depth-scale", 1000, "--hand", "left")
    assert by_suffix.stdout == left.stdout
    right = run("predict", tmp_path, *shared, "--format", "nyu")
    left, right = (Pose.from_dict(json.loads(result.stdout)["poses"][0]) for result in (left, right))
    assert (left.hand, left.depth_scale, right.hand) == ("left", 1000, "right")
    expected = HandPoseEstimator(tiny_weights, camera="msra15", hand="left", depth_scale=1000)(frame)
    np.testing.assert_allclose(left.joints_xyz, expected.joints_xyz, atol=1e-3)
    np.testing.assert_allclose(right.centre_xyz, (0, 0, 400), atol=2)


@pytest.mark.filterwarnings("ignore:A hand was found more than 2 m")  # Where the scale is said to be 1.
def test_predict_believes_the_labels_beside_the_frames(tmp_path, tiny_weights):
    run("synth", tmp_path, "--frames", 2, "--camera", "sr305", "--hand", "left", "--depth-scale", 0.125)
    for path in (tmp_path, tmp_path / "frame_000001.png"):
        result = run("predict", path, "--weights", tiny_weights, "--json")
        pose = Pose.from_dict(json.loads(result.stdout)["poses"][-1])
        assert (pose.camera.name, pose.depth_scale, pose.hand) == ("sr305", 0.125, "left")
    said = run("predict", tmp_path, "--weights", tiny_weights, "--json", "--hand", "right", "--depth-scale", 0.1)
    pose = Pose.from_dict(json.loads(said.stdout)["poses"][0])
    assert (pose.camera.name, pose.depth_scale, pose.hand) == ("sr305", 0.1, "right")

    labels = json.loads((tmp_path / "labels.json").read_text())
    labels[1]["depth_scale"] = 1
    (tmp_path / "labels.json").write_text(json.dumps(labels))
    mixed = run("predict", tmp_path, "--weights", tiny_weights)
    assert has_failed(mixed) and "the frames in" in mixed.stderr and "are in several units" in mixed.stderr
    given = run("predict", tmp_path, "--weights", tiny_weights, "--json", "--depth-scale", 0.125)
    assert Pose.from_dict(json.loads(given.stdout)["poses"][0]).hand == "left"
    labels[1]["file"] = "./frame_000001.png"
    (tmp_path / "labels.json").write_text(json.dumps(labels[1:]))
    for frame, scale in (("frame_000001.png", 1), ("frame_000000.png", 1)):  # The second one has no label of its own.
        alone = run("predict", tmp_path / frame, "--weights", tiny_weights, "--json")
        assert Pose.from_dict(json.loads(alone.stdout)["poses"][0]).depth_scale == scale


def test_predict_shows_errors_where_the_truth_lies_beside_the_frames(tmp_path, tiny_weights):
    run("synth", tmp_path, "--frames", 3)
    labels = LabelledFrames(tmp_path)
    estimator = HandPoseEstimator(tiny_weights, camera="msra15")
    poses = [estimator(frame.depth) for frame in labels]
    errors = [joint_errors(pose.joints_xyz, true).mean() for pose, true in zip(poses, labels.joints_xyz, strict=True)]
    of_all = run("predict", tmp_path, "--weights", tiny_weights).stdout
    assert f"mean error {np.nanmean(errors):.1f} mm" in of_all
    assert all(f"{error:.1f}" in of_all for error in errors if error == error)
    shown = [i for i, error in enumerate(errors) if error == error]
    alone = run("predict", tmp_path / labels.paths[shown[0]], "--weights", tiny_weights).stdout
    assert "error mm" in alone

    run("synth", tmp_path / "nyu", "--frames", 1, "--skeleton", "nyu14")
    assert "error" not in run("predict", tmp_path / "nyu", "--weights", tiny_weights).stdout


def test_predict_takes_the_centre_of_the_hand(frames, tiny_weights):
    known = run("predict", frames / "a.png", "--camera", "msra15", "--weights", tiny_weights, "--json",
                "--centre", "10,-5,410")  # fmt: skip
    pose = Pose.from_dict(json.loads(known.stdout)["poses"][0])
    expected = HandPoseEstimator(tiny_weights, camera="msra15")(palm(), centre_xyz=np.array([10.0, -5.0, 410.0]))
    np.testing.assert_allclose(pose.joints_xyz, expected.joints_xyz, atol=1e-3)
    np.testing.assert_allclose(pose.centre_xyz, (10, -5, 410), atol=1e-3)


def test_predict_leaves_out_labels_of_others_where_the_camera_is_given(frames, tiny_weights):
    (frames / "labels.json").write_text("{}")
    frame = frames / "a.png"
    failed = run("predict", frame, "--weights", tiny_weights)
    assert has_failed(failed) and "With `--camera`, what the folder says is left out" in failed.stderr
    result = run("predict", frame, "--weights", tiny_weights, "--camera", "240,240,160,120,320,240")
    assert result.exit_code == 0 and "Left out what the folder says" in result.stderr


def test_predict_does_a_folders_good_frames_and_reports_the_bad_ones(frames, tmp_path, tiny_weights):
    output = tmp_path / "out"
    result = run("predict", frames, "--camera", "msra15", "--weights", tiny_weights, "--output", output)
    assert result.exit_code == 1
    assert "Hands in 2 of 3 frames" in result.stdout and "no hand" in result.stdout
    assert [line[:13] for line in result.stderr.splitlines() if "Error" in line] == ["Error: d.png:", "Error: e.png:"]
    other = run("predict", frames, "--camera", "sr305", "--weights", tiny_weights)
    of_another_size, damaged = sorted(line for line in other.stderr.splitlines() if "Error" in line)
    assert "a.png and 2 more frames" in of_another_size and "d.png: " in damaged
    assert sorted(os.listdir(output)) == ["a.pose.png", "b.pose.png", "c.pose.png", "poses.json"]
    records = json.loads((output / "poses.json").read_text())["poses"]
    assert [(record["file"], record["found"]) for record in records] == [
        ("a.png", True),
        ("b.png", True),
        ("c.png", False),
    ]
    assert cv2.imread(str(output / "a.pose.png")).shape[1] > 1000


def test_predict_may_write_beside_the_frames_and_run_again(frames, tiny_weights):
    for name in ("b.png", "c.png", "d.png", "e.png"):
        (frames / name).unlink()
    before = (frames / "a.png").read_bytes()
    for _ in range(2):
        result = run("predict", frames, "--camera", "msra15", "--weights", tiny_weights, "--output", frames)
        assert result.exit_code == 0
    assert (frames / "a.png").read_bytes() == before
    assert len(json.loads((frames / "poses.json").read_text())["poses"]) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.png", "--camera", "msra15"], "no depth file or folder"),
        (["nowhere"], "no depth file or folder 'nowhere'"),
        (["{frames}/d.png", "--camera", "msra15"], "not a 16-bit depth image"),
        (["{frames}/e.png", "--camera", "msra15"], "640 x 480"),
        (["{frames}/a.png", "--camera", "kinect2"], "Did you mean 'kinect_v2'?"),
        (["{frames}/a.png"], "no labels.json, which say what camera"),
        (["{frames}/a.png", "--camera", "1,2,3"], "or fx,fy,cx,cy[,width,height] in px"),
        (["{frames}/a.png", "--camera", "1,1,3,3,320.5,240"], "320.5"),
        (["{frames}/a.png", "--camera", "0,0,0,0"], "`fx` and `fy` must be positive"),
        (["{frames}/a.png", "--camera", "msra15", "--depth-scale", "-1"], "`depth_scale` must be"),
        (["{frames}", "--camera", "msra15", "--format", "npy"], r"looked for *.npy"),
        (["{frames}", "--camera", "msra15", "--centre", "0,0,400"], "`--centre` is of one frame"),
        (["{frames}/a.png", "--camera", "msra15", "--centre", "0,0"], "`--centre` must be x,y,z in mm"),
        (["{frames}/a.png", "--camera", "msra15", "--centre", "0,0,near"], "not all of it is numbers"),
        (["{frames}/a.png", "--camera", "msra15", "--centre", "0,0,-400"], "centre"),
    ],
)
def test_predict_fails_in_one_line(frames, tiny_weights, arguments, message):
    result = run("predict", *(argument.format(frames=frames) for argument in arguments), "--weights", tiny_weights)
    assert has_failed(result) and message in result.stderr


def test_unknown_weights_are_one_line(frames):
    result = run("predict", frames / "a.png", "--camera", "msra15", "--weights", "no-such-preset")
    assert has_failed(result) and "no-such-preset" in result.stderr


def test_what_the_shell_gets_wrong_is_usage():
    assert run("predict", "x.png").exit_code == 2
    assert run("predict", "x.png", "--camera", "msra15", "--hand", "both").exit_code == 2


# === demo ===


def test_the_demo_runs_on_the_frames_of_the_package(tmp_path, tiny_weights, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = run("demo", "--weights", tiny_weights)
    assert result.exit_code == 0
    assert all(f" {name} " in result.stdout for name in MSRA21.joint_names)
    assert sorted(os.listdir(tmp_path)) == ["pose.json", "pose.png"]
    records = json.loads(Path("pose.json").read_text())["poses"]
    assert len(records) >= 3 and {record["hand"] for record in records} == {"right", "left"}
    for record in records:
        pose = Pose.from_dict(record)
        assert pose.found and record["mean_error"] > 0
        assert f"{record['mean_error']:.1f}" in result.stdout
    assert cv2.imread("pose.png").shape[0] > 400 * len(records)


# === weights ===


@pytest.fixture
def presets(tiny_weights, tmp_path, monkeypatch):
    """One preset, whose file is on this machine, and an empty cache."""
    monkeypatch.setattr(weight_files, "_shipped_folder", lambda: tiny_weights.parent)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    return tiny_weights.parent


def test_weights_are_listed(presets):
    result = run("weights", "list")
    assert result.exit_code == 0
    assert all(word in result.stdout for word in ("tiny", "msra21", "250", "nothing: random weights", "yes"))


def test_weights_are_verified(presets, tmp_path):
    assert "tiny.weights.h5 is whole" in run("weights", "verify").stdout
    assert "tiny.weights.h5 is whole" in run("weights", "verify", presets / "tiny.weights.h5").stdout
    for name in ("tiny.json", "tiny.weights.h5"):
        (tmp_path / name).write_bytes((presets / name).read_bytes())
    with (tmp_path / "tiny.weights.h5").open("r+b") as file:
        file.write(b"broken")
    result = run("weights", "verify", tmp_path / "tiny.weights.h5", "tiny")
    assert has_failed(result) and "SHA-256" in result.stderr
    assert "tiny.weights.h5 is whole" in result.stdout


def test_weights_are_downloaded(presets, tmp_path, monkeypatch):
    assert f"tiny is at {presets / 'tiny.weights.h5'}" in run("weights", "download", "tiny").stdout
    elsewhere = tmp_path / "records"
    elsewhere.mkdir()
    (elsewhere / "tiny.json").write_bytes((presets / "tiny.json").read_bytes())
    monkeypatch.setattr(weight_files, "_shipped_folder", lambda: elsewhere)
    assert run("weights", "verify").stdout.strip() == "tiny is not on this machine."
    assert has_failed(run("weights", "download", "tiny", "--address", tmp_path / "nowhere"))
    result = run("weights", "download", "tiny", "--address", presets)
    assert result.exit_code == 0
    assert (tmp_path / "keras_handpose" / "tiny.weights.h5").is_file()
    assert has_failed(run("weights", "download", "other"))


# === Output ===


def test_json_keeps_arrays_on_a_line_and_strings_as_they_are():
    document = {"a": [[1.5, None], [2, 3]], "b": "x [\n 1 ]", "c": [], "d": ["e", "f"]}
    text = to_json(document)
    assert json.loads(text) == document
    assert "[ 1.5, null ]" in text or "[1.5, null]" in text


def test_a_real_process_says_what_matters_in_a_line_each(tmp_path, tiny_weights):
    for name, image in (("a.png", palm()), ("in_metres.png", (palm() > 0).astype(np.uint16))):
        cv2.imwrite(str(tmp_path / name), image)
    arguments = ["predict", tmp_path, "--camera", "msra15", "--weights", tiny_weights, "--json"]
    command = [sys.executable, "-m", "keras_handpose", *map(str, arguments)]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("TF_CPP")}
    result = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment)
    assert result.returncode == 0
    assert [pose["found"] for pose in json.loads(result.stdout)["poses"]] == [True, False]
    trained, scored, warned = result.stderr.splitlines()
    assert scored.startswith("tiny: no calibrated score")
    assert trained == "tiny: trained on nothing: random weights"
    assert warned.startswith("Warning: Almost all depth in this frame is nearer than 20 mm")
