"""Published mean errors on the public datasets, and one's own among them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from keras_handpose.evaluation.protocols import PROTOCOLS

__all__ = ["COMMUNITY", "OWN", "PUBLISHED", "RECOMPUTED", "REPORTED", "LeaderboardEntry", "leaderboard"]

RECOMPUTED = "recomputed from published predictions"
COMMUNITY = "the community's table"
REPORTED = "as reported in the paper's Table 1"
OWN = "yours"


@dataclass(frozen=True, kw_only=True)
class LeaderboardEntry:
    """One method's mean error on one dataset.

    Args:
        method: Name of the method.
        dataset: Name of the dataset, a key of `PROTOCOLS`.
        mean_error_mm: Mean joint error in mm (Eq. 3 of the paper); the lower end where a range was reported.
        up_to_mm: The upper end of the range, if one was reported.
        source: Where the figure is from.
        year: When the method was published, where it is known.
        notes: What is known of the protocol behind the figure. What is not said here is not known.

    Example:
        >>> leaderboard("nyu")[0].method
        'TriHorn-Net'
    """

    method: str
    dataset: str
    mean_error_mm: float
    up_to_mm: float | None = None
    source: str
    year: int | None = None
    notes: tuple[str, ...] = ()


_THIS_PAPER = "residual attention regression (the paper)"
_ENSEMBLE = {"V2V-PoseNet": ("ensemble",)}
_YEARS = {
    "DeepPrior": 2015,
    "Feedback": 2015,
    "cascaded hand pose (Sun et al.)": 2015,
    "DeepModel": 2016,
    "3DCNN": 2017,
    "DeepPrior++": 2017,
    "Crossing Nets": 2017,
    "Hand3D": 2017,
    "REN-9x6x6": 2018,
    "Pose-REN": 2018,
    "HandPointNet": 2018,
    "DenseReg": 2018,
    "Point-to-Point": 2018,
    "V2V-PoseNet": 2018,
    "CrossInfoNet": 2019,
    "A2J": 2019,
    _THIS_PAPER: 2019,
    "AWR (hourglass)": 2020,
    "TriHorn-Net": 2022,
}
_MEANS: dict[str, tuple[float | None, float | None, float | None]] = {
    # ICVL and NYU recomputed; MSRA15 from the community's table.
    "DeepModel": (11.561, 17.036, None),
    "DeepPrior": (None, 20.750, None),
    "Feedback": (None, 15.973, None),
    "3DCNN": (None, 14.113, 9.584),
    "REN-9x6x6": (7.305, 12.694, 9.792),
    "DeepPrior++": (None, 12.238, None),
    "Pose-REN": (6.791, 11.811, 8.649),
    "HandPointNet": (6.935, 10.540, 8.505),
    "DenseReg": (7.239, 10.214, 7.234),
    "CrossInfoNet": (6.732, 10.078, 7.862),
    "Point-to-Point": (6.328, 9.045, 7.707),
    "A2J": (6.461, 8.610, None),
    "V2V-PoseNet": (6.284, 8.419, None),
    "AWR (hourglass)": (None, 7.700, None),
    "TriHorn-Net": (5.736, 7.676, 7.13),
}
_CENTRE_LEFT_OUT = ("centre of mass", "centre joint left out of the mean", "no augmentation")
_TABLE_1: tuple[tuple[str, str, float, float | None, tuple[str, ...]], ...] = (
    ("DeepPrior", "icvl", 9.0, None, ()),
    ("DeepPrior", "nyu", 20.7, None, ()),
    ("Crossing Nets", "msra15", 12.2, None, ()),
    ("Crossing Nets", "icvl", 10.2, None, ()),
    ("Crossing Nets", "nyu", 15.5, None, ()),
    ("cascaded hand pose (Sun et al.)", "msra15", 15.2, None, ()),
    ("Hand3D", "icvl", 10.0, 11.0, ("augmentation",)),
    ("Hand3D", "nyu", 17.6, None, ("augmentation",)),
    (_THIS_PAPER, "msra15", 9.7, None, _CENTRE_LEFT_OUT),
    (_THIS_PAPER, "icvl", 7.8, None, (*_CENTRE_LEFT_OUT, "without the rotated copies")),
    (_THIS_PAPER, "nyu", 17.6, None, _CENTRE_LEFT_OUT),
)


def _published() -> tuple[LeaderboardEntry, ...]:
    entries = []
    for method, means in _MEANS.items():
        for dataset, mean in zip(("icvl", "nyu", "msra15"), means, strict=True):
            if mean is not None:
                msra = dataset == "msra15"
                entries.append(
                    LeaderboardEntry(
                        method=method,
                        dataset=dataset,
                        mean_error_mm=mean,
                        source=COMMUNITY if msra else RECOMPUTED,
                        year=_YEARS[method],
                        notes=(("version 1 of the dataset",) if msra else ()) + _ENSEMBLE.get(method, ()),
                    )
                )
    for method, dataset, mean, up_to, notes in _TABLE_1:
        entries.append(
            LeaderboardEntry(
                method=method,
                dataset=dataset,
                mean_error_mm=mean,
                up_to_mm=up_to,
                source=REPORTED,
                year=_YEARS[method],
                notes=notes,
            )
        )
    return tuple(entries)


PUBLISHED: tuple[LeaderboardEntry, ...] = _published()
"""What has been published, a record for each method, dataset and source."""


def leaderboard(dataset: str, own: Mapping[str, float] | float | None = None) -> list[LeaderboardEntry]:
    """Rank the published mean errors on a dataset, with one's own among them.

    Args:
        dataset: Key of `PROTOCOLS`. Its ``traps`` say what must agree for two figures to compare.
        own: Mean error in mm of one's own method, or of several by name.

    Returns:
        Entries from the smallest error to the largest; one's own have the source `OWN`.

    Raises:
        ValueError: There is no such dataset, or an error is not a positive number of mm.

    Example:
        >>> [entry.method for entry in leaderboard("msra15", own=9.0)][5:8]
        ['Pose-REN', 'yours', '3DCNN']
    """
    if dataset not in PROTOCOLS:
        raise ValueError(f"`dataset` must be one of {', '.join(PROTOCOLS)}. Received: {dataset!r}.")
    owned = own if isinstance(own, Mapping) else {} if own is None else {OWN: own}
    for name, mean in owned.items():
        if mean is None or not 0 <= mean < float("inf"):
            raise ValueError(f"The mean error of {name} must be a number of mm. Received: {mean}.")
    entries = [entry for entry in PUBLISHED if entry.dataset == dataset]
    entries += [
        LeaderboardEntry(method=name, dataset=dataset, mean_error_mm=float(mean), source=OWN)
        for name, mean in owned.items()
    ]
    return sorted(entries, key=lambda entry: entry.mean_error_mm)
