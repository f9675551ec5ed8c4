"""How to train, as data: the paper's recipe, the one for rendered hands, and the one that goes on from weights."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

import keras

from keras_handpose.checks import as_number, check_path, check_positive, check_whole
from keras_handpose.datasets.augmentation import Augmentation

__all__ = ["FINETUNING", "PAPER", "RENDERED", "Recipe", "finetuning"]

_PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")
_SCHEDULES = ("step", "cosine")
_SETTLED = {"joints", "input_shape", "prior", "weight_decay", "weights", "include_top"}
_WARM_UP = 0.03  # of the steps, under "cosine"

_COMPONENTS = 30  # the paper's
_WHOLE = ("components", "batch", "epochs", "drop_epoch", "checkpoint_steps")
_POSITIVE = ("learning_rate", "drop", "huber_delta")
_OPTIONAL = {"components", "huber_delta", "checkpoint_steps"}
_LAST_SEED = 2**32 - 1  # that NumPy takes


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How to train. What is left out is as in the paper; the same recipe sees the same crops in the same order.

    The paper gives its L2 weight decay as 3e-4 and leaves open what that is a factor of. Here it is Keras's: the loss
    is ``mean((predicted - true) ** 2) + weight_decay * sum(kernel ** 2)``, the mean over crops, joints and coordinates,
    as in TensorFlow 1's ``tf.losses.mean_squared_error``. Whoever reads TensorFlow 1 code: ``tf.nn.l2_loss`` is half
    the sum, so that ``l2_regularizer(3e-4)`` is ``weight_decay=1.5e-4`` here. Where the data term sums over the J
    joints' coordinates and takes the mean over crops only, it is 3 J times as large as here, and 1.5 J times with
    ``tf.nn.l2_loss``; divide the factor by as much.

    Args:
        name: What the weights will be called.
        architecture: Further arguments of `ResidualAttentionRegressor`.
        components: Components of the pose prior, fitted to the training poses; None for no prior. "auto" becomes the
            paper's 30, and None with `weights`.
        batch: Crops a step.
        epochs: Passes over the training crops.
        learning_rate: Adam's learning rate, at its highest.
        schedule: "step" multiplies it by `drop` once, after `drop_epoch` passes. "cosine" lets it rise over the first
            3 % of the steps and fall along a cosine.
        drop_epoch, drop: See `schedule`.
        weight_decay: Factor of the L2 term on kernels.
        huber_delta: Where the loss turns from squared to absolute, in the unit cube; None for the squared loss.
        augmentation: How to vary the crops; None leaves them as they are.
        precision: Keras's dtype policy: "float32", "mixed_bfloat16" or "mixed_float16".
        weights: Weights to start from, a preset's name or a path; architecture and prior are then theirs.
        seed: Source of all randomness.
        deterministic: Whether to use deterministic operations only, which may be slower: then a run that was killed and
            went on ends with the same weights, bit for bit, as one that was not, on the same machine.
        checkpoint_steps: Steps between two checkpoints, at most; by default a checkpoint follows each pass.

    Raises:
        ValueError: A value is impossible, or an architecture or components are given with weights, which bring theirs.
        TypeError: `architecture`, `augmentation` or `weights` is of another type.

    Example:
        >>> Recipe(epochs=10, drop_epoch=5).batch
        128
        >>> Recipe().components, Recipe(weights="msra").components
        (30, None)
    """

    name: str = "trained"
    architecture: Mapping[str, Any] = field(default_factory=dict)
    components: int | None | Literal["auto"] = "auto"
    batch: int = 128
    epochs: int = 70
    learning_rate: float = 1e-4
    schedule: str = "step"
    drop_epoch: int = 30
    drop: float = 0.1
    weight_decay: float = 3e-4
    huber_delta: float | None = None
    augmentation: Augmentation | None = None
    precision: str = "float32"
    weights: str | None = None
    seed: int = 0
    deterministic: bool = False
    checkpoint_steps: int | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.architecture, Mapping):
            raise TypeError(f"`architecture` must be a mapping. Received: a {type(self.architecture).__name__}.")
        if not isinstance(self.augmentation, Augmentation | None):
            raise TypeError(
                f"`augmentation` must be an Augmentation or None. Received: a {type(self.augmentation).__name__}."
            )
        values: dict[str, Any] = {}
        if self.weights is not None:
            check_path(self.weights, "weights")
            values["weights"] = os.fspath(self.weights)
        if isinstance(self.components, str) and self.components == "auto":
            values["components"] = _COMPONENTS if self.weights is None else None
        # Numbers become Python's own, which JSON can hold.
        for key in (*_WHOLE, *_POSITIVE):
            value = values.get(key, getattr(self, key))
            if value is None and key in _OPTIONAL:
                continue
            values[key] = check_whole(value, key) if key in _WHOLE else check_positive(value, key, "number")
        values["seed"] = check_whole(self.seed, "seed", at_least=0, at_most=_LAST_SEED)
        values["weight_decay"] = as_number(self.weight_decay)
        if not 0 <= values["weight_decay"] < math.inf:
            raise ValueError(
                f"`weight_decay` must be a finite number, at least 0. Received: weight_decay={self.weight_decay!r}."
            )
        for key, value in values.items():
            object.__setattr__(self, key, value)

        for key, choices in (("schedule", _SCHEDULES), ("precision", _PRECISIONS)):
            if getattr(self, key) not in choices:
                raise ValueError(
                    f"`{key}` must be one of {', '.join(choices)}. Received: {key}={getattr(self, key)!r}."
                )
        for key in _SETTLED & self.architecture.keys():
            raise ValueError(
                f"`architecture` must not name `{key}`, which recipe and data settle. "
                f"Received: architecture={dict(self.architecture)}."
            )
        if self.weights is not None and (self.architecture or self.components is not None):
            raise ValueError(
                "Weights to start from bring their own architecture and prior: pass no `architecture`, and None for "
                f"`components` or nothing. Received: weights={self.weights!r}, components={self.components}, "
                f"architecture={dict(self.architecture)}."
            )

    def as_dict(self) -> dict[str, Any]:
        """Return the recipe as what JSON can hold."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Recipe:
        """Make a recipe of what `as_dict` returned, or a record of weights keeps; the inverse of `as_dict`.

        Example:
            >>> Recipe.from_dict(PAPER.as_dict()) == PAPER
            True
        """
        changed = values.get("augmentation")
        return cls(**{**values, "augmentation": None if changed is None else Augmentation(**changed)})

    def learning_rates(self, *, pass_steps: int, steps: int) -> keras.optimizers.schedules.LearningRateSchedule:
        """Return the learning rate as a function of the step.

        Args:
            pass_steps: Steps of a pass over the crops.
            steps: Steps in all.
        """
        if self.schedule == "step":
            # The first value holds up to its boundary, inclusive.
            return keras.optimizers.schedules.PiecewiseConstantDecay(
                [self.drop_epoch * pass_steps - 1], [self.learning_rate, self.learning_rate * self.drop]
            )
        warm_up = max(1, int(_WARM_UP * steps))
        return keras.optimizers.schedules.CosineDecay(
            self.learning_rate * 0.02,
            decay_steps=max(1, steps - warm_up),
            alpha=1e-3,
            warmup_target=self.learning_rate,
            warmup_steps=warm_up,
        )


PAPER = Recipe()
"""The paper's recipe."""

RENDERED = Recipe(
    components=45,
    batch=64,
    epochs=1,
    learning_rate=1e-3,
    schedule="cosine",
    weight_decay=0.0,
    huber_delta=0.04,
    checkpoint_steps=100,
)
"""For rendered hands, of which there are always fresh ones: one fast pass, without penalties."""

FINETUNING = Recipe(
    batch=32,
    epochs=20,
    learning_rate=3e-4,
    schedule="cosine",
    weight_decay=0.0,
    huber_delta=0.04,
    augmentation=Augmentation(rotation=40, jitter_mm=5),
    weights="msra",
)
"""For labelled frames of one's own, from pretrained weights, where there are a thousand or more; see `finetuning`."""

_FEW, _FEW_PASSES, _PASSES_LESS = 10, 60, 20


def finetuning(crops: int, *, weights: str | os.PathLike = "msra") -> Recipe:
    """Return how to train weights further on so many crops, as ``keras-handpose train --finetune`` does by default.

    It is `FINETUNING` with smaller batches and more passes for fewer crops. Ten crops are one batch and seen 60 times.
    With every tenfold of them the batch doubles, to no more than 32 crops, and there are 20 passes less, but 20 at
    least. Fewer than ten are one batch, too, 60 times.

    Args:
        crops: Number of crops that are trained on, those left out not counted: ``len(StoredCrops(...))``.
        weights: Weights to start from, a preset's name or a path.

    Raises:
        ValueError: ``crops`` is not a whole number, at least 1.

    Example:
        >>> [(crops, finetuning(crops).batch, finetuning(crops).epochs) for crops in (10, 100, 1000)]
        [(10, 10, 60), (100, 20, 40), (1000, 32, 20)]
        >>> finetuning(1000) == FINETUNING
        True
    """
    tenfolds = math.log10(check_whole(crops, "crops") / _FEW)
    return replace(
        FINETUNING,
        weights=weights,
        batch=min(crops, FINETUNING.batch, round(_FEW * 2**tenfolds)),
        epochs=min(_FEW_PASSES, max(FINETUNING.epochs, round(_FEW_PASSES - _PASSES_LESS * tenfolds))),
    )
