"""Training on rendered hands: one call that renders, fits the prior, trains, and goes on where it was interrupted."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_handpose import __version__
from keras_handpose.evaluation import joint_errors, summarise_errors
from keras_handpose.layers import PCAPrior
from keras_handpose.models import weights
from keras_handpose.models.metrics import MeanJointErrorMM
from keras_handpose.models.residual_attention import CONFIGURATIONS, ResidualAttentionRegressor
from keras_handpose.skeletons import SKELETONS
from keras_handpose.synthetic import (
    describe_test_set,
    iterate_crops,
    render_crops,
    rendered_test_set,
    sample_poses,
)

__all__ = ["RenderedTraining", "train"]

_VALIDATION_SEED = 7
_PRIOR_SEED = 11
_PRIOR_POSES = 20_000


@dataclass(frozen=True, kw_only=True)
class RenderedTraining:
    """A plan of training on rendered hands. The same plan gives the same crops in the same order.

    Args:
        name: What the weights will be called.
        skeleton: Name of the joint layout in `SKELETONS`.
        camera: Name of the camera that the record names as the one these joints belong to.
        cube: Edge of the crops in mm.
        samples: Crops to train on; each is seen once.
        batch: Crops a step.
        learning_rate: Peak of Adam's learning rate; it rises over the first 3 % of the steps and falls along a cosine.
        weight_decay: Factor of the L2 penalty on kernels.
        huber_delta: Where the loss turns from squared to absolute, in the unit cube; None for the paper's squared loss.
        components: Components of the pose prior; None for no prior.
        architecture: Further arguments of `ResidualAttentionRegressor`.
        seed: Source of all randomness.
        steps_per_epoch: Steps between checkpoints.

    Raises:
        ValueError: A number is not positive or the skeleton is unknown.
    """

    name: str = "trained"
    skeleton: str = "msra21"
    camera: str = "msra15"
    cube: float = 250.0
    samples: int = 240_000
    batch: int = 64
    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    huber_delta: float | None = 0.1
    components: int | None = 45
    architecture: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    steps_per_epoch: int = 100

    def __post_init__(self) -> None:
        if self.skeleton not in SKELETONS:
            raise ValueError(f"`skeleton` must be one of {', '.join(SKELETONS)}. Received: {self.skeleton!r}.")
        for name in ("cube", "samples", "batch", "learning_rate", "steps_per_epoch"):
            if not getattr(self, name) > 0:
                raise ValueError(f"`{name}` must be positive. Received: {name}={getattr(self, name)}.")

    @property
    def epochs(self) -> int:
        """Number of checkpoints, the last one at the end."""
        return -(-self.samples // (self.batch * self.steps_per_epoch))


def train(
    output: str | os.PathLike,
    plan: RenderedTraining | None = None,
    *,
    workers: int = 2,
    verbose: int | str = "auto",
) -> keras.Model:
    """Train on rendered hands, or go on with it.

    Writes to ``output``: ``plan.json``; ``last.keras``, the whole state after every epoch, replaced in one step;
    ``log.csv`` with loss and mean error in mm on the training and on held-out crops. A run that was killed goes on from
    ``last.keras`` when it is called again with the same plan; the crops that it sees are those that it would have seen.

    Args:
        output: Folder of the run.
        plan: What to do, by default the plan of an interrupted run in that folder, or `RenderedTraining()`.
        workers: Threads that render.
        verbose: As in `keras.Model.fit`.

    Returns:
        The trained model. Its weights and their record, with the error on the rendered test set, lie in the folder as
        ``NAME.weights.h5`` and ``NAME.json``: ``ResidualAttentionRegressor(weights=".../NAME.weights.h5")``.

    Raises:
        ValueError: The folder holds a run of another plan.

    See Also:
        `keras_handpose.synthetic.rendered_test_set`.
    """
    folder = Path(output)
    plan = _settle_plan(folder, plan)
    skeleton = SKELETONS[plan.skeleton]
    checkpoint = folder / "last.keras"
    model = keras.saving.load_model(checkpoint) if checkpoint.exists() else _new_model(plan)
    done = int(model.optimizer.iterations)

    validation = render_crops(512, seed=_VALIDATION_SEED, skeleton=skeleton, cube=plan.cube, workers=workers)
    batches = _batches(plan, start=done, workers=workers)
    model.fit(
        batches,
        initial_epoch=done // plan.steps_per_epoch,
        epochs=plan.epochs,
        steps_per_epoch=plan.steps_per_epoch,
        shuffle=False,
        validation_data=(validation.images, validation.joints_unit),
        validation_freq=5,
        callbacks=[_Checkpoint(checkpoint), keras.callbacks.CSVLogger(folder / "log.csv", append=done > 0)],
        verbose=verbose,
    )
    batches.close()
    _publish(model, folder / f"{plan.name}.weights.h5", plan)
    return model


def _settle_plan(folder: Path, plan: RenderedTraining | None) -> RenderedTraining:
    """Return the plan of the run in the folder, after writing it there if there is none."""
    path = folder / "plan.json"
    if path.exists():
        kept = RenderedTraining(**json.loads(path.read_text(encoding="utf-8")))
        if plan is not None and _as_json(plan) != _as_json(kept):
            raise ValueError(
                f"{folder} holds a run of another plan. Received: {plan}, but {path.name} says {kept}. "
                "Choose another folder, or remove this one to start anew."
            )
        return kept
    plan = plan or RenderedTraining()
    folder.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".partial")
    draft.write_text(_as_json(plan), encoding="utf-8")
    os.replace(draft, path)
    return plan


def _as_json(plan: RenderedTraining) -> str:
    return json.dumps(asdict(plan), indent=2) + "\n"


def _new_model(plan: RenderedTraining) -> keras.Model:
    keras.utils.set_random_seed(plan.seed)
    skeleton = SKELETONS[plan.skeleton]
    prior = None
    if plan.components is not None:
        poses = sample_poses(_PRIOR_POSES, seed=_PRIOR_SEED, skeleton=skeleton, cube=plan.cube)
        prior = _fit_prior(poses, plan.components)
    model = ResidualAttentionRegressor(
        joints=len(skeleton), prior=prior, weight_decay=plan.weight_decay, **plan.architecture
    )
    steps = plan.epochs * plan.steps_per_epoch
    warmup = max(1, int(0.03 * steps))
    schedule = keras.optimizers.schedules.CosineDecay(
        plan.learning_rate * 0.02,
        decay_steps=max(1, steps - warmup),
        alpha=1e-3,
        warmup_target=plan.learning_rate,
        warmup_steps=warmup,
    )
    loss = keras.losses.MeanSquaredError() if plan.huber_delta is None else keras.losses.Huber(delta=plan.huber_delta)
    model.compile(keras.optimizers.Adam(schedule), loss=loss, metrics=[MeanJointErrorMM(plan.cube)])
    return model


def _fit_prior(poses: np.ndarray, components: int) -> tuple[np.ndarray, np.ndarray]:
    prior = PCAPrior(poses.shape[1], components)
    prior.adapt(poses)
    basis, mean = prior.get_weights()
    return basis, mean


def _publish(model: keras.Model, path: Path, plan: RenderedTraining) -> None:
    """Measure the model on the rendered test set and write weights and record."""
    crops = rendered_test_set(skeleton=SKELETONS[plan.skeleton], cube=plan.cube)
    to_mm = plan.cube / 2
    predicted = model.predict(crops.images, batch_size=64, verbose=0)
    errors = summarise_errors(joint_errors(predicted * to_mm, crops.joints_unit * to_mm), crops.skeleton)
    architecture = {**CONFIGURATIONS["compact"], "joints": len(crops.skeleton), "prior": plan.components}
    weights.save(
        model,
        path,
        architecture={**architecture, **plan.architecture},
        skeleton=plan.skeleton,
        camera=plan.camera,
        cube=plan.cube,
        hand="right",
        trained_on=f"{_samples(plan):,} rendered hands",
        training={
            "data": "rendered right hands, one pass over fresh crops",
            "command": "keras-handpose train",
            "version": __version__,
            "plan": asdict(plan),
        },
        errors={describe_test_set(crops): errors},
    )


def _samples(plan: RenderedTraining) -> int:
    return plan.epochs * plan.steps_per_epoch * plan.batch


def _batches(plan: RenderedTraining, *, start: int, workers: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    skeleton = SKELETONS[plan.skeleton]
    for crops in iterate_crops(
        plan.batch, seed=plan.seed, start=start, skeleton=skeleton, cube=plan.cube, workers=workers
    ):
        yield crops.images, crops.joints_unit


class _Checkpoint(keras.callbacks.Callback):
    """Save the whole model after every epoch; a kill in the middle of it leaves the one before."""

    def __init__(self, path: Path):
        super().__init__()
        self.path = path

    def on_epoch_end(self, epoch, logs=None):
        draft = self.path.with_name(f"draft-{self.path.name}")
        self.model.save(draft)
        os.replace(draft, self.path)
