"""From rendered frames in MSRA15's files to an evaluation, with the commands that the README shows."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

import keras_handpose as khp
from benchmarks.chain import chain_commands
from keras_handpose.cli import app


def smaller(command: list[str]) -> list[str]:
    """The same command, on fewer frames and for a smaller network."""
    small = {"--frames": "54", "--epochs": "1", "--batch": "8", "--components": "10"}
    words = [small.get(before, word) for before, word in zip(["", *command], command, strict=False)]
    if command[0] == "train":
        architecture = {"filters": [4, 4], "poolings": [1, 1], "stem": [4, 3], "top_filters": [4], "hidden": 8}
        words += ["--architecture", json.dumps(architecture)]
    return words


@pytest.mark.slow
def test_the_readmes_chain(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    commands = [smaller(command) for command in chain_commands()]
    assert [command[0] for command in commands] == ["synth", "prepare", "train", "evaluate"]
    for command in commands:
        result = CliRunner().invoke(app, command)
        assert result.exit_code == 0, (command, result.output)
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    errors = json.loads((tmp_path / "runs" / "p0" / "errors.json").read_text())
    (figures,) = report["results"]
    assert figures["frames"] == errors["frames"] == 6
    assert figures["mean_error_mm"] == pytest.approx(errors["mean_error_mm"], abs=0.01)
    model = khp.ResidualAttentionRegressor(weights=tmp_path / "runs" / "p0" / "trained.weights.h5")
    assert model.output_shape == (None, 21, 3)
