"""``keras-handpose train``: weights from rendered hands."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from keras_handpose.cli.output import load_keras, messages

__all__ = ["train"]


def train(
    output: Annotated[Path, typer.Argument(help="Folder of the run. A run that was interrupted there goes on.")],
    name: Annotated[str, typer.Option(help="What the weights will be called.")] = "trained",
    skeleton: Annotated[str, typer.Option(help="Joints to learn: msra21, icvl16 or nyu14.")] = "msra21",
    cube: Annotated[float, typer.Option(help="Edge of the crops in mm.")] = 250.0,
    samples: Annotated[int, typer.Option(help="Crops to train on; each is seen once.", min=1)] = 240_000,
    batch: Annotated[int, typer.Option(help="Crops a step.", min=1)] = 64,
    learning_rate: Annotated[float, typer.Option(help="Peak of Adam's learning rate.")] = 1e-3,
    weight_decay: Annotated[float, typer.Option(help="Factor of the L2 penalty on kernels; 3e-4 in the paper.")] = 0.0,
    components: Annotated[int, typer.Option(help="Components of the pose prior; 0 for no prior.", min=0)] = 45,
    attention: Annotated[bool, typer.Option(help="With or without the mask branches.")] = True,
    trunk_units: Annotated[int | None, typer.Option("-t", help="Residual units in each trunk.", min=1)] = None,
    seed: Annotated[int, typer.Option(help="Source of all randomness.")] = 0,
    workers: Annotated[int, typer.Option(help="Threads that render.", min=1)] = 2,
) -> None:
    """Render hands, fit the pose prior and train a network, with the error in mm as it goes.

    Writes NAME.weights.h5 and its record NAME.json to the folder, for `--weights` and
    `ResidualAttentionRegressor(weights=...)`. Killed at any moment, the same command goes on from the last checkpoint.
    """
    with messages.status("Loading Keras"):
        load_keras()
        from keras_handpose.training import RenderedTraining
        from keras_handpose.training import train as train_on_rendered_hands

    architecture = {} if attention else {"attention": False}
    if trunk_units is not None:
        architecture["t"] = trunk_units
    plan = RenderedTraining(
        name=name,
        skeleton=skeleton,
        cube=cube,
        samples=samples,
        batch=batch,
        learning_rate=learning_rate,
        weight_decay=weight_decay,
        components=components or None,
        architecture=architecture,
        seed=seed,
    )
    train_on_rendered_hands(output, plan, workers=workers)
    messages.print(
        f"Wrote {output / f'{name}.weights.h5'} and its record {output / f'{name}.json'}", highlight=False, markup=False
    )
