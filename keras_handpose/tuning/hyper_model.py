"""The networks of the factory, and their trainings, as KerasTuner searches over them."""

from __future__ import annotations

import csv
import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras

from keras_handpose.layers import PCAPrior
from keras_handpose.models import ResidualAttentionRegressor
from keras_handpose.training import Recipe, TrainingData, train
from keras_handpose.tuning.budget import Budget, Cost, cost_of
from keras_handpose.tuning.candidates import default_recipe, recipe_of
from keras_handpose.tuning.packages import require_tuner
from keras_handpose.tuning.parameters import Span, settled
from keras_handpose.tuning.spaces import SPACES, Space
from keras_handpose.tuning.watched import WatchedData

require_tuner()

import keras_tuner  # noqa: E402 - what is missing is said before.

__all__ = ["HyperResidualAttention", "last_figures"]


class HyperResidualAttention(keras_tuner.HyperModel):
    """The networks of `ResidualAttentionRegressor` and their trainings, for any tuner of KerasTuner.

    `tune` is the whole search: it rejects what is over the budget before it becomes a trial. Tuners of KerasTuner's own
    call `build` and `fit`, and a candidate over the budget is a failed trial that costs no step of training; give them
    a ``max_consecutive_failed_trials`` that allows for it.

    Args:
        data: What to train on, and to watch the error on: `StoredCrops` with subjects left out or a test store, or
            `RenderedHands`.
        space: A space, its name in `SPACES`, or a mapping that changes parameters of the compact one.
        budget: What a network may cost.
        recipe: The recipe of what the space leaves open; by default that of ``keras-handpose train`` for such data,
            with the space's changes. Its epochs are those of a trial.
        workers: Threads that prepare crops.

    Raises:
        ValueError: The space is unknown, there are no crops to watch the error on, or the recipe starts from weights.
        ImportError: KerasTuner, or what it needs, is not installed.

    Example:
        >>> from keras_handpose.training import RenderedHands
        >>> model = HyperResidualAttention(RenderedHands(samples=64), space={"t": [1, 2], "filters": 8, "stages": 2})
        >>> hp = keras_tuner.HyperParameters()
        >>> model.values(hp)["t"], model.recipe_for(hp).architecture["filters"]
        (1, [8, 16])
    """

    def __init__(
        self,
        data: TrainingData,
        *,
        space: Space | str | Mapping[str, Any] = "compact",
        budget: Budget = Budget(),  # noqa: B008 - it is frozen.
        recipe: Recipe | None = None,
        workers: int = 2,
    ) -> None:
        super().__init__("residual_attention")
        if isinstance(space, str):
            if space not in SPACES:
                raise ValueError(f"`space` must be one of {', '.join(SPACES)}. Received: {space!r}.")
            space = SPACES[space]
        elif not isinstance(space, Space):
            space = SPACES["compact"].changed(space)
        self.space = space
        self.data = WatchedData(data)
        self.budget = budget
        self.recipe = default_recipe(data, space) if recipe is None else recipe
        if self.recipe.weights is not None:
            raise ValueError(
                f"Weights to start from bring their own network. Received: recipe.weights={self.recipe.weights!r}."
            )
        self.workers = workers
        self._costs: dict[str, tuple[Cost | None, str | None]] = {}
        self._priors: dict[int, tuple] = {}

    def declare_hyperparameters(self, hp: keras_tuner.HyperParameters) -> None:
        """Tell KerasTuner what is searched over."""
        for name, values in self.space.free.items():
            if isinstance(values, Span):
                hp.Float(name, values.low, values.high, sampling="log" if values.log else "linear")
            else:  # Truth values as 0 and 1: KerasTuner has no others.
                hp.Choice(name, [value + 0 for value in values])

    def values(self, hp: keras_tuner.HyperParameters | Mapping[str, Any]) -> dict[str, Any]:
        """Return a candidate's values of all parameters of the space, the fixed ones as well."""
        if isinstance(hp, keras_tuner.HyperParameters):
            self.declare_hyperparameters(hp)
            hp = hp.values
        fixed = self.space.fixed
        return {name: fixed[name] if name in fixed else settled(name, hp[name]) for name in self.space.parameters}

    def recipe_for(self, hp: keras_tuner.HyperParameters | Mapping[str, Any], *, epochs: int | None = None) -> Recipe:
        """Return how a candidate is trained, with another number of epochs than the recipe's if that is given."""
        recipe = recipe_of(self.values(hp), configuration=self.space.configuration, base=self.recipe)
        return recipe if epochs is None else replace(recipe, epochs=epochs)

    def check(self, hp: keras_tuner.HyperParameters | Mapping[str, Any]) -> tuple[Cost | None, str | None]:
        """Say what a candidate costs, and why it is not to be trained, if so.

        The network is built for it, but not compiled; what is asked for again is remembered.

        Returns:
            The cost, None if the network cannot be built, and the reason, None if nothing is against it.
        """
        recipe = self.recipe_for(hp)
        if recipe.batch > len(self.data):
            return None, f"a batch needs {recipe.batch} crops, and there are {len(self.data):,}"
        key = json.dumps([recipe.architecture, recipe.components], sort_keys=True)
        if key not in self._costs:
            try:
                model = self._network(recipe, prior=recipe.components)
            except ValueError as error:
                self._costs[key] = None, f"it cannot be built: {' '.join(str(error).split())}"
            else:
                cost = cost_of(model, self.budget)
                self._costs[key] = cost, self.budget.excess(cost)
        return self._costs[key]

    def build(self, hp: keras_tuner.HyperParameters) -> keras.Model:
        """Build a candidate with its fitted prior. `fit` compiles it."""
        recipe = self.recipe_for(hp)
        return self._network(recipe, prior=self._fitted(recipe.components))

    def fit(
        self,
        hp: keras_tuner.HyperParameters,
        model: keras.Model,
        *,
        epochs: int | None = None,
        initial_epoch: int = 0,
        callbacks: Sequence[keras.callbacks.Callback] = (),
        verbose: int = 0,
    ) -> dict[str, float]:
        """Train a candidate by its recipe, on batches of its size with its augmentation; KerasTuner calls this.

        Args:
            hp, model: The candidate.
            epochs, initial_epoch: Passes up to which, and from which, to train; by default the recipe's, from the
                start. The learning rate's schedule goes over what is trained here.
            callbacks: KerasTuner's. They hear of the end only: `train` keeps its own state.
            verbose: As in `keras.Model.fit`.

        Returns:
            The figures after the last pass, as in ``log.csv``.

        Raises:
            keras_tuner.errors.FailedTrialError: The candidate is over the budget.
        """
        cost = cost_of(model, self.budget)
        if reason := self.budget.excess(cost):
            raise keras_tuner.errors.FailedTrialError(f"Rejected: {reason}.")
        recipe = self.recipe_for(hp)
        recipe = replace(recipe, components=None, epochs=(epochs or recipe.epochs) - initial_epoch)
        with tempfile.TemporaryDirectory() as folder:
            network = _Built(model)
            train(folder, self.data, recipe, network=network, workers=self.workers, verbose=verbose)
            figures = last_figures(Path(folder))
        for callback in callbacks:
            callback.set_model(model)
            callback.on_epoch_end(recipe.epochs + initial_epoch - 1, figures)
        return figures

    def _network(self, recipe: Recipe, prior: int | tuple | None) -> keras.Model:
        return ResidualAttentionRegressor(
            joints=len(self.data.skeleton),
            input_shape=(self.data.size, self.data.size, 1),
            prior=prior,
            weight_decay=recipe.weight_decay,
            **recipe.architecture,
        )

    def _fitted(self, components: int | None) -> tuple | None:
        if components is None:
            return None
        if components not in self._priors:
            prior = PCAPrior(len(self.data.skeleton), components)
            prior.adapt(self.data.poses())
            self._priors[components] = tuple(prior.get_weights())
        return self._priors[components]


class _Built:
    """A network that is there already, where `train` asks for a way to build one."""

    def __init__(self, model: keras.Model) -> None:
        self.model = model

    def __call__(self, joints: int, prior: PCAPrior | None) -> keras.Model:
        return self.model


def last_figures(folder: Path) -> dict[str, float]:
    """Return the last line of a training's ``log.csv``."""
    with (folder / "log.csv").open(newline="") as file:
        *_, last = csv.DictReader(file)
    return {name: float(value) for name, value in last.items() if value}
