"""What the ingredients of rendered scenes and of the recipe bring: small networks, each trained without one of them.

    python benchmarks/ingredients.py runs/ingredients --output benchmarks/results/ingredients.json

All networks see as many crops and are judged by the rendered benchmark and its slices. They are small and see few
crops, so that what counts only in long training does not show.

Every run is a process of its own with one thread; runs that are done are not done again.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from report import write_report
from trainings import folder_of, run_all

from keras_handpose.datasets.augmentation import Augmentation
from keras_handpose.synthetic import Ingredients, PoseMix

NETWORK = {
    "filters": (12, 24, 48),
    "p": 0,
    "t": 1,
    "r": 1,
    "stem": (8, 5),
    "poolings": (2, 1, 1),
    "top_filters": (48,),
    "maps": 32,
    "hidden": 128,
}
CONDITIONS = (
    "hand and forearm alone",
    "no forearm",
    "wall close behind",
    "body behind",
    "object held",
    "something beside",
    "any view",
)
"""Slices of the benchmark that tell the variants apart."""

JUDGED = "judged.json"


@dataclass(frozen=True, kw_only=True)
class Variant:
    """What is otherwise than in the usual scenes, the recipe for rendered hands and the network above."""

    ingredients: Ingredients = Ingredients()
    recipe: Mapping[str, Any] = field(default_factory=dict)
    network: Mapping[str, Any] = field(default_factory=dict)


VARIANTS = {
    "all": Variant(),
    "no forearms": Variant(ingredients=Ingredients(arms=0.0)),
    "nothing behind": Variant(ingredients=Ingredients(walls=0.0, bodies=0.0)),
    "nothing held": Variant(ingredients=Ingredients(held=0.0)),
    "nothing beside": Variant(ingredients=Ingredients(distractors=0.0)),
    "hand and forearm alone": Variant(ingredients=Ingredients().alone()),
    "usual views only": Variant(ingredients=Ingredients(wide_views=0.0)),
    "no learned poses": Variant(ingredients=Ingredients(poses=PoseMix(learned=0.0))),
    "squared loss": Variant(recipe={"huber_delta": None}),
    "augmentation": Variant(recipe={"augmentation": Augmentation(rotation=30, scale=0.1, jitter_mm=5)}),
    "no masks": Variant(network={"attention": False}),
    "regression head": Variant(network={"head": "regression"}),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, help="folder of the runs")
    parser.add_argument("--samples", type=int, default=24_000, help="crops that each network sees")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--at-once", type=int, default=1, help="runs at a time")
    parser.add_argument("--output", type=Path, help="JSON file to write")
    parser.add_argument("--one", nargs=2, metavar=("VARIANT", "SEED"), help="train this one only, in this process")
    arguments = parser.parse_args()
    if arguments.one:
        name, seed = arguments.one[0], int(arguments.one[1])
        train_one(folder_of(arguments.runs, name, seed), VARIANTS[name], seed, arguments.samples)
        return

    command = [__file__, str(arguments.runs), "--samples", str(arguments.samples)]
    run_all(command, arguments.runs, VARIANTS, seeds=arguments.seeds, at_once=arguments.at_once, done=JUDGED)
    figures = {
        "network": NETWORK,
        "samples": arguments.samples,
        "seeds": arguments.seeds,
        "judged_by": "the rendered benchmark and its slices, mean error in mm of the last weights",
        "results": {name: summarise(arguments, name) for name in VARIANTS},
    }
    write_report(figures, arguments.output)


def train_one(folder: Path, variant: Variant, seed: int, samples: int) -> None:
    """Train one network, and leave its errors on the benchmark and its slices in the folder."""
    from keras_handpose.evaluation import joint_errors
    from keras_handpose.models import count_macs
    from keras_handpose.synthetic import rendered_slice
    from keras_handpose.training import RENDERED, RenderedHands, train

    architecture = {**NETWORK, **variant.network}
    recipe = replace(RENDERED, name="network", architecture=architecture, seed=seed, **variant.recipe)
    model = train(folder, RenderedHands(samples=samples, ingredients=variant.ingredients), recipe, workers=1, verbose=0)
    benchmark = json.loads((folder / "errors.json").read_text(encoding="utf-8"))["mean_error_mm"]
    judged = {"mmacs": round(count_macs(model) / 1e6, 1), "benchmark": benchmark}
    for name in CONDITIONS:
        crops = rendered_slice(name, workers=1)
        joints_unit = model.predict(crops.images, batch_size=64, verbose=0)
        judged[name] = float(joint_errors(joints_unit, crops.joints_unit).mean()) * crops.cubes[0] / 2
    (folder / JUDGED).write_text(json.dumps(judged), encoding="utf-8")


def summarise(arguments: argparse.Namespace, name: str) -> dict[str, float]:
    """Return the means over all seeds."""
    folders = [folder_of(arguments.runs, name, seed) for seed in range(arguments.seeds)]
    judged = [json.loads((folder / JUDGED).read_text(encoding="utf-8")) for folder in folders]
    keys = ("mmacs", "benchmark", *CONDITIONS)
    return {key: round(statistics.mean(figures[key] for figures in judged), 1) for key in keys}


if __name__ == "__main__":
    main()
