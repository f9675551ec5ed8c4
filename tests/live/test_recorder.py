"""Recordings: what is written is what was seen, and predict and evaluate read it."""

from __future__ import annotations

import json
from dataclasses import asdict
from time import sleep

import numpy as np
import pytest

from keras_handpose.cameras import CAMERAS
from keras_handpose.capture import CapturedFrame, FolderSource
from keras_handpose.estimator import Pose
from keras_handpose.evaluation import read_predictions
from keras_handpose.live import Recorder
from keras_handpose.live import recorder as module
from keras_handpose.preprocessing import read_depth
from keras_handpose.skeletons import MSRA21

CAMERA = CAMERAS["sr305"]


def pose_at(z: float, *, hand: str = "right", found: bool = True) -> Pose:
    if not found:
        return Pose.not_found(skeleton=MSRA21, camera=CAMERA, hand=hand)
    joints = np.random.default_rng(int(z)).normal((0, 0, z), 30, (21, 3))
    return Pose(
        found=True,
        joints_xyz=joints,
        centre_xyz=joints.mean(axis=0),
        crop=None,
        score=0.9,
        hand=hand,
        skeleton=MSRA21,
        camera=CAMERA,
    )


def frame_of(depth: np.ndarray, scale: float | None, time: float | None = None) -> CapturedFrame:
    return CapturedFrame(depth, CAMERA, scale, time)


def test_frames_poses_and_joints_are_read_again(tmp_path):
    rng = np.random.default_rng(0)
    frames = [frame_of(rng.integers(0, 65536, CAMERA.shape, np.uint16), 0.125, i / 10) for i in range(4)]
    poses = [pose_at(400), pose_at(410), pose_at(0, found=False), pose_at(430)]
    with Recorder(tmp_path / "mine") as recorder:
        for frame, pose in zip(frames, poses, strict=True):
            recorder.add(frame, (pose,))
    document = json.loads((recorder.folder / "recording.json").read_text())
    assert document["camera"] == asdict(CAMERA) and document["depth_scale"] == 0.125
    assert (document["format_version"], document["hands"]) == (1, ["right"])
    assert [entry["time"] for entry in document["frames"]] == [0.0, 0.1, 0.2, 0.3]
    for entry, frame in zip(document["frames"], frames, strict=True):
        np.testing.assert_array_equal(read_depth(recorder.folder / entry["file"]), frame.depth)
    lines = [json.loads(line) for line in (recorder.folder / "poses.jsonl").read_text().splitlines()]
    for line, pose in zip(lines, poses, strict=True):
        np.testing.assert_allclose(Pose.from_dict(line).joints_xyz, pose.joints_xyz, atol=0.001)
    joints_uvd = read_predictions(recorder.folder / "predictions_right.txt", skeleton=MSRA21)
    np.testing.assert_allclose(joints_uvd, [pose.joints_uvd for pose in poses], atol=0.001)


@pytest.mark.parametrize("hand", ["right", "left"])
def test_a_hand_that_was_looked_for_in_vain_is_the_recordings_hand(tmp_path, hand):
    with Recorder(tmp_path) as recorder:
        recorder.add(frame_of(np.full(CAMERA.shape, 400, np.uint16), 1.0), (pose_at(0, hand=hand, found=False),))
    assert FolderSource(tmp_path).hands == (hand,)


def test_both_hands_have_files_of_their_own(tmp_path):
    with Recorder(tmp_path / "mine") as recorder:
        for z in (400, 500):
            poses = (pose_at(z), pose_at(z + 1, hand="left", found=z == 400))
            recorder.add(frame_of(np.full(CAMERA.shape, z, np.uint16), 1.0), poses)
    lines = [json.loads(line) for line in (recorder.folder / "poses.jsonl").read_text().splitlines()]
    assert [(line["hand"], line["file"][6:12]) for line in lines] == [
        ("right", "000000"),
        ("left", "000000"),
        ("right", "000001"),
        ("left", "000001"),
    ]
    assert FolderSource(recorder.folder).hands == ("right", "left")
    assert np.isnan(read_predictions(recorder.folder / "predictions_left.txt")[1]).all()
    assert np.isfinite(read_predictions(recorder.folder / "predictions_right.txt")).all()


@pytest.mark.parametrize(("unit", "dtype"), [(1.0, np.float32), (1000.0, np.float64)])
def test_floats_are_kept_to_a_quarter_of_a_millimetre(tmp_path, unit, dtype):
    depth = np.random.default_rng(1).uniform(300, 9000, CAMERA.shape)
    depth[:9] = np.nan
    with Recorder(tmp_path) as recorder:
        recorder.add(frame_of((depth / unit).astype(dtype), unit), (pose_at(400),))
    scale = json.loads((tmp_path / "recording.json").read_text())["depth_scale"]
    kept = read_depth(tmp_path / "frame_000000.png") * scale
    np.testing.assert_allclose(kept[9:], depth[9:], atol=0.126)
    assert (kept[:9] == 0).all()


def test_a_recording_needs_a_folder_one_camera_and_one_scale(tmp_path):
    (tmp_path / "something").write_text("mine")
    with pytest.raises(FileExistsError, match="needs a folder of its own"):
        Recorder(tmp_path)
    depth = np.full(CAMERA.shape, 3000, np.uint16)
    with Recorder(tmp_path / "new") as recorder:
        recorder.add(frame_of(depth, 0.125), (pose_at(400),))
        for other in (frame_of(depth, 1.0), frame_of(depth, 0.125)._replace(camera=CAMERAS["nyu"])):
            with pytest.raises(ValueError, match="one camera and one scale"):
                recorder.add(other, (pose_at(400),))
    assert len(json.loads((tmp_path / "new" / "recording.json").read_text())["frames"]) == 1


def test_what_cannot_be_written_is_said_and_nobody_waits_for_it(tmp_path, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    recorder = Recorder(tmp_path / "mine")
    frame = frame_of(np.full(CAMERA.shape, 400, np.uint16), 1.0)
    recorder.add(frame, (pose_at(400),))
    recorder._waiting.join()
    monkeypatch.setattr(module, "write_png", full)
    with pytest.raises(OSError, match="No space"):
        for _ in range(100):
            recorder.add(frame, (pose_at(400),))
    with pytest.raises(OSError, match="No space"):
        recorder.close()
    recorder.close()
    assert len(json.loads((tmp_path / "mine" / "recording.json").read_text())["frames"]) == 1


def test_a_killed_process_loses_no_more_than_the_last_seconds(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_EVERY", 0.0)
    recorder = Recorder(tmp_path / "mine")
    frame = frame_of(np.full(CAMERA.shape, 400, np.uint16), 1.0)
    for _ in range(5):
        recorder.add(frame, (pose_at(400),))
    added, listed = 5, ()
    while len(listed) < added and added < 20:
        sleep(0.3)  # The list is not written so often that it would hold up frames.
        recorder.add(frame, (pose_at(400),))
        added += 1
        recorder._waiting.join()
        listed = json.loads((tmp_path / "mine" / "recording.json").read_text())["frames"]  # It was not closed.
    assert len(listed) == added
    assert len((tmp_path / "mine" / "poses.jsonl").read_text().splitlines()) == added
    recorder.close()


def test_times_are_made_to_increase_and_memory_that_is_used_again_does_no_harm(tmp_path):
    again = np.zeros(CAMERA.shape, np.uint16)
    with Recorder(tmp_path) as recorder:
        for i, time in enumerate((5.0, 5.0, None, 4.0, 6.0)):
            again[:] = 400 + i
            recorder.add(frame_of(again, 1.0, time), (pose_at(400),))
    frames = list(FolderSource(tmp_path))
    assert [frame.time for frame in frames] == [5.0, 5.001, 5.002, 5.003, 6.0]
    assert [int(frame.depth[0, 0]) for frame in frames] == [400, 401, 402, 403, 404]


def test_frames_with_no_or_other_poses_have_their_lines(tmp_path):
    with Recorder(tmp_path) as recorder:
        for poses in ((), (pose_at(400),), (pose_at(410, hand="left"),)):
            recorder.add(frame_of(np.full(CAMERA.shape, 70000, np.uint32), 0.125), poses)
        with pytest.raises(ValueError, match="must say which camera"):
            recorder.add(CapturedFrame(np.zeros(CAMERA.shape, np.uint16), None), ())
    with pytest.raises(ValueError, match="is closed"):
        recorder.add(frame_of(np.zeros(CAMERA.shape, np.uint16), 1.0), ())
    for hand, known in (("right", [False, True, False]), ("left", [False, False, True])):
        joints = read_predictions(tmp_path / f"predictions_{hand}.txt")
        assert np.isfinite(joints).all(axis=(1, 2)).tolist() == known
    assert [frame.depth.max() * frame.depth_scale for frame in FolderSource(tmp_path)] == [8750] * 3


def test_nothing_recorded_leaves_nothing(tmp_path):
    Recorder(tmp_path / "mine").close()
    assert not list((tmp_path / "mine").iterdir())
    Recorder(tmp_path / "mine").close()
