"""Preparing a dataset: the same store whatever happens in between, and no half of one."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import filelock
import numpy as np
import pytest
from palms import blank_frame, palm_frame
from typer.testing import CliRunner

from keras_handpose.cli import app
from keras_handpose.datasets import CUSTOMARY_CUBES, MSRA15, CropStore, preparation, prepare, write_msra15
from keras_handpose.evaluation import GroundTruth

GESTURES = ("1", "TIP")
FRAMES = [
    blank_frame(path=f"P{s}/1/") if (s, i) == (1, 2) else palm_frame(10 * s + i, path=f"P{s}/{GESTURES[i // 4]}/")
    for s in (0, 1, 8)
    for i in range(6)
]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(preparation.__file__).parents[2])}


@pytest.fixture
def dataset(tmp_path) -> MSRA15:
    return MSRA15(write_msra15(tmp_path / "msra15", FRAMES))


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    """Parts of four frames, in threads; other processes have the usual ones."""
    monkeypatch.setattr(preparation, "_PART", 4)


def cut(dataset: MSRA15, i: int) -> bytes:
    path = dataset.folder / dataset.paths[i]
    content = path.read_bytes()
    path.write_bytes(content[:-9])
    return content


def test_a_dataset_is_prepared(dataset, tmp_path):
    done = []
    store = prepare(dataset, tmp_path / "crops.h5", workers=1, progress=done.append)
    assert done == [0, 4, 8, 12, 16, 18] and sorted(os.listdir(tmp_path)) == ["crops.h5", "msra15"]
    assert store.paths.tolist() == list(dataset.paths) and store.subjects.tolist() == dataset.subjects.tolist()
    np.testing.assert_array_equal(store.joints_xyz, dataset.joints_xyz)
    assert np.flatnonzero(~store.found).tolist() == [8]
    camera = dataset.camera
    assert (store.cameras == [320, 240, camera.fx, camera.fy, camera.cx, camera.cy]).all()
    expected = {"dataset": dataset.describe(), "folder": str(dataset.folder), "centre": "com", "cube": 250.0}
    assert expected.items() <= store.settings.items() and store.settings["bad_frames"] == []


def test_the_store_is_the_same_after_an_interruption(dataset, tmp_path):
    expected = prepare(dataset, tmp_path / "at_once.h5", workers=1).path.read_bytes()

    def interrupt(done: int) -> None:
        if done >= 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare(dataset, tmp_path / "resumed.h5", workers=1, progress=interrupt)
    assert not (tmp_path / "resumed.h5").exists()
    time.sleep(1.1)  # No time is written anywhere.
    done = []
    assert prepare(dataset, tmp_path / "resumed.h5", workers=1, progress=done.append).path.read_bytes() == expected
    assert done[0] >= 8


@pytest.mark.slow
def test_processes_make_the_same_store(tmp_path, monkeypatch):
    monkeypatch.undo()
    frames = [palm_frame(i, path=f"P{i % 9}/1/") for i in range(60)] * 10
    dataset = MSRA15(write_msra15(tmp_path / "msra15", frames))
    alone = prepare(dataset, tmp_path / "alone.h5", workers=1)
    together = prepare(dataset, tmp_path / "together.h5", workers=3)
    assert alone.path.read_bytes() == together.path.read_bytes()


def test_a_finished_store_is_left_as_it_is(dataset, tmp_path):
    path = tmp_path / "crops.h5"
    prepare(dataset, path, workers=1)
    written = path.stat().st_mtime_ns
    assert len(prepare(dataset, path)) == 18 and path.stat().st_mtime_ns == written
    with pytest.raises(FileExistsError, match=r"cube 250.0, now 200.0\. Delete it, or name another"):
        prepare(dataset, path, cube=200)
    with pytest.raises(FileExistsError, match="there already"):
        CropStore.from_frames(path, FRAMES)


def test_own_recordings_cannot_be_told_apart(tmp_path):
    path = tmp_path / "mine.h5"
    CropStore.from_frames(path, FRAMES[:2])
    with pytest.raises(FileExistsError, match="of frames that cannot be compared"):
        CropStore.from_frames(path, FRAMES[:2])
    left_over = tmp_path / "new.h5.partial" / "000000000.npz"
    left_over.parent.mkdir()
    left_over.write_bytes(b"of other frames")
    assert len(CropStore.from_frames(tmp_path / "new.h5", FRAMES[2:5])) == 3


def test_an_interrupted_run_goes_on_with_its_own_settings_only(dataset, tmp_path):
    content = cut(dataset, 17)
    path = tmp_path / "crops.h5"
    with pytest.raises(ValueError, match="Frame 17 cannot be cropped"):
        prepare(dataset, path, workers=1)
    with pytest.raises(FileExistsError, match=r"crops.h5.partial is there already.*size 128, now 64"):
        prepare(dataset, path, size=64)
    (dataset.folder / dataset.paths[17]).write_bytes(content)
    assert prepare(dataset, path, workers=1).size == 128


@pytest.mark.parametrize("damage", ["cut", "missing"])
def test_a_bad_frame_stops_or_is_passed_over(dataset, tmp_path, damage):
    path, frame = tmp_path / "crops.h5", dataset.folder / dataset.paths[6]
    content = cut(dataset, 6)
    if damage == "missing":
        frame.unlink()
    with pytest.raises((ValueError, OSError), match=rf"Frame 6 .*{dataset.paths[6]}.*What was done is kept") as raised:
        prepare(dataset, path, workers=1)
    assert isinstance(raised.value, OSError) == (damage == "missing")
    assert not path.exists() and (tmp_path / "crops.h5.partial" / "000000000.npz").exists()

    with prepare(dataset, tmp_path / "skipping.h5", workers=1, skip_bad=True) as skipping:
        assert np.flatnonzero(~skipping.found).tolist() == [6, 8]
        [bad] = skipping.settings["bad_frames"]
        assert (bad["frame"], bad["path"]) == (6, dataset.paths[6]) and dataset.paths[6] in bad["problem"]
        np.testing.assert_array_equal(skipping.joints_xyz, dataset.joints_xyz)
        truth = GroundTruth.read(skipping.path)  # A frame that could not be read is one that a method misses.
        assert len(truth) == len(dataset) and len(truth.cameras) == 1

        frame.write_bytes(content)
        with prepare(dataset, path, workers=1) as mended:
            assert np.flatnonzero(~mended.found).tolist() == [8]
            expected = skipping.crops(np.array([7])).images
            np.testing.assert_array_equal(mended.crops(np.array([7])).images, expected)


def test_passing_over_bad_frames_may_begin_late(dataset, tmp_path):
    """As the error says, the same call goes on when it is told to skip them; but it never stops skipping."""
    path = tmp_path / "crops.h5"
    cut(dataset, 6)
    with pytest.raises(ValueError, match="What was done is kept"):
        prepare(dataset, path, workers=1)
    assert len(prepare(dataset, path, workers=1, skip_bad=True).settings["bad_frames"]) == 1
    with pytest.raises(FileExistsError, match="skip_bad True, now False"):
        prepare(dataset, path, workers=1)


def test_an_output_must_not_be_a_folder(dataset, tmp_path):
    with pytest.raises(IsADirectoryError, match="which is a folder"):
        prepare(dataset, tmp_path, workers=1)


def test_joints_in_metres_are_noticed(tmp_path):
    frames = [replace(palm_frame(i), joints_xyz=palm_frame(i).joints_xyz / 1000) for i in range(3)]
    with pytest.raises(ValueError, match="not at the labelled joints.*Check the joints"):
        prepare(frames, tmp_path / "mine.h5")
    assert not (tmp_path / "mine.h5").exists()


def test_a_damaged_part_is_made_again(dataset, tmp_path):
    cut_content, path = cut(dataset, 17), tmp_path / "crops.h5"
    with pytest.raises(ValueError):
        prepare(dataset, path, workers=1)
    (dataset.folder / dataset.paths[17]).write_bytes(cut_content)
    part = tmp_path / "crops.h5.partial" / "000000004.npz"
    part.write_bytes(part.read_bytes()[:-50])
    with pytest.raises(OSError, match="000000004.npz was damaged and is deleted"):
        prepare(dataset, path, workers=1)
    assert prepare(dataset, path, workers=1).found.sum() == 17


def test_two_at_once_do_not_mix(dataset, tmp_path):
    folder = tmp_path / "crops.h5.partial"
    folder.mkdir()
    with filelock.FileLock(folder / "lock"), pytest.raises(OSError, match="Another process is preparing"):
        prepare(dataset, tmp_path / "crops.h5")


def test_centres_may_be_given(dataset, tmp_path):
    centres_xyz = dataset.joints_xyz.mean(axis=1).astype(float) + 3
    centres_xyz[4] = np.nan
    store = prepare(dataset, tmp_path / "given.h5", centre=centres_xyz, centre_name="mine.txt", workers=1)
    np.testing.assert_array_equal(store.centres_xyz, centres_xyz)
    assert np.flatnonzero(~store.found).tolist() == [4] and store.settings["centre"] == "mine.txt"
    truth = prepare(dataset, tmp_path / "truth.h5", centre="ground-truth", workers=1)
    np.testing.assert_allclose(truth.centres_xyz, dataset.joints_xyz.astype(float).mean(axis=1))
    assert truth.found.all()


@pytest.mark.parametrize(
    ("cube", "expected"),
    [
        (180, [180] * 18),
        (np.arange(200, 218), np.arange(200, 218)),
        (CUSTOMARY_CUBES["msra15"], [200] * 12 + [150] * 6),
    ],
    ids=["one", "one a frame", "one a subject"],
)
def test_cubes(dataset, tmp_path, cube, expected):
    store = prepare(dataset, tmp_path / "crops.h5", cube=cube, size=16, workers=1)
    np.testing.assert_array_equal(store.cubes, expected)
    assert len(prepare(dataset, tmp_path / "crops.h5", cube=cube, size=16)) == 18


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"centre": "mcp"}, "com, ground-truth, or centres in mm. Received: 'mcp'"),
        ({"centre": np.zeros((17, 3))}, r"shape \(18, 3\). Received: shape \(17, 3\)"),
        ({"centre": np.full((18, 3), [0.0, 300.0, 400.0])}, "not at the labelled joints.*which way y points"),
        ({"cube": 0}, "positive edges in mm"),
        ({"cube": [250.0] * 17}, r"one a frame. Received: shape \(17,\)"),
        ({"cube": {"P0": 200}}, "cube for every subject; there are those of P0. Received: 'P1, P8'"),
        ({"size": 0}, "`size` must be a whole number"),
        ({"size": 64.0}, "`size` must be a whole number"),
        ({"workers": 0}, "`workers` must be a whole number, at least 1. Received: workers=0"),
    ],
)
def test_wrong_arguments_leave_nothing_behind(dataset, tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        prepare(dataset, tmp_path / "crops.h5", **options)
    assert os.listdir(tmp_path) == ["msra15"]


def test_own_recordings_must_be_labelled_frames_of_one_layout(tmp_path):
    with pytest.raises(ValueError, match="no frames"):
        CropStore.from_frames(tmp_path / "crops.h5", [])
    unlabelled = blank_frame()
    unlabelled.joints_xyz[3] = np.nan
    with pytest.raises(ValueError, match="Frame 1 cannot be cropped: its joints are not finite"):
        CropStore.from_frames(tmp_path / "crops.h5", [FRAMES[0], unlabelled])
    store = CropStore.from_frames(tmp_path / "crops.h5", [FRAMES[0], unlabelled], skip_bad=True)
    assert store.found.tolist() == [True, False] and np.isnan(store.joints_xyz[1]).all()


def run(*arguments: object):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": "200"})


def test_the_command(dataset, tmp_path):
    path = tmp_path / "crops.h5"
    common = ("prepare", "--dataset", "msra15", "--data-dir", dataset.folder, "--workers", 1)
    result = run(*common, "--output", path, "--subjects", "P0,P1", "--cube", "msra15", "--size", 64)
    assert result.exit_code == 0 and result.stdout == ""
    assert "12 frames of P0, P1); no hand was found in 1 frames. Wrote 11 crops to" in result.stderr
    store = CropStore(path)
    assert (len(store), store.size, set(store.cubes)) == (12, 64, {200.0})

    halves = [tmp_path / "first.txt", tmp_path / "second.txt"]
    for file, joints_xyz in zip(halves, np.split(dataset.joints_xyz, 2), strict=True):
        np.savetxt(file, joints_xyz.mean(axis=1) * (1, -1, 1))
    result = run(*common, "--output", tmp_path / "v2v.h5", "--centres", halves[0], "--centres", halves[1])
    assert result.exit_code == 0, result.stderr
    given = CropStore(tmp_path / "v2v.h5")
    np.testing.assert_allclose(given.centres_xyz, dataset.joints_xyz.mean(axis=1), atol=1e-4)
    assert given.settings["centre"] == "first.txt, second.txt"

    cut(dataset, 3)
    result = run(*common, "--output", tmp_path / "skipping.h5", "--skip-bad", "--centre", "ground-truth")
    assert result.exit_code == 0 and "were skipped" in result.stderr and dataset.paths[3] in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--dataset", "msra"], "no dataset 'msra'"),
        (["--centre", "middle"], "`centre` must be one of"),
        (["--centre", "file"], "go with --centres FILE"),
        (["--centre", "com", "--centres", "c.txt"], "goes with --centre file"),
        (["--centres", "there_is_none.txt"], "no file of centres"),
        (["--cube", "large"], "--cube must be a number of mm, or one of msra15, nyu"),
        (["--subjects", "P5"], "P5"),
        (["--split", "test"], "`split` can be chosen for"),
    ],
)
def test_the_command_refuses(dataset, tmp_path, arguments, message):
    defaults = {"--dataset": "msra15", "--data-dir": str(dataset.folder), "--output": str(tmp_path / "crops.h5")}
    left = [item for option, value in defaults.items() if option not in arguments for item in (option, value)]
    result = run("prepare", *left, *arguments)
    assert result.exit_code == 2 and message in result.stderr and result.stderr.startswith("Error: ")
    assert not (tmp_path / "crops.h5").exists()


@pytest.mark.slow
def test_a_script_that_new_processes_cannot_read_again_is_told_so(tmp_path):
    folder = write_msra15(tmp_path / "msra15", [palm_frame(0, path="P0/1/")] * 600)
    script = tmp_path / "script.py"
    script.write_text(
        "from keras_handpose.datasets import MSRA15, prepare\n"
        f"prepare(MSRA15({str(folder)!r}), {str(tmp_path / 'crops.h5')!r}, workers=2)\n"
    )
    result = subprocess.run(
        [sys.executable, script], env=ENVIRONMENT, capture_output=True, text=True, timeout=120, check=False
    )
    assert result.returncode == 1
    assert 'call this under `if __name__ == "__main__":`' in result.stderr.splitlines()[-1]


@pytest.mark.slow
def test_a_killed_command_goes_on(tmp_path, monkeypatch):
    """Killed without a chance to tidy up, at ten random moments; no process outlives it, and no byte differs."""
    monkeypatch.undo()
    frames = [palm_frame(i, path=f"P{i % 9}/1/") for i in range(90)]
    folder = write_msra15(tmp_path / "msra15", (frames[i % 90] for i in range(4500)))
    expected = prepare(MSRA15(folder), tmp_path / "undisturbed.h5", workers=1).path.read_bytes()
    output = tmp_path / "killed.h5"
    command = [sys.executable, "-m", "keras_handpose", "prepare", "--dataset", "msra15"]
    command += ["--data-dir", str(folder), "--output", str(output)]
    rng = random.Random(0)
    kills = 0

    def parts() -> int:
        return len(list(tmp_path.glob("killed.h5.partial/*.npz")))

    while kills < 10 and not output.exists():
        process = subprocess.Popen(command, env=ENVIRONMENT, stderr=subprocess.DEVNULL, start_new_session=True)
        enough = parts() + rng.randrange(3)  # However fast the machine is, the work outlasts ten kills.
        while process.poll() is None and parts() < enough:
            time.sleep(0.002)
        try:
            process.wait(rng.uniform(0.0, 0.05 if enough else 2.0))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            kills += 1
        process.wait()
        deadline = time.monotonic() + 20
        while _alive(process.pid):
            assert time.monotonic() < deadline, "a worker outlived the command"
            time.sleep(0.05)
    assert kills > 1
    result = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=300, check=False)
    assert result.returncode == 0, result.stderr
    assert output.read_bytes() == expected and sorted(os.listdir(tmp_path)) == ["killed.h5", "msra15", "undisturbed.h5"]
    assert json.loads(json.dumps(CropStore(output).settings))["frames"] == 4500


def _alive(session: int) -> bool:
    try:
        os.killpg(session, 0)
    except ProcessLookupError:
        return False
    return True
