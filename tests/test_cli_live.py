"""``keras-handpose live`` from sources that need no device to files."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from time import sleep

import numpy as np
import pytest
from typer.testing import CliRunner

from keras_handpose.cameras import CAMERAS
from keras_handpose.cli import app
from keras_handpose.evaluation import read_predictions


def run(*arguments: object, status: int = 0, command: str = "live") -> str:
    result = CliRunner().invoke(app, [command, *map(str, arguments)])
    assert result.exit_code == status, result.output
    return result.stdout if status == 0 else result.stderr


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    """A recording of a rendered hand, and what the command said of it."""
    folder = tmp_path_factory.mktemp("live") / "recording"
    said = run(
        "--source", "rendered", "--viewer", "none", "--frames", 6, "--no-realtime", "--record", folder, "--json"
    )  # fmt: skip
    return folder, json.loads(said)


def test_a_rendered_hand_is_followed_and_recorded(recording):
    folder, said = recording
    assert (said["frames"], said["dropped"], said["late"]) == (6, 0, 0) and said["found"] >= 5
    assert 0 < said["latency_p50_ms"] <= said["latency_max_ms"]
    assert len(list(folder.glob("frame_*.png"))) == 6
    assert read_predictions(folder / "predictions_right.txt").shape == (6, 21, 3)


def test_a_recording_is_live_again_and_gives_the_same_joints(recording, tmp_path):
    folder, _ = recording
    again = tmp_path / "again"
    run("--source", f"folder:{folder}", "--viewer", "none", "--no-realtime", "--record", again)
    first, second = (read_predictions(path / "predictions_right.txt") for path in (folder, again))
    np.testing.assert_allclose(first, second, atol=0.01)  # Times are kept to a microsecond.


def test_predict_reads_a_recordings_frames(recording, tmp_path):
    folder, _ = recording
    result = CliRunner().invoke(app, ["predict", str(folder), "--json"])
    assert result.exit_code == 0, result.output
    poses = json.loads(result.stdout)["poses"]
    recorded = read_predictions(folder / "predictions_right.txt")
    assert len(poses) == 6
    np.testing.assert_allclose(poses[0]["joints_uvd"], recorded[0], atol=0.01)  # The first one is not smoothed.

    alone = CliRunner().invoke(app, ["predict", str(sorted(folder.glob("*.png"))[0]), "--json"])
    assert json.loads(alone.stdout)["poses"] == poses[:1]


def test_a_recording_says_which_hand_it_shows(tmp_path):
    shared = ("--viewer", "none", "--no-realtime", "--frames", 2)
    run("--source", "rendered", "--hand", "left", *shared, "--record", tmp_path / "left")
    assert json.loads((tmp_path / "left" / "recording.json").read_text())["hands"] == ["left"]
    for options, hand in (((), "left"), (("--hand", "right"), "right")):
        said = json.loads(run(tmp_path / "left", "--json", *options, command="predict"))
        assert {pose["hand"] for pose in said["poses"]} == {hand}
    run("--source", f"folder:{tmp_path / 'left'}", *shared, "--record", tmp_path / "again")
    assert [path.name for path in (tmp_path / "again").glob("predictions_*")] == ["predictions_left.txt"]


def test_a_recording_of_both_hands_is_followed_as_such_and_predict_asks_for_one(recording, tmp_path):
    shared = ("--viewer", "none", "--no-realtime", "--frames", 2)
    both, again = tmp_path / "both", tmp_path / "again"
    run("--source", f"folder:{recording[0]}", "--hand", "both", *shared, "--record", both)
    run("--source", f"folder:{both}", "--facing", *shared, "--record", again)
    for folder in (both, again):
        assert json.loads((folder / "recording.json").read_text())["hands"] == ["right", "left"]
        assert len(list(folder.glob("predictions_*.txt"))) == 2
    said = " ".join(run(both, "--json", status=2, command="predict").split())
    assert "`--hand` is needed" in said and "a recording of both hands" in said and f"folder:{both}" in said
    said = json.loads(run(both, "--hand", "left", "--json", command="predict"))
    assert {pose["hand"] for pose in said["poses"]} == {"left"}


def test_a_recording_that_does_not_say_its_hand_is_of_a_right_one(recording, tmp_path):
    folder = shutil.copytree(recording[0], tmp_path / "old")
    record = json.loads((folder / "recording.json").read_text())
    del record["hands"]
    (folder / "recording.json").write_text(json.dumps(record))
    said = json.loads(run(folder, "--json", command="predict"))
    assert {pose["hand"] for pose in said["poses"]} == {"right"}


def test_predict_and_live_have_the_same_engines():
    from typer.main import get_command

    engines = [
        next(option for option in get_command(app).commands[name].params if option.name == "engine")
        for name in ("predict", "live")
    ]
    said = {(engine.default, engine.help, engine.show_default) for engine in engines}
    assert len(said) == 1 and said.pop()[0] is None


def test_the_labels_beside_frames_say_what_they_are(tmp_path):
    said = CliRunner().invoke(app, ["synth", str(tmp_path / "frames"), "--frames", "3", "--camera", "sr305",
                                    "--hand", "left", "--depth-scale", "0.125"])  # fmt: skip
    assert said.exit_code == 0, said.output
    shared = ("--source", f"folder:{tmp_path / 'frames'}", "--viewer", "none", "--no-realtime")
    run(*shared, "--record", tmp_path / "live")
    made = json.loads((tmp_path / "live" / "recording.json").read_text())
    assert (made["camera"]["name"], made["depth_scale"], len(made["frames"])) == ("sr305", 0.125, 3)
    assert (tmp_path / "live" / "predictions_left.txt").is_file()
    run(*shared, "--hand", "right", "--depth-scale", 0.2, "--record", tmp_path / "other")
    assert json.loads((tmp_path / "other" / "recording.json").read_text())["depth_scale"] == 0.2
    assert (tmp_path / "other" / "predictions_right.txt").is_file()
    (tmp_path / "frames" / "labels.json").write_text("{}")
    assert "With `--camera`, what the folder says is left out" in run(*shared, status=2)


def test_in_real_time_a_frame_is_used_or_dropped(recording):
    folder, _ = recording
    quick = json.loads(
        run("--source", f"folder:{folder}", "--viewer", "none", "--rate", 2000, "--json", "--engine", "litert")
    )
    assert quick["frames"] >= 1 and quick["frames"] + quick["dropped"] == 6


def test_both_hands_a_video_and_a_file_for_the_viewer(recording, tmp_path):
    folder, _ = recording
    pytest.importorskip("rerun", reason="rerun-sdk is not installed: pip install 'keras-handpose[live]'")
    run(
        "--source", f"folder:{folder}", "--hand", "both", "--viewer", "none", "--no-realtime", "--no-smooth",
        "--video", tmp_path / "hand.gif", "--rrd", tmp_path / "hand.rrd", "--record", tmp_path / "both",
    )  # fmt: skip
    assert (tmp_path / "hand.gif").stat().st_size > 1000 and (tmp_path / "hand.rrd").stat().st_size > 1000
    assert (tmp_path / "both" / "predictions_left.txt").is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--source", "webcam"), "realsense.*rendered.*Received: .*webcam"),
        (("--source", "rendered", "--facing"), "add --hand both"),
        (("--source", "rendered", "--video", "hand.avi"), "ends in .gif or .mp4"),
        (("--source", "folder:nowhere", "--camera", "sr305"), "nowhere"),
        (("--source", "rendered", "--depth-scale", -1), "`depth_scale` must be a positive number"),
        (("--source", "rendered", "--engine", "auto"), "'auto' is not one of 'keras'"),
        (("--source", "rendered", "--camera", "1,2,3"), "fx,fy,cx,cy,width,height in px. Received: '1,2,3': 3 numbers"),
    ],
)
def test_wrong_options_are_one_error(arguments, message, tmp_path):
    import re

    said = run(*arguments, "--viewer", "none", status=2)
    assert re.search(message, " ".join(said.split())) and "Traceback" not in said


def test_the_default_camera_of_the_rendered_hand_can_be_changed(tmp_path):
    folder = tmp_path / "icvl"
    run(
        "--source", "rendered", "--camera", "icvl", "--viewer", "none", "--frames", 1, "--no-realtime",
        "--record", folder,
    )  # fmt: skip
    camera = json.loads((folder / "recording.json").read_text())["camera"]
    assert camera["fx"] == CAMERAS["icvl"].fx


@pytest.mark.parametrize("end", ["SIGINT", "SIGTERM"])
def test_a_run_that_is_ended_has_whole_files(end, tmp_path):
    command = [sys.executable, "-m", "keras_handpose", "live", "--source", "rendered", "--viewer", "none"]
    process = subprocess.Popen(
        [*command, "--record", str(tmp_path / "mine"), "--video", str(tmp_path / "hand.gif")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while process.poll() is None and not (tmp_path / "mine" / "frame_000003.png").is_file():
        sleep(0.05)
    process.send_signal(getattr(signal, end))
    said, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    listed = json.loads((tmp_path / "mine" / "recording.json").read_text())["frames"]
    assert len(listed) == len(read_predictions(tmp_path / "mine" / "predictions_right.txt")) >= 4
    assert (tmp_path / "hand.gif").stat().st_size > 1000 and "frames" in said and "Wrote" in errors


def test_a_run_without_poses_ends_and_leaves_nothing(tmp_path):
    said = run(
        "--source", "rendered", "--viewer", "none", "--seconds", 0.5, "--latency-budget-ms", 0.01, "--json",
        "--record", tmp_path / "mine",
    )  # fmt: skip
    assert json.loads(said)["frames"] == 0
    assert not list((tmp_path / "mine").iterdir())
