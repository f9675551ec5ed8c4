"""One call that fits the prior, trains, measures and publishes, and goes on where it was interrupted."""

from __future__ import annotations

import csv
import importlib.util
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import keras
import numpy as np

from keras_handpose import __version__
from keras_handpose.confidence import Confidence
from keras_handpose.datasets.batches import steps_per_epoch
from keras_handpose.datasets.crops import LabelledCrops
from keras_handpose.engines import Engine
from keras_handpose.engines.keras import KerasEngine
from keras_handpose.evaluation import fit_confidence
from keras_handpose.files import whole_file
from keras_handpose.layers import PCAPrior
from keras_handpose.models import weights
from keras_handpose.models.metrics import JointLoss, MeanJointErrorMM
from keras_handpose.models.residual_attention import CONFIGURATIONS, ResidualAttentionRegressor
from keras_handpose.training.checkpoints import load_checkpoint, save_checkpoint
from keras_handpose.training.data import TrainingData
from keras_handpose.training.determinism import seed_step, use_deterministic_operations
from keras_handpose.training.distribution import ONE_DEVICE, Distribution, Replicas, open_replicas
from keras_handpose.training.recipe import PAPER, Recipe
from keras_handpose.training.run_folder import check_same_plan, hold_folder, settle_plan, write_json

__all__ = ["Network", "is_finished", "train"]

Network = Callable[[int, PCAPrior | None], keras.Model]
"""From the number of joints and the fitted prior to a model from crops to joints in the unit cube."""


def train(
    output: str | os.PathLike,
    data: TrainingData,
    recipe: Recipe = PAPER,
    *,
    network: Network | None = None,
    distribution: Distribution = ONE_DEVICE,
    workers: int = 2,
    tensorboard: bool = False,
    verbose: int | str = "auto",
) -> keras.Model:
    """Train a network, or go on with it.

    Writes to ``output``, each file in one step:

    - ``plan.json``: recipe and data. A folder holds one run.
    - ``last.keras``: the whole state after every checkpoint. A run that was killed goes on from there when it is called
      again with the same arguments, and sees the crops that it would have seen.
    - ``best.keras``: the same, of the checkpoint with the least error on the crops that are watched, if there are any.
    - ``log.csv``: learning rate, loss and mean error in mm on the crops of training and on those watched.
    - ``errors.json``: the last weights' figures on the frames that the network is judged by. For a store, also
      ``predictions.txt`` and ``truth.txt``, a frame a line, ``u v d`` for every joint.
    - ``NAME.weights.h5`` and ``NAME.json``: the last weights and their record. It has what poses are scored with: that
      of the weights it started from, or one fitted to the watched crops if these give enough good and bad poses.

    Args:
        output: Folder of the run.
        data: What to train on: `StoredCrops` or `RenderedHands`.
        recipe: How.
        network: Builds another network than `ResidualAttentionRegressor`: a function of the number of joints and the
            fitted prior, a layer, or None without one. Its weight decay is its own business, and as nothing can rebuild
            it from a record, its weights are in ``last.keras`` only.
        distribution: Devices and processes that train it together; by default one device. Each process calls this
            function with its own rank, and process 0 writes the files and judges.
        workers: Threads that prepare crops, in each process.
        tensorboard: Whether to log to the folder ``tensorboard``, too.
        verbose: As in `keras.Model.fit`.

    Returns:
        The trained model, on one device. Without `network`,
        ``ResidualAttentionRegressor(weights=".../NAME.weights.h5")`` is the same.

    Raises:
        ValueError: The folder holds a run of another plan, recipe and data do not fit each other, TensorBoard is
            asked for but not installed, or the backend or the machine cannot distribute like that.
        OSError: Another process is at work in the folder, the crops cannot be read, or another process ended.

    Example:
        ``train("runs/p0", StoredCrops("msra15.h5", leave_out=["P0"]))`` trains as the paper did.
    """
    folder = Path(output)
    if tensorboard and importlib.util.find_spec("tensorboard") is None:
        raise ValueError(
            "`tensorboard=True` needs TensorBoard, which is not installed. Install it with pip install tensorboard."
        )
    if tensorboard and distribution.processes > 1:
        raise ValueError(
            f"`tensorboard=True` goes with one process. Received: processes={distribution.processes}. See log.csv."
        )
    steps = _steps(data, recipe)  # Data that cannot be trained on are refused before anything is written.
    if recipe.weights is not None:
        _check_weights(data, recipe, network)
    replicas = open_replicas(distribution, recipe.batch)
    with closing(data), ExitStack() as held:
        plan = _plan(data, recipe, network)
        if distribution.writes:
            held.enter_context(hold_folder(folder))
            settle_plan(folder, plan)
        if recipe.deterministic:
            use_deterministic_operations()
        keras.utils.set_random_seed(recipe.seed)
        run = _Run(folder, data, recipe, steps, distribution, replicas)
        with replicas.connected():
            check_same_plan(json.loads(replicas.share(json.dumps(plan).encode())), plan, "Process 0 has")
            model = _fit(run, network, workers=workers, tensorboard=tensorboard, verbose=verbose)
        if distribution.writes:
            engine = KerasEngine(model, batch_size=64)
            errors = data.judge(engine, folder, workers=workers)
            if network is None:
                _publish(model, folder, data, recipe, errors, _calibrated(engine, data, recipe, workers=workers))
            if errors is not None:
                write_json(folder / "errors.json", errors)
    return model


def is_finished(
    output: str | os.PathLike, data: TrainingData, recipe: Recipe = PAPER, *, network: Network | None = None
) -> bool:
    """Say whether `train` has come to its end with these arguments in a folder.

    Raises:
        ValueError: The folder holds a run of another plan.
    """
    if not (Path(output) / "errors.json").exists():
        return False
    settle_plan(Path(output), _plan(data, recipe, network))
    return True


class _Steps(NamedTuple):
    in_pass: int  # over the crops
    to_checkpoint: int
    checkpoints: int


def _steps(data: TrainingData, recipe: Recipe) -> _Steps:
    in_pass = steps_per_epoch(len(data), recipe.batch)
    if in_pass < 1:
        raise ValueError(f"A batch needs {recipe.batch} crops. Received: {len(data)}. Choose a smaller `batch`.")
    steps = recipe.epochs * in_pass
    checkpoints = -(-steps // (recipe.checkpoint_steps or in_pass))
    return _Steps(in_pass, to_checkpoint=-(-steps // checkpoints), checkpoints=checkpoints)


def _plan(data: TrainingData, recipe: Recipe, network: Network | None) -> dict[str, Any]:
    return {"recipe": recipe.as_dict(), "data": data.identity(), "network": _name(network)}


def _name(network: Network | None) -> str | None:
    if isinstance(network, partial):
        return f"{_name(network.func)}({', '.join(f'{k}={v!r}' for k, v in network.keywords.items())})"
    return None if network is None else getattr(network, "__qualname__", type(network).__qualname__)


def _fit(run: _Run, network: Network | None, *, workers: int, tensorboard: bool, verbose: int | str) -> keras.Model:
    """Build a model or take it up where it was left, and train it to the recipe's end."""
    data, recipe, steps = run.data, run.recipe, run.steps
    cube = _common_cube(data, recipe)
    with _precision(recipe.precision):
        model = run.resume() if run.distribution.writes else None
        if model is None and run.distribution.writes:
            model = _build(data, recipe, network)
            model.compile(
                keras.optimizers.Adam(run.learning_rates),
                loss=JointLoss(recipe.huber_delta),
                metrics=[MeanJointErrorMM(cube)],
            )
        trained = run.begin(model)
    if run.done == steps.checkpoints:
        return run.plain
    callbacks = [run, keras.callbacks.TensorBoard(run.folder / "tensorboard")] if tensorboard else [run]
    watched = data.validation(workers=workers) if run.distribution.writes else None
    watched = None if watched is None else _inputs_and_targets(watched, cube)
    if trained is not run.plain:
        # Their number need not be a multiple of the devices', so they are watched on one.
        run.watched, watched = watched, None

    # TensorFlow keeps what makes batches for ever: it must not hold the model.
    start, part = run.done * steps.to_checkpoint, run.distribution.part(recipe.batch)

    def batches() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        started = data.batches(
            recipe.batch,
            seed=recipe.seed,
            start=start,
            augmentation=recipe.augmentation,
            workers=workers,
            part=part,
        )
        with closing(started):
            for crops in started:
                yield _inputs_and_targets(crops, cube)

    with run.replicas.fitting(), run.replicas.feed(batches, recipe.batch) as feed:
        trained.fit(
            feed,
            initial_epoch=run.done,
            epochs=steps.checkpoints,
            steps_per_epoch=steps.to_checkpoint,
            shuffle=False,
            validation_data=watched,
            validation_batch_size=recipe.batch,
            callbacks=callbacks,
            verbose=verbose if run.distribution.writes else 0,
        )
    return run.plain


def _build(data: TrainingData, recipe: Recipe, network: Network | None) -> keras.Model:
    joints = len(data.skeleton)
    if recipe.weights is not None:
        return ResidualAttentionRegressor(weights=recipe.weights, weight_decay=recipe.weight_decay)
    prior = None
    if recipe.components is not None:
        prior = PCAPrior(joints, recipe.components, name="prior")
        prior.adapt(data.poses())
    if network is not None:
        return network(joints, prior)
    return ResidualAttentionRegressor(
        joints=joints,
        input_shape=(data.size, data.size, 1),
        prior=None if prior is None else tuple(prior.get_weights()),
        weight_decay=recipe.weight_decay,
        **recipe.architecture,
    )


def _check_weights(data: TrainingData, recipe: Recipe, network: Network | None) -> None:
    """See that the weights to start from are of the data's joints."""
    _, record = weights.resolve(recipe.weights)
    if network is not None:
        raise ValueError(f"Weights are of their own network. Received: weights={recipe.weights!r} and a `network`.")
    if record.skeleton != data.skeleton.name:
        raise ValueError(
            f"The weights {recipe.weights!r} are of the layout {record.skeleton}, the crops of {data.skeleton.name}. "
            "Start from the preset of that layout, or convert the labels (keras_handpose.convert_joints)."
        )


def _architecture(data: TrainingData, recipe: Recipe) -> dict[str, Any]:
    """Return the factory's arguments, as they go into the record."""
    if recipe.weights is not None:
        return dict(weights.resolve(recipe.weights)[1].architecture)
    table = CONFIGURATIONS[recipe.architecture.get("configuration", "compact")]
    fitted = {"joints": len(data.skeleton), "input_shape": (data.size, data.size, 1), "prior": recipe.components}
    return {**table, **fitted, **recipe.architecture}


@contextmanager
def _precision(name: str) -> Iterator[None]:
    """Set the dtype policy of what is built or loaded: layers, and the optimizer, which may have to scale the loss."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def _common_cube(data: TrainingData, recipe: Recipe) -> float | None:
    """Return the cube of all crops in mm, None if they differ."""
    differ = len(data.cubes) > 1 or (recipe.augmentation is not None and recipe.augmentation.scale > 0)
    return None if differ else float(data.cubes[0])


def _inputs_and_targets(crops: LabelledCrops, cube: float | None) -> tuple[np.ndarray, np.ndarray]:
    """Return images and joints, each joint with the edge of its cube where cubes differ."""
    if cube is not None:
        return crops.images, crops.joints_unit
    cubes = np.broadcast_to(crops.cubes[:, None, None], (*crops.joints_unit.shape[:2], 1))
    return crops.images, np.concatenate([crops.joints_unit, cubes], axis=-1).astype(np.float32)


class _Run(keras.callbacks.Callback):
    """Keeps state and log of a run. Whatever a kill interrupts, state, log and best agree once it is resumed."""

    def __init__(
        self,
        folder: Path,
        data: TrainingData,
        recipe: Recipe,
        steps: _Steps,
        distribution: Distribution,
        replicas: Replicas,
    ):
        super().__init__()
        self.folder = folder
        self.data = data
        self.recipe = recipe
        self.steps = steps
        self.distribution = distribution
        self.replicas = replicas
        self.watched: tuple[np.ndarray, np.ndarray] | None = None
        self.plain: keras.Model | None = None
        self.learning_rates = recipe.learning_rates(
            pass_steps=steps.in_pass, steps=steps.to_checkpoint * steps.checkpoints
        )
        self.history: list[dict[str, Any]] = []

    @property
    def done(self) -> int:
        """Number of checkpoints so far."""
        return len(self.history)

    def resume(self) -> keras.Model | None:
        """Return the model as it was left, if there is one."""
        last = self.folder / "last.keras"
        if not last.exists():
            return None
        model, self.history = load_checkpoint(last)
        self._follow()
        return model

    def begin(self, model: keras.Model | None) -> keras.Model:
        """Keep a model for the files, and return the one to train: the same, or one on all devices and processes."""
        self.plain = model
        if self.distribution.devices == self.distribution.processes == 1:
            return model
        with TemporaryDirectory() as folder:
            state = Path(folder) / "state.keras"
            if model is not None:
                model.optimizer.build(model.trainable_variables)
                save_checkpoint(state, model, self.history)
            state.write_bytes(self.replicas.share(state.read_bytes() if state.exists() else b""))
            # What is built to be loaded into starts from random weights, and must be the same everywhere.
            keras.utils.set_random_seed(self.recipe.seed)
            self.plain, self.history = load_checkpoint(state)
            return self.replicas.spread(lambda: load_checkpoint(state)[0])

    def on_train_batch_begin(self, batch, logs=None):
        seed_step(self.recipe.seed, self.done * self.steps.to_checkpoint + batch)

    def on_epoch_end(self, epoch, logs=None):
        self.replicas.copy(self.model, self.plain)
        with self.replicas.alone():
            if logs is not None:
                logs.update(self._watch())  # The progress bar, which comes later, shows them.
            steps = (epoch + 1) * self.steps.to_checkpoint
            row = {
                "step": steps,
                "epoch": round(steps / self.steps.in_pass, 4),
                "learning_rate": float(f"{float(self.learning_rates(steps - 1)):.6g}"),
            }
            self.history.append({**row, **{key: float(value) for key, value in (logs or {}).items()}})
            if self.distribution.writes:
                save_checkpoint(self.folder / "last.keras", self.plain, self.history)
                self._follow()

    def _watch(self) -> dict[str, float]:
        if self.watched is None:
            return {}
        images, targets = self.watched
        logs = self.plain.evaluate(images, targets, batch_size=self.recipe.batch, verbose=0, return_dict=True)
        return {f"val_{key}": value for key, value in logs.items()}

    def _follow(self) -> None:
        """Bring everything up to date with the last checkpoint, which holds all of it."""
        with whole_file(self.folder / "log.csv") as path, path.open("w", newline="") as file:
            writer = csv.DictWriter(file, self.history[-1])
            writer.writeheader()
            writer.writerows(self.history)
        errors = [row["val_mean_error_mm"] for row in self.history if "val_mean_error_mm" in row]
        if errors and errors[-1] <= min(errors):
            with whole_file(self.folder / "best.keras") as path:
                shutil.copyfile(self.folder / "last.keras", path)


def _calibrated(engine: Engine, data: TrainingData, recipe: Recipe, *, workers: int) -> Confidence | None:
    """Return what poses are scored with: what the weights came with that were started from, or else what fits the crops
    that were watched; None where neither is possible."""
    if recipe.weights is not None:
        record = weights.resolve(recipe.weights)[1]
        if record.confidence is not None and record.cube == data.cube:
            return record.kept_confidence()
    crops = data.validation(workers=workers)
    with suppress(ValueError):  # There are not enough good and bad poses.
        if crops is not None:
            return fit_confidence(crops, engine(crops.images), data=f"the {len(crops):,} crops that were watched")
    return None


def _publish(
    model: keras.Model,
    folder: Path,
    data: TrainingData,
    recipe: Recipe,
    errors: dict[str, Any] | None,
    confidence: Confidence | None,
) -> None:
    """Write the weights and their record."""
    trained_on = data.describe()
    if recipe.weights is not None:
        trained_on = f"{weights.resolve(recipe.weights)[1].trained_on}, then {trained_on}"
    weights.save(
        model,
        folder / f"{recipe.name}{weights.WEIGHTS_SUFFIX}",
        architecture=_architecture(data, recipe),
        skeleton=data.skeleton.name,
        camera=data.camera,
        cube=data.cube,
        hand="right",
        trained_on=trained_on,
        training={
            "command": "keras-handpose train",
            "version": __version__,
            "data": data.identity(),
            "cubes_mm": [float(data.cubes[0]), float(data.cubes[-1])],
            "recipe": recipe.as_dict(),
        },
        errors={} if errors is None else {errors["data"]: {k: v for k, v in errors.items() if k != "data"}},
        confidence=confidence,
    )
