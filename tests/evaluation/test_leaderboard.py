"""The published figures, as data."""

from __future__ import annotations

import pytest

from keras_handpose.evaluation import OWN, PROTOCOLS, PUBLISHED, RECOMPUTED, REPORTED, leaderboard


def test_no_figure_is_listed_twice():
    assert len({(entry.method, entry.dataset, entry.source) for entry in PUBLISHED}) == len(PUBLISHED) == 44
    assert {entry.dataset for entry in PUBLISHED} == set(PROTOCOLS)
    assert all(5 < entry.mean_error_mm < 21 and 2015 <= entry.year <= 2022 for entry in PUBLISHED)


@pytest.mark.parametrize(
    ("dataset", "method", "source", "mean"),
    [
        ("nyu", "V2V-PoseNet", RECOMPUTED, 8.419),
        ("icvl", "DeepModel", RECOMPUTED, 11.561),
        ("nyu", "DeepPrior", RECOMPUTED, 20.750),
        ("nyu", "DeepPrior", REPORTED, 20.7),
        ("icvl", "DeepPrior", REPORTED, 9.0),
        ("msra15", "cascaded hand pose (Sun et al.)", REPORTED, 15.2),
        ("msra15", "residual attention regression (the paper)", REPORTED, 9.7),
        ("icvl", "residual attention regression (the paper)", REPORTED, 7.8),
        ("nyu", "residual attention regression (the paper)", REPORTED, 17.6),
    ],
)
def test_figures_keep_their_source(dataset, method, source, mean):
    (entry,) = (e for e in leaderboard(dataset) if (e.method, e.source) == (method, source))
    assert entry.mean_error_mm == mean


def test_notes_say_what_is_known():
    notes = {(entry.method, entry.dataset): entry.notes for entry in PUBLISHED}
    assert notes["V2V-PoseNet", "nyu"] == ("ensemble",)
    assert "version 1 of the dataset" in notes["DenseReg", "msra15"]
    assert "centre joint left out of the mean" in notes["residual attention regression (the paper)", "icvl"]
    (hand3d,) = (entry for entry in leaderboard("icvl") if entry.method == "Hand3D")
    assert (hand3d.mean_error_mm, hand3d.up_to_mm, hand3d.notes) == (10.0, 11.0, ("augmentation",))


def test_ones_own_errors_are_ranked():
    entries = leaderboard("nyu", {"a": 8.0, "b": 30.0})
    means = [entry.mean_error_mm for entry in entries]
    assert means == sorted(means) and len(entries) == len(leaderboard("nyu")) + 2
    assert [entry.method for entry in entries if entry.source == OWN] == ["a", "b"]
    assert entries[-1].method == "b" and entries[2].method == "a"


@pytest.mark.parametrize("own", [float("nan"), -1.0, float("inf"), {"mine": None}])
def test_what_is_no_error(own):
    with pytest.raises(ValueError, match="must be a number of mm"):
        leaderboard("nyu", own)


def test_no_such_dataset():
    with pytest.raises(ValueError, match="msra15, icvl, nyu"):
        leaderboard("hands")
