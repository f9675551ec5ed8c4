"""What a search has come to, read from its folder, while it goes on or after."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from keras_handpose.files import whole_file
from keras_handpose.tuning.parameters import PARAMETERS, settled

__all__ = ["PROJECT", "SearchRecord", "TrialRecord", "pareto_front", "read_search", "write_trials"]

PROJECT = "trials"
"""The folder of KerasTuner's files, and of the trials, in that of a search."""


@dataclass(frozen=True, kw_only=True)
class TrialRecord:
    """A trial, or a candidate that was rejected before it became one.

    Args:
        name: Its number in text, empty for a rejected candidate.
        status: "running", "completed", "failed" or "rejected".
        values: The parameters that were searched over.
        score: The objective of a completed trial.
        epochs: Passes over the crops, where the search varies them.
        mmacs, params, ms: What the network costs, as far as it is known; see `Cost`.
        reason: Why it failed or was rejected.
        latest: What a running trial last logged.
    """

    name: str
    status: str
    values: dict[str, Any]
    score: float | None = None
    epochs: int | None = None
    mmacs: float | None = None
    params: int | None = None
    ms: float | None = None
    reason: str | None = None
    latest: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class SearchRecord:
    """All trials and rejected candidates of a search.

    Args:
        trials: In the order in which they began.
        rejected: In the order in which they were drawn.
        ended: Why the search ended before its last trial, if it did.
    """

    trials: tuple[TrialRecord, ...] = ()
    rejected: tuple[TrialRecord, ...] = ()
    ended: str | None = None

    def by_status(self, status: str) -> list[TrialRecord]:
        """Return the trials of a status."""
        return [trial for trial in self.trials if trial.status == status]

    @property
    def best(self) -> TrialRecord | None:
        """The completed trial with the least score."""
        return min(self.by_status("completed"), key=lambda trial: trial.score, default=None)

    def rejections(self) -> str:
        """Say how many candidates were rejected, and why."""
        if not self.rejected:
            return "No candidate was rejected."
        kinds = Counter(_kind(candidate.reason) for candidate in self.rejected)
        reasons = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
        return f"Rejected before training: {len(self.rejected)} ({reasons})."


def read_search(folder: Path) -> SearchRecord:
    """Read what a search has come to; an empty record where none has begun."""
    project = folder / PROJECT
    if not (project / "oracle.json").exists():
        return SearchRecord()
    oracle = json.loads((project / "oracle.json").read_text(encoding="utf-8"))
    trials = [_trial(path, oracle["costs"]) for path in project.glob("trial_*/trial.json")]
    trials.sort(key=lambda trial: int(trial.name))
    rejected = [
        TrialRecord(
            name="",
            status="rejected",
            values=_searched(candidate["values"]),
            reason=candidate["reason"],
            **{key: candidate[key] for key in ("mmacs", "params", "ms") if key in candidate},
        )
        for candidate in oracle["rejected"].values()
    ]
    return SearchRecord(trials=tuple(trials), rejected=tuple(rejected), ended=oracle["ended"])


def write_trials(record: SearchRecord, path: Path) -> None:
    """Write trials and rejected candidates as a table, a line each."""
    rows = [*record.trials, *record.rejected]
    names = [name for name in PARAMETERS if any(name in row.values for row in rows)]
    columns = ("status", "score", "epochs", "mmacs", "params", "ms")
    with whole_file(path) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["trial", *columns, *names, "reason"])
        for row in rows:
            figures = (getattr(row, column) for column in columns)
            writer.writerow([row.name, *figures, *(row.values.get(name) for name in names), row.reason])


def pareto_front(trials: Sequence[TrialRecord]) -> list[TrialRecord]:
    """Return the completed trials that none is better than with as little arithmetic, from cheap to expensive.

    Example:
        >>> trials = [TrialRecord(name=n, status="completed", values={}, score=s, mmacs=m)
        ...           for n, s, m in (("0", 9.0, 50.0), ("1", 12.0, 20.0), ("2", 13.0, 30.0))]
        >>> [trial.name for trial in pareto_front(trials)]
        ['1', '0']
    """
    front: list[TrialRecord] = []
    completed = [trial for trial in trials if trial.status == "completed"]
    for trial in sorted(completed, key=lambda trial: (trial.mmacs, trial.score)):
        if not front or trial.score < front[-1].score:
            front.append(trial)
    return front


def _trial(path: Path, costs: dict[str, dict[str, Any]]) -> TrialRecord:
    state = json.loads(path.read_text(encoding="utf-8"))
    status = {"COMPLETED": "completed", "FAILED": "failed", "INVALID": "failed"}.get(state["status"], "running")
    values = state["hyperparameters"]["values"]
    return TrialRecord(
        name=state["trial_id"],
        status=status,
        values=_searched(values),
        score=state["score"] if status == "completed" else None,
        epochs=values.get("tuner/epochs"),
        reason=_last_line(state.get("message")) if status == "failed" else None,
        latest=_latest(path.parent / "run" / "log.csv") if status == "running" else {},
        **costs.get(state["trial_id"], {}),
    )


def _searched(values: dict[str, Any]) -> dict[str, Any]:
    return {name: settled(name, value) for name, value in values.items() if name in PARAMETERS}


def _last_line(message: str | None) -> str:
    """Return the error of a traceback, without where it came from."""
    lines = [line.rstrip() for line in (message or "unknown").strip().splitlines()]
    first = max((i for i, line in enumerate(lines) if line.startswith("  ")), default=-1)
    return " ".join(lines[first + 1 :]) or lines[-1]


def _latest(path: Path) -> dict[str, float]:
    if not path.exists():
        return {}
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return {name: float(value) for name, value in rows[-1].items() if value} if rows else {}


def _kind(reason: str | None) -> str:
    """Return a reason without the candidate's own figures."""
    text = (reason or "").split(": ")[0]
    return f"above {text.rpartition(' ')[2]} {text.split(' ')[1]}" if " more than " in text else text
