"""The examples run as they stand, do what they say, and are short."""

from __future__ import annotations

import json
import runpy
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

import keras_handpose as khp

ROOT = Path(khp.__file__).parents[1]
EXAMPLES = ROOT / "examples"
SAMPLES = ROOT / "keras_handpose" / "samples"


def example(name: str) -> dict:
    """Return what an example defines."""
    return runpy.run_path(str(EXAMPLES / f"{name}.py"))


@pytest.mark.parametrize("path", sorted(EXAMPLES.rglob("*.py")), ids=lambda path: path.stem)
def test_they_are_short_and_say_how_to_run_them(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) < 60
    assert text.startswith('"""') and '__name__ == "__main__"' in text
    if path.parent == EXAMPLES:
        assert f"python examples/{path.name}" in text


@pytest.mark.parametrize(
    "sample", json.loads((SAMPLES / "samples.json").read_text()), ids=lambda sample: sample["file"]
)
def test_own_depth_image(tmp_path, capsys, sample):
    lens = {name: sample["camera"][name] for name in ("fx", "fy", "cx", "cy")}
    picture = tmp_path / "pose.png"
    main = example("own_depth_image")["main"]
    settings = {"depth_scale": sample["depth_scale"], "hand": sample["hand"]}
    pose = main(SAMPLES / sample["file"], lens=lens, picture=picture, **settings)
    assert np.linalg.norm(pose.joints_xyz - sample["joints_xyz"], axis=-1).mean() < 10
    assert picture.read_bytes().startswith(b"\x89PNG")
    printed = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in printed[1:]] == [*khp.MSRA21.joint_names]


def test_own_depth_image_without_a_hand(tmp_path):
    cv2.imwrite(str(tmp_path / "empty.png"), np.zeros((240, 320), np.uint16))
    lens = {"fx": 240.0, "fy": 240.0, "cx": 160.0, "cy": 120.0}
    with pytest.raises(SystemExit, match="No hand was found in .*empty.png"):
        example("own_depth_image")["main"](tmp_path / "empty.png", lens=lens)


def test_own_frames_to_store(tmp_path, capsys):
    frames = khp.datasets.LabelledFrames(khp.synthetic.write_frames(tmp_path / "frames", frames=4, subjects=2))
    camera = frames.camera
    np.savez(
        tmp_path / "recordings.npz",
        depth=np.stack([frame.depth for frame in frames]),
        joints_xyz=frames.joints_xyz,
        subject=frames.subjects,
        **{name: getattr(camera, name) for name in ("fx", "fy", "cx", "cy")},
    )
    with (
        example("own_frames_to_store")["main"](tmp_path / "recordings.npz", tmp_path / "mine.h5") as store,
        khp.datasets.CropStore.from_frames(tmp_path / "expected.h5", frames) as expected,
    ):
        np.testing.assert_allclose(store.joints_xyz, frames.joints_xyz)
        assert store.subjects.tolist() == frames.subjects.tolist()
        assert store.found.tolist() == expected.found.tolist() and store.found.any()
        found = np.flatnonzero(store.found)
        np.testing.assert_array_equal(store.crops(found).images, expected.crops(found).images)
    assert "of 4 hands found, of" in capsys.readouterr().out


@pytest.mark.slow
def test_a_block_in_another_model_learns():
    mean_pose, network = example("block_in_another_model")["main"]()
    assert network < 0.9 * mean_pose


@pytest.mark.slow
def test_finetuning_helps_where_the_preset_is_bad(tmp_path):
    finetune = example("finetune")
    recipe = replace(finetune["finetuning"](100), epochs=10)
    before, after = finetune["main"](tmp_path, frames=100, judged=64, recipe=recipe)
    assert after < before - 1
    assert (tmp_path / "run" / "trained.weights.h5").exists()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning:keras_tuner.src.engine.oracle")
def test_a_search_stays_within_its_budget(tmp_path, capsys):
    pytest.importorskip("keras_tuner")
    outcome = example("search_space")["main"](tmp_path, trials=2, samples=32, epochs=1, max_mmacs=8)
    assert all(trial.mmacs <= 8 for trial in outcome.record.trials) and len(outcome.record.trials) == 2
    assert outcome.weights.exists()
    assert "2 of 2 trials completed." in capsys.readouterr().out
