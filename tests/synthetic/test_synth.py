"""``keras-handpose synth``, as a shell sees it."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner, Result

from keras_handpose import ICVL16
from keras_handpose.cli import app
from keras_handpose.datasets import LabelledFrames, open_dataset


def synth(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["synth", *map(str, arguments)], env={"COLUMNS": "120"})


@pytest.mark.parametrize(
    ("layout", "described"),
    [
        ("msra15", {None: "MSRA15 (neither v1 nor v2: 18 frames)"}),
        ("icvl", {"train": "ICVL (train: 18 frames)", "test": "ICVL (test: 2 frames)"}),
        ("nyu", {"train": "NYU (train, view 1: 18 frames)", "test": "NYU (test, view 1: 2 frames)"}),
    ],
)
def test_a_datasets_own_files(tmp_path, layout, described):
    result = synth(tmp_path, "--layout", layout, "--frames", 18, "--subjects", 9, "--seed", 4)
    written = 18 + 2 * (len(described) - 1)
    assert result.exit_code == 0 and not result.stdout
    assert result.stderr.startswith(f"Wrote {written} frames to {tmp_path}")
    assert {split: open_dataset(layout, tmp_path, split=split).describe() for split in described} == described


def test_frames_of_ones_own_choice(tmp_path):
    options = {"frames": 2, "camera": "sr305", "hand": "left", "skeleton": "icvl16", "depth-scale": 0.125}
    result = synth(tmp_path, *(word for option, value in options.items() for word in (f"--{option}", value)))
    assert result.exit_code == 0
    dataset = LabelledFrames(tmp_path)
    assert (dataset.camera.name, dataset.hand, dataset.skeleton, len(dataset)) == ("sr305", "left", ICVL16, 2)
    numbers = synth(tmp_path / "numbers", "--frames", 1, "--camera", "200,200,80,60,160,120")
    assert numbers.exit_code == 0 and LabelledFrames(tmp_path / "numbers").camera.shape == (120, 160)
    again = synth(tmp_path, "--frames", 2)
    assert again.exit_code == 2 and "holds a dataset already" in again.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--layout", "bighand"], "`layout` must be one of frames, msra15, icvl, nyu"),
        (["--layout", "nyu", "--hand", "left"], "layout='nyu' has its own hand"),
        (["--skeleton", "mano"], "`skeleton` must be one of msra21, icvl16, nyu14"),
        (["--camera", "webcam"], "`--camera` must be one of msra15"),
    ],
)
def test_synth_fails_in_one_line(tmp_path, arguments, message):
    result = synth(tmp_path / "out", *arguments)
    assert result.exit_code == 2 and message in result.stderr and "\n" not in result.stderr.strip()
    assert not (tmp_path / "out").exists()
