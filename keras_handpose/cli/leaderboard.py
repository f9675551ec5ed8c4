"""``keras-handpose leaderboard``: published errors on a dataset, and one's own among them."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from keras_handpose.cli.output import results, say

if TYPE_CHECKING:
    from keras_handpose.evaluation import LeaderboardEntry

__all__ = ["leaderboard"]


def leaderboard(
    dataset: Annotated[str, typer.Argument(help="msra15, icvl or nyu.")],
    mine: Annotated[Path | None, typer.Option(help="report.json of `keras-handpose evaluate`.")] = None,
    mean_error: Annotated[float | None, typer.Option(help="A mean error of one's own in mm.")] = None,
) -> None:
    """Rank published mean errors, with what has to agree before two of them compare."""
    from keras_handpose.evaluation import PROTOCOLS
    from keras_handpose.evaluation import leaderboard as rank

    own = {} if mean_error is None else {"yours": mean_error}
    remarks = []
    if mine is not None and dataset in PROTOCOLS:
        placed, remarks = _read_report(mine, dataset)
        own |= placed
    entries = rank(dataset, own)
    protocol = PROTOCOLS[dataset]
    results.print(_table(entries, dataset))
    results.print("Two figures compare only if these agree:", highlight=False)
    for trap in protocol.traps:
        results.print(f"- {trap}", markup=False, highlight=False)
    for remark in remarks:
        say(remark)


def _read_report(path: Path, dataset: str) -> tuple[dict[str, float], list[str]]:
    """Return the mean errors of a report by name, and what to know before comparing them."""
    from keras_handpose.evaluation import PROTOCOLS

    protocol = PROTOCOLS[dataset]
    try:
        records = json.loads(path.read_text(encoding="utf-8"))["results"]
        own = {str(record["name"]): _mean(record["mean_error_mm"]) for record in records}
        without_centre = [_mean(record.get("mean_error_without_centre_joint_mm")) for record in records]
    except (FileNotFoundError, IsADirectoryError):
        raise FileNotFoundError(f"There is no report {path}.") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ValueError(
            f"{path} is no report.json of `keras-handpose evaluate --output`, or it is damaged. "
            "Evaluate the predictions first, such as a training's predictions.txt against its truth.txt."
        ) from None
    remarks = []
    for record, without in zip(records, without_centre, strict=True):
        name = record["name"]
        if record.get("skeleton") != protocol.skeleton.name:
            raise ValueError(
                f"{path} must be of {protocol.skeleton.name}, the joints of {dataset}. "
                f"Received: {record.get('skeleton')} ({name})."
            )
        if protocol.frames not in (None, record.get("frames")):
            remarks.append(f"{name} is of {record.get('frames')} frames; {dataset}'s test set has {protocol.frames}.")
        if record.get("frames_missed"):
            remarks.append(f"{name} missed {record['frames_missed']} frames, which are not in its mean.")
        if not record.get("centre_joint", True):
            remarks.append(f"{name} leaves the centre joint out; the recomputed figures do not.")
        elif not math.isnan(without):
            remarks.append(f"{name} without the centre joint, as the paper has it: {without:.3f} mm.")
    return own, remarks


def _mean(figure: float | None) -> float:
    return math.nan if figure is None else float(figure)


def _table(entries: list[LeaderboardEntry], dataset: str) -> Table:
    from keras_handpose.evaluation import COMMUNITY, OWN, RECOMPUTED, REPORTED

    short = {RECOMPUTED: "recomputed", COMMUNITY: "community", REPORTED: "reported", OWN: OWN}
    there = [source for source in short if source != OWN and any(entry.source == source for entry in entries)]
    table = Table(
        title=f"Mean joint error on {dataset}, mm",
        title_justify="left",
        title_style="bold",
        caption="; ".join(source if short[source] in source else f"{short[source]}: {source}" for source in there),
        caption_justify="left",
    )
    table.add_column("", justify="right")
    table.add_column("method", overflow="fold")
    table.add_column("mm", justify="right")
    table.add_column("year", justify="right")
    table.add_column("source", overflow="fold")
    table.add_column("known of its protocol", overflow="fold")
    for place, entry in enumerate(entries, 1):
        end = "" if entry.up_to_mm is None else f" to {entry.up_to_mm:g}"
        table.add_row(
            str(place),
            escape(entry.method),
            f"{round(entry.mean_error_mm, 3):g}{end}",
            "" if entry.year is None else str(entry.year),
            short[entry.source],
            ", ".join(entry.notes),
            style="bold green" if entry.source == OWN else None,
        )
    return table
