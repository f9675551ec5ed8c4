"""What the masks and the prior bring: six networks of equal MACs, each trained on the same crops for as long.

"Full" is `compact` as it was at first.

keras-handpose synth data/msra15 --layout msra15 --frames 33750 --subjects 9
keras-handpose prepare --dataset msra15 --data-dir data/msra15 --output data/msra15.h5
python benchmarks/ablation.py data/msra15.h5 runs/ablation --output benchmarks/results/ablation.json

The networks see every crop of eight subjects once and are judged by the ninth. Every run is a process of its own with
one thread; runs that are done are not done again, and one that was killed goes on.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from networks import FIRST_COMPACT
from report import write_report
from trainings import folder_of, run_all

LEFT_OUT = "P0"
COMPONENTS = 30
WITHOUT_MASKS = {**FIRST_COMPACT, "attention": False, "filters": (28, 56, 112)}


@dataclass(frozen=True, kw_only=True)
class Variant:
    """A network, by the factory's arguments or the name of one in `networks`."""

    architecture: dict[str, Any]
    components: int | None = COMPONENTS
    network: str | None = None


VARIANTS = {
    "full": Variant(architecture=FIRST_COMPACT),
    "without masks": Variant(architecture=WITHOUT_MASKS),
    "without prior": Variant(architecture=FIRST_COMPACT, components=None),
    "without both": Variant(architecture=WITHOUT_MASKS, components=None),
    "DeepPrior, widened": Variant(architecture={"width": 64}, network="deep_prior"),
    "DeepPrior++": Variant(architecture={"filters": (56, 112, 224, 256)}, network="deep_prior_plus_plus"),
}


def train_one(store: Path, folder: Path, variant: Variant, seed: int, learning_rate: float) -> None:
    """Train one network and leave its errors and its size in the folder."""
    import networks

    from keras_handpose.models.macs import count_macs
    from keras_handpose.training import Recipe, StoredCrops, train

    network: Callable | None = None
    if variant.network is not None:
        network = partial(getattr(networks, variant.network), **variant.architecture)
    recipe = Recipe(
        name="network",
        epochs=1,
        batch=64,
        learning_rate=learning_rate,
        schedule="cosine",
        weight_decay=0.0,
        components=variant.components,
        architecture=variant.architecture if network is None else {},
        seed=seed,
        checkpoint_steps=160,
    )
    model = train(folder, StoredCrops(store, leave_out=(LEFT_OUT,)), recipe, network=network, workers=1, verbose=0)
    size = {"mmacs": round(count_macs(model) / 1e6, 1), "parameters": model.count_params()}
    (folder / "size.json").write_text(json.dumps(size), encoding="utf-8")


def summarise(arguments: argparse.Namespace, name: str) -> dict[str, Any]:
    folders = [folder_of(arguments.runs, name, seed) for seed in range(arguments.seeds)]
    errors = [json.loads((folder / "errors.json").read_text(encoding="utf-8")) for folder in folders]
    means = [figures["mean_error_mm"] for figures in errors]
    return {
        **json.loads((folders[0] / "size.json").read_text(encoding="utf-8")),
        "mean_error_mm": round(statistics.mean(means), 2),
        "standard_deviation_mm": round(statistics.stdev(means), 2) if len(means) > 1 else None,
        "by_seed_mm": [round(mean, 2) for mean in means],
        "tips_error_mm": round(statistics.mean(figures["tips_error_mm"] for figures in errors), 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("store", help="crops of nine subjects, as `keras-handpose prepare` writes them")
    parser.add_argument("runs", type=Path, help="folder of the runs")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--at-once", type=int, default=2, help="runs at a time")
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--output", type=Path, help="JSON file to write")
    parser.add_argument("--one", nargs=2, metavar=("NETWORK", "SEED"), help="train this one only, in this process")
    arguments = parser.parse_args()
    if arguments.one:
        name, seed = arguments.one[0], int(arguments.one[1])
        folder = folder_of(arguments.runs, name, seed)
        train_one(Path(arguments.store), folder, VARIANTS[name], seed, arguments.learning_rate)
        return

    from keras_handpose.datasets import CropStore

    with CropStore(arguments.store) as store:
        seen, judged = len(store.indices(leave_out=(LEFT_OUT,))), len(store.indices(subjects=(LEFT_OUT,)))
    command = [__file__, arguments.store, str(arguments.runs), "--learning-rate", str(arguments.learning_rate)]
    run_all(command, arguments.runs, VARIANTS, seeds=arguments.seeds, at_once=arguments.at_once, done="size.json")
    figures = {
        "data": f"{seen + judged:,} rendered frames of nine subjects in MSRA15's format; centre of mass",
        "recipe": f"{seen:,} crops once, batch 64, Adam {arguments.learning_rate:g} along a cosine, squared loss, "
        "no weight decay, no augmentation",
        "judged_by": f"{judged:,} frames of {LEFT_OUT}, last weights",
        "seeds": arguments.seeds,
        "results": {name: summarise(arguments, name) for name in VARIANTS},
    }
    write_report(figures, arguments.output)


if __name__ == "__main__":
    main()
