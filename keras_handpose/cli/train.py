"""``keras-handpose train``: a network from a crop store, from a dataset's files, or from rendered hands."""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from contextlib import closing
from dataclasses import fields, replace
from functools import partial
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from keras_handpose.cli.options import data_option, in_panel, read_architecture
from keras_handpose.cli.output import load_keras, messages, names_in, report_error, say
from keras_handpose.cli.prepare import prepare

if TYPE_CHECKING:
    from keras_handpose.training import Recipe, StoredCrops

__all__ = ["train"]


_recipe = partial(in_panel, "Recipe")
_distribution = partial(in_panel, "Distribution")


# The defaults that are shown here are those of the recipes, which a test compares them with: to read them would load
# Keras, for seconds, before every help.
def _augmentation(*, help: str, default: str = "0") -> Any:
    return in_panel("Augmentation", help=help, default=default)


def train(
    output: Annotated[Path, typer.Option(help="Folder of the run. A run that was interrupted there goes on.")],
    store: Annotated[Path | None, data_option(help="Crops to train on, as `prepare` writes them.")] = None,
    test_store: Annotated[Path | None, data_option(help="Crops to judge by, of a dataset's test split.")] = None,
    dataset: Annotated[
        str | None, data_option(help="msra15, icvl, nyu or frames: prepare its crops in the folder.")
    ] = None,
    data_dir: Annotated[Path | None, data_option(help="Folder of the dataset's own files.")] = None,
    centre: Annotated[str | None, data_option(help="With --dataset: com or ground-truth.", default="com")] = None,
    cube: Annotated[
        str | None, data_option(help="Edge of the cubes in mm; with --dataset, as for `prepare`.", default="250")
    ] = None,
    skip_bad: Annotated[
        bool | None, data_option("--skip-bad", help="With --dataset: go on after frames that cannot be read.")
    ] = None,
    leave_out: Annotated[
        str | None, data_option(help="Subjects to judge by and not to train on, such as P0 or P0,P3.")
    ] = None,
    folds: Annotated[
        str | None, data_option(help="all: leave out every subject once and join the predictions.")
    ] = None,
    preset: Annotated[
        str | None,
        data_option(help="Train as a preset was trained, recipe and rendered hands; other options change that."),
    ] = None,
    samples: Annotated[int | None, data_option(help="Rendered hands: crops to train on.", default="240000")] = None,
    skeleton: Annotated[
        str | None, data_option(help="Rendered hands: msra21, icvl16, nyu14 or hand56.", default="msra21")
    ] = None,
    repeats: Annotated[
        int | None, data_option(help="Rendered hands: crops made of each, all but the first augmented.", default="1")
    ] = None,
    name: Annotated[str | None, _recipe(help="What the weights will be called.", default="trained")] = None,
    weights: Annotated[
        str | None, _recipe("--finetune", help="Weights to start from: a preset or X.weights.h5.", default="none")
    ] = None,
    configuration: Annotated[str | None, _recipe(help="compact or paper: widths and units.", default="compact")] = None,
    architecture: Annotated[
        str | None, _recipe(help="More arguments of ResidualAttentionRegressor, as JSON, such as '{\"t\": 2}'.")
    ] = None,
    attention: Annotated[
        bool | None,
        _recipe("--attention/--no-attention", help="Whether to have mask branches.", default="attention"),
    ] = None,
    components: Annotated[
        int | None,
        _recipe(
            help="Components of the pose prior; 0 for none.", default="30; rendered: 45; finetune: those of the weights"
        ),
    ] = None,
    batch: Annotated[
        int | None, _recipe(help="Crops a step.", default="128; rendered: 64; finetune: by crops, up to 32")
    ] = None,
    epochs: Annotated[
        int | None, _recipe(help="Passes over the crops.", default="70; rendered: 1; finetune: by crops, 60 to 20")
    ] = None,
    learning_rate: Annotated[
        float | None, _recipe(help="Adam's, at its highest.", default="1e-4; rendered: 1e-3; finetune: 3e-4")
    ] = None,
    schedule: Annotated[
        str | None, _recipe(help="step: one drop; cosine: up and down.", default="step; rendered, finetune: cosine")
    ] = None,
    drop_epoch: Annotated[int | None, _recipe(help="Passes before the drop.", default="30")] = None,
    drop: Annotated[float | None, _recipe(help="What it multiplies the learning rate by.", default="0.1")] = None,
    weight_decay: Annotated[
        float | None, _recipe(help="Factor of the L2 term on kernels.", default="3e-4; rendered, finetune: 0")
    ] = None,
    huber_delta: Annotated[
        float | None,
        _recipe(
            help="Error in the unit cube from where the loss is linear; 0: never.",
            default="0; rendered, finetune: 0.04",
        ),
    ] = None,
    precision: Annotated[
        str | None, _recipe(help="float32, mixed_bfloat16 or mixed_float16.", default="float32")
    ] = None,
    seed: Annotated[int | None, _recipe(help="Source of all randomness.", default="0")] = None,
    deterministic: Annotated[
        bool | None, _recipe("--deterministic", help="The same bits also after a kill; may be slower.")
    ] = None,
    checkpoint_steps: Annotated[
        int | None, _recipe(help="Most steps between checkpoints.", default="a pass; rendered: 100")
    ] = None,
    rotation: Annotated[
        float | None, _augmentation(help="Largest angle in degrees.", default="0; finetune: 40")
    ] = None,
    scale: Annotated[float | None, _augmentation(help="Largest relative change of the cube.")] = None,
    jitter_mm: Annotated[
        float | None, _augmentation(help="Standard deviation of the centre in mm.", default="0; finetune: 5")
    ] = None,
    noise_mm: Annotated[float | None, _augmentation(help="Standard deviation of the depth in mm.")] = None,
    devices: Annotated[
        int | None, _distribution(help="Devices of each process, by TensorFlow or JAX.", default="1")
    ] = None,
    processes: Annotated[
        int | None, _distribution(help="Processes that train together, by JAX; without --rank, all here.", default="1")
    ] = None,
    coordinator: Annotated[
        str | None, _distribution(help="HOST:PORT at which process 0 listens.", default="a free port here")
    ] = None,
    rank: Annotated[
        int | None,
        _distribution(help="Be this one of them, from 0; each is started on its machine.", default="all"),
    ] = None,
    tensorboard: Annotated[bool, typer.Option("--tensorboard", help="Log for TensorBoard, too.")] = False,
    workers: Annotated[int, typer.Option(help="Threads that read or render crops.", min=1)] = 2,
) -> None:
    """Fit the pose prior and train a network, with the error in mm as it goes.

    From a store or a dataset, as the paper did; with neither, on rendered hands. The folder gets NAME.weights.h5 and
    its record for `--weights` and `ResidualAttentionRegressor(weights=...)`, the checkpoints last.keras and best.keras,
    log.csv, and for the frames that the network is judged by errors.json, predictions.txt and truth.txt. Killed at any
    moment, the same command goes on.
    """
    options = dict(locals())
    _check_sources(options)
    if processes is not None and rank is None:
        _launch(processes, coordinator)
        return
    if dataset is not None:
        store, test_store = _prepare(options)
    with messages.status("Loading Keras"):
        load_keras()
        from keras_handpose import training

    record = _record(preset) if preset else None
    if store:
        data = training.StoredCrops(store, leave_out=names_in(leave_out), test=test_store)
    else:
        hands = training.RenderedHands.from_identity(record.training["data"]) if record else training.RenderedHands()
        given = {"samples": samples, "joints": skeleton, "cube": _edge(cube), "repeats": repeats}
        data = replace(hands, **{key: value for key, value in given.items() if value is not None})
    if record:
        defaults = training.Recipe.from_dict(record.training["recipe"])
    elif weights:
        defaults = training.finetuning(_least_fold(data) if folds else len(data))
    else:
        defaults = training.PAPER if store else training.RENDERED
    recipe = _recipe_of(defaults, options)
    placed = {"devices": devices, "processes": processes, "rank": rank, "coordinator": coordinator}
    placed = {key: value for key, value in placed.items() if value is not None}
    run = {
        "distribution": training.Distribution(**placed),
        "workers": workers,
        "tensorboard": tensorboard,
        "verbose": "auto" if sys.stdout.isatty() else 2,
    }
    if folds:
        _report(training.train_folds(output, store, recipe, **run), output)
        return
    if processes is None:
        training.train(output, data, recipe, **run)
    else:
        _train_as_one_of_many(output, data, recipe, run)
    if rank:
        return
    if record is not None and record.skeleton != data.joints:
        _choose_joints(output, recipe, record)
    errors = output / "errors.json"
    _report(json.loads(errors.read_text(encoding="utf-8")) if errors.exists() else None, output)


def _launch(processes: int, coordinator: str | None) -> None:
    """Be the process that starts all others, with the arguments of this one."""
    with messages.status("Loading Keras"):
        load_keras()
        from keras_handpose.training.distribution import Distribution, check_backend
        from keras_handpose.training.launching import launch

    # What is wrong is said once, not by all.
    check_backend(Distribution(processes=processes, coordinator=coordinator or "127.0.0.1:0"))
    launch(sys.argv[1:], processes=processes, coordinator=coordinator)


def _train_as_one_of_many(output: Path, data: Any, recipe: Recipe, run: dict[str, Any]) -> None:
    from keras_handpose import training
    from keras_handpose.training.launching import end_with_launcher

    end_with_launcher()
    try:
        training.train(output, data, recipe, **run)
    except Exception as error:
        report_error(error)
        os._exit(2)  # At a usual exit, JAX waits for the other processes, for minutes.


def _record(preset: str) -> Any:
    from keras_handpose.models import weights

    presets = {record.name: record for record in weights.list()}
    if preset not in presets:
        raise ValueError(f"--preset must be one of {', '.join(presets)}. Received: {preset!r}.")
    return presets[preset]


def _least_fold(data: StoredCrops) -> int:
    """Return how many crops a training has that leaves out the subject with most of them."""
    with closing(data):
        most = max(Counter(map(str, data.store.subjects[data.indices])).values())
        return max(1, len(data) - most)  # A lone subject is `train_folds`'s to refuse.


def _choose_joints(output: Path, recipe: Recipe, record: Any) -> None:
    """Write the weights of a preset's joints beside those of all joints."""
    from keras_handpose.models.joint_choice import choose_layout
    from keras_handpose.models.presets import WEIGHTS_SUFFIX

    source, chosen = (output / f"{name}{WEIGHTS_SUFFIX}" for name in (recipe.name, record.name))
    choose_layout(source, chosen, record.skeleton, camera=record.camera)
    say(f"Wrote {chosen}")


_PARTNERS = {
    "test_store": ("store",),
    "data_dir": ("dataset",),
    "centre": ("dataset",),
    "skip_bad": ("dataset",),
    "leave_out": ("store", "dataset"),
    "folds": ("store", "dataset"),
    "coordinator": ("processes",),
    "rank": ("coordinator",),
}
_RIVALS = (
    ("store", "dataset"),
    ("folds", "leave_out"),
    ("folds", "test_store"),
    ("leave_out", "test_store"),
    ("store", "cube"),
    ("preset", "weights"),
    *(("processes", option) for option in ("dataset", "folds")),
    *(("weights", option) for option in ("configuration", "architecture", "attention", "components")),
    *(("preset", option) for option in ("store", "dataset", "skeleton")),
    *((source, option) for source in ("store", "dataset") for option in ("samples", "skeleton", "repeats")),
)


_REASONS = {"weights": ": weights to start from bring their own network and prior"}


def _check_sources(options: dict[str, Any]) -> None:
    """See that the options that say what to train on go together."""
    given = {key for key, value in options.items() if value is not None}
    for option, partners in _PARTNERS.items():
        if option in given and not given & {*partners}:
            raise ValueError(f"{_flag(option)} goes with {' or '.join(map(_flag, partners))}. Received: neither.")
    if "dataset" in given and "data_dir" not in given:
        raise ValueError("--dataset goes with --data-dir, the folder of its files. Received: no --data-dir.")
    for one, other in _RIVALS:
        if {one, other} <= given:
            flags = " and ".join(_flag(option, options[option]) for option in (one, other))
            raise ValueError(f"{flags} do not go together{_REASONS.get(one, '')}. Received: both.")
    if options["folds"] not in (None, "all"):
        raise ValueError(f"--folds must be all; for one fold there is --leave-out. Received: {options['folds']!r}.")


def _flag(option: str, value: Any = None) -> str:
    name = "finetune" if option == "weights" else option.replace("_", "-")
    return f"--no-{name}" if value is False else f"--{name}"


def _prepare(options: dict[str, Any]) -> tuple[Path, Path | None]:
    """Crop a dataset to stores in the run's folder; the second is its test split, if that is what judges."""
    from keras_handpose.datasets import DATASETS

    name, output = options["dataset"], options["output"]
    given = {key: options[key] for key in ("centre", "cube", "workers", "skip_bad") if options[key] is not None}
    splits = ("train", "test") if name in DATASETS and "split" in signature(DATASETS[name]).parameters else (None,)
    if options["leave_out"] or options["folds"]:
        splits = splits[:1]
    stores = [output / f"{name}{f'-{split}' if split else ''}.h5" for split in splits]
    for split, store in zip(splits, stores, strict=True):
        prepare(name, options["data_dir"], store, split=split, **given)
    return stores[0], stores[1] if len(stores) > 1 else None


def _recipe_of(defaults: Recipe, options: dict[str, Any]) -> Recipe:
    """Change a recipe where the options say so."""
    from keras_handpose.datasets import Augmentation

    values = {f.name: options[f.name] for f in fields(defaults) if options.get(f.name) is not None}
    # On the command line, 0 stands for None.
    values |= {key: values[key] or None for key in ("components", "huber_delta") if key in values}
    amounts = {f.name: options[f.name] for f in fields(Augmentation) if options[f.name] is not None}
    if amounts:
        augmentation = replace(defaults.augmentation or Augmentation(), **amounts)
        values["augmentation"] = None if augmentation == Augmentation() else augmentation
    return replace(defaults, **{**values, "architecture": {**defaults.architecture, **_architecture(options)}})


def _architecture(options: dict[str, Any]) -> dict[str, Any]:
    architecture = read_architecture(options["architecture"])
    if options["configuration"] is not None:
        architecture["configuration"] = options["configuration"]
    return architecture if options["attention"] is None else {**architecture, "attention": options["attention"]}


def _edge(cube: str | None) -> float | None:
    try:
        return None if cube is None else float(cube)
    except ValueError:
        raise ValueError(f"--cube must be a number of mm for rendered hands. Received: {cube!r}.") from None


def _report(figures: dict[str, Any] | None, output: Path) -> None:
    """Say where everything is, and how good it is."""
    if figures is not None:
        missed = f", {figures['frames_missed']:,} of them missed" if figures["frames_missed"] else ""
        say(f"Mean error {figures['mean_error_mm']:.2f} mm on {figures['frames']:,} frames{missed}: {figures['data']}")
    say(f"Wrote {output}")
