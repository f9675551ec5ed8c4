"""The tables of the README and the documentation, made of records and result files.

    python benchmarks/tables.py            # writes them
    python benchmarks/tables.py --check    # shows what is stale, exit status 1 if anything is

A table stands between ``<!-- generated: NAME -->`` and ``<!-- /generated -->``; what is between them is nobody's to
edit. The same name may stand in several files.
"""

from __future__ import annotations

import argparse
import csv
import difflib
import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from keras_handpose.datasets import ICVL, MSRA15, NYU
from keras_handpose.models.presets import Preset
from keras_handpose.skeletons import SKELETONS

__all__ = ["TABLES", "documents", "main", "updated"]

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
NOTHING = "–"  # Where nothing was measured.

_SECTION = re.compile(r"(<!-- generated: (?P<name>[\w-]+) -->\n).*?(<!-- /generated -->)", re.DOTALL)
_MARK = re.compile(r"<!-- (?:generated: [\w-]+|/generated) -->")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path, help="Markdown files; by default the README and all of docs/")
    parser.add_argument("--check", action="store_true", help="write nothing, show what is stale")
    options = parser.parse_args(arguments)

    stale = False
    for path in options.files or documents():
        before = path.read_text(encoding="utf-8")
        try:
            after = updated(before)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error
        if before == after:
            continue
        stale = True
        if options.check:
            lines = before.splitlines(keepends=True), after.splitlines(keepends=True)
            sys.stdout.writelines(difflib.unified_diff(*lines, fromfile=str(path), tofile="as it should be"))
        else:
            path.write_text(after, encoding="utf-8")
            print(f"Wrote {path}")
    return int(stale and options.check)


def documents() -> list[Path]:
    """Return the files that tables may stand in."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def updated(text: str) -> str:
    """Return a document with all of its tables as they are today.

    Raises:
        ValueError: A mark has no partner, or there is no table of its name.
    """
    sections = [*_SECTION.finditer(text)]
    if len(_MARK.findall(text)) != 2 * len(sections):
        raise ValueError("Every <!-- generated: NAME --> needs its own <!-- /generated --> in a line below it.")
    for section in sections:
        if section["name"] not in TABLES:
            raise ValueError(f"There is no table {section['name']!r}. There are: {', '.join(TABLES)}.")
    return _SECTION.sub(lambda section: f"{section[1]}{TABLES[section['name']]()}{section[3]}", text)


# === The tables ===


def presets() -> str:
    """What the presets are, and what was measured of them."""
    dataset_of = {dataset.skeleton.name: dataset.name for dataset in (MSRA15, ICVL, NYU)}
    order = [*dataset_of]
    real = _results("real_frames")["nyu"]["joints"]
    rows = []
    shipped = [Preset.read(record) for record in (ROOT / "weights").glob("*.json")]
    for preset in sorted(shipped, key=lambda preset: order.index(preset.skeleton)):
        joints = len(SKELETONS[preset.skeleton])
        benchmark = _benchmark_errors(preset)
        nyu = real.get(preset.name, {}).get("centre detected")
        rows.append(
            (
                f"`{preset.name}`",
                f"{joints}, {dataset_of[preset.skeleton]}",
                f"{preset.hand} ({'left' if preset.hand == 'right' else 'right'} mirrored)",
                f"{preset.cube:g} mm",
                preset.trained_on,
                f"**{benchmark['mean_error_mm']:.1f} mm** ({benchmark['median_error_mm']:.1f})",
                f"{benchmark['mean_pose_error_mm']:.1f} mm",
                f"{nyu['mean error, mm']:.1f} mm over {nyu['comparable joints']} joints" if nyu else NOTHING,
            )
        )
    return _table(
        (
            "preset",
            "joints, as that dataset places them",
            "hand",
            "cube",
            "trained on",
            "rendered benchmark: mean (median)",
            "mean pose",
            "NYU test frame 1, joints that both layouts have",
        ),
        rows,
    )


def configurations() -> str:
    """What the architectures cost, counted on the networks themselves."""
    from keras_handpose.models import ResidualAttentionRegressor, count_macs

    rows = []
    for name, title in (("compact", "compact (default)"), ("paper", "paper (Attention-56)")):
        model = ResidualAttentionRegressor(configuration=name)
        height, width = model.input_shape[1:3]
        rows.append((title, f"{height} x {width}", _millions(model.count_params()), f"{count_macs(model) / 1e6:.0f}"))
    return _table(("configuration", "input", "parameters", "MMACs"), rows)


def latency() -> str:
    """Times of a network and of a frame on one thread."""
    times = _timed(threads=1)
    rows = [
        (
            title,
            *(_time(times, what=what, **subject) for what in ("network", "frame", "frame, network's file")),
            _difference(times, **subject),
        )
        for title, subject in (
            ("Keras on TensorFlow", {"engine": "keras"}),
            ("LiteRT float32", {}),
            ("LiteRT float16 (what presets run on)", {"precision": "float16"}),
            ("LiteRT dynamic", {"precision": "dynamic"}),
            ("LiteRT int8", {"precision": "int8"}),
            ("ONNX Runtime float32", {"engine": "onnx"}),
            ("ONNX Runtime int8", {"engine": "onnx", "precision": "int8"}),
            ("`compact` as it was at first, LiteRT float32", {"network": "compact as it was"}),
            ("the same, LiteRT int8", {"network": "compact as it was", "precision": "int8"}),
            ("the paper's network, LiteRT float32", {"network": "paper"}),
        )
    ]
    columns = "network", "whole frame, pipeline", "whole frame, network and NumPy"
    return _table(("one thread, ms: median (fastest)", *columns, "joints from Keras', mean mm"), rows)


def threads_and_batches() -> str:
    """Times of the network with two threads, and for a crop of a batch."""
    engines = {"keras": "Keras on TensorFlow", "litert": "LiteRT", "onnx": "ONNX Runtime"}
    rows = []
    for engine, precision in (("keras", "float32"), ("litert", "float32"), ("litert", "int8"), ("onnx", "float32")):
        cells = [
            _time(_timed(threads=threads), engine=engine, precision=precision, batch=batch, each=batch)
            for batch in (1, 32)
            for threads in (1, 2)
        ]
        rows.append((f"{engines[engine]} {precision}", *cells))
    columns = [f"{what}, {threads}" for what in ("one crop", "a crop of 32") for threads in ("1 thread", "2 threads")]
    return _table(("ms: median (fastest)", *columns), rows)


def conditions() -> str:
    """Errors of `msra` on the slices of the rendered benchmark."""
    slices = _results("rendered_test")["msra"]["slices"]
    rows = [
        (name, f"{part['mean_error_mm']:.1f}", f"{100 * part['success_rate_worst_joint_40_mm']:.0f} %")
        for name, part in slices.items()
    ]
    return _table(("condition", "mean", "worst joint within 40 mm"), rows)


def ingredients() -> str:
    """Errors of networks without masks or prior, of equal arithmetic."""
    titles = {
        "full": "`compact` as it was at first: masks and prior",
        "without masks": "no masks, wider",
        "without prior": "no prior",
        "without both": "neither",
        "DeepPrior, widened": "DeepPrior, 64 channels for 8",
        "DeepPrior++": "DeepPrior++, a little narrower",
    }
    rows = [
        (
            titles[name],
            f"{figures['mmacs']:.0f}",
            _millions(figures["parameters"]),
            f"{figures['mean_error_mm']:.1f} ± {figures['standard_deviation_mm']:.1f}",
            ", ".join(f"{error:.1f}" for error in figures["by_seed_mm"]),
        )
        for name, figures in _results("ablation").items()
    ]
    return _table(("network", "MMACs", "parameters", "mean error, mm", "seeds"), rows)


def scenes() -> str:
    """Errors of small networks that were trained without one of the usual ingredients of scenes or recipe."""
    keys = ("benchmark", "hand and forearm alone", "wall close behind", "object held", "something beside", "any view")
    rows = [(name, *(f"{figures[key]:.1f}" for key in keys)) for name, figures in _results("ingredients").items()]
    return _table(("trained with", *keys), rows)


def preprocessing() -> str:
    """Times of detection and crop, with nothing and with a wall behind the hand."""
    results = _results("preprocessing")
    rows = []
    for title, step in (
        ("crop around a given centre", "crop"),
        ("detection and crop", "detect and crop"),
        ("floor: slice, resize, clip, scale", "floor: crop"),
        ("as in REN: centre and warp", "warp: centre and crop"),
        ("as in DeepPrior++: detection and crop", "contours: detect and crop"),
    ):
        cells = []
        for size in ("320x240", "640x480"):
            times = [case[step]["median"] for name, case in results.items() if name.startswith(size)]
            cells.append("–".join(dict.fromkeys(f"{time:.2f}" for time in (min(times), max(times)))))
        rows.append((title, *cells))
    return _table(("", "320 x 240", "640 x 480"), rows)


def peers() -> str:
    """Times of other methods' networks."""
    with (ROOT / "benchmarks" / "peers.csv").open(encoding="utf-8", newline="") as file:
        keys = "network", "parameters_m", "mmacs", "onnxruntime_1_thread_ms"
        rows = [tuple(row[key] for key in keys) for row in csv.DictReader(file)]
    return _table(("network", "parameters, millions", "MMACs", "ms a crop"), rows)


TABLES: dict[str, Callable[[], str]] = {
    "presets": cache(presets),
    "configurations": cache(configurations),
    "latency": cache(latency),
    "threads-and-batches": cache(threads_and_batches),
    "conditions": cache(conditions),
    "ingredients": cache(ingredients),
    "scenes": cache(scenes),
    "preprocessing": cache(preprocessing),
    "peers": cache(peers),
}
"""Makers of tables by the names that stand in the marks."""


# === What they are made of ===


def _results(name: str) -> Any:
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))["results"]


def _benchmark_errors(preset: Preset) -> dict[str, float]:
    """Return the figures of the newest rendered benchmark in a record."""
    versions = {
        int(re.search(r"\d+", data)[0]): data for data in preset.errors if data.startswith("rendered benchmark")
    }
    return preset.errors[versions[max(versions)]]


def _timed(*, threads: int) -> list[dict[str, Any]]:
    return [row for row in _results("latency") if row["threads"] == threads]


def _time(
    rows: Iterable[dict[str, Any]],
    *,
    network: str = "msra",
    what: str = "network",
    engine: str = "litert",
    precision: str = "float32",
    batch: int = 1,
    each: int = 1,
) -> str:
    """Return a subject's times in ms, those of a call divided by `each`."""
    row = _timing(rows, network=network, what=what, engine=engine, precision=precision, batch=batch)
    return f"{row['ms'] / each:.1f} ({row['fastest_ms'] / each:.1f})" if row else NOTHING


def _difference(
    rows: Iterable[dict[str, Any]], *, network: str = "msra", engine: str = "litert", precision: str = "float32"
) -> str:
    """Return how far an export's joints are from those of Keras in mm."""
    row = _timing(rows, network=network, what="network", engine=engine, precision=precision, batch=1)
    difference_mm = row.get("difference_mm")
    return NOTHING if difference_mm is None else f"{difference_mm:.2f}"


def _timing(rows: Iterable[dict[str, Any]], **subject: object) -> dict[str, Any]:
    return next((row for row in rows if subject.items() <= row.items()), {})


def _millions(number: int) -> str:
    return f"{number / 1e6:.1f} M"


def _table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [titles, ["---"] * len(titles), *rows]
    # No spaces in the rule, and none in the corner of a table without a title there.
    return "".join(f"| {' | '.join(cells)} |\n".replace(" --- ", "---").replace("|  |", "| |") for cells in lines)


if __name__ == "__main__":
    sys.exit(main())
