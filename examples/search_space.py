"""A search over architectures with KerasTuner: the factory's arguments are what is tried, within a budget.

pip install "keras-handpose[tuner]"
python examples/search_space.py runs/search
"""

from __future__ import annotations

import sys
from pathlib import Path

import keras
import keras_tuner

import keras_handpose as khp

CUBE = 250.0  # mm


class SmallNetworks(keras_tuner.HyperModel):
    """Networks of the factory below a number of multiply-accumulate operations."""

    def __init__(self, max_mmacs: float) -> None:
        super().__init__("small_networks")
        self.max_mmacs = max_mmacs

    def build(self, hp: keras_tuner.HyperParameters) -> keras.Model:
        width = hp.Int("width", 4, 16, step=4)
        model = khp.ResidualAttentionRegressor(
            stem=(width, 5),
            filters=(width, 2 * width, 4 * width),
            t=hp.Int("t", 1, 2),
            r=hp.Int("r", 1, 2),
            prior=hp.Choice("prior", [20, 30]),
            hidden=64,
        )
        mmacs = khp.models.count_macs(model) / 1e6
        if mmacs > self.max_mmacs:  # Before it costs a step of training.
            raise keras_tuner.errors.FailedTrialError(f"{mmacs:.0f} MMACs are more than {self.max_mmacs:g}.")
        rate = hp.Float("learning_rate", 3e-4, 3e-3, sampling="log")
        model.compile(keras.optimizers.Adam(rate), khp.JointLoss(), metrics=[khp.MeanJointErrorMM(cube=CUBE)])
        return model


def main(folder: Path, *, trials: int = 6, count: int = 2000, epochs: int = 2) -> dict[str, float]:
    """Search, print the trials and return the best one's hyperparameters."""
    hands = next(khp.synthetic.iterate_crops(count, seed=0, cube=CUBE))
    others = next(khp.synthetic.iterate_crops(count // 4, seed=1, cube=CUBE))
    objective = keras_tuner.Objective("val_mean_error_mm", "min")
    space = SmallNetworks(max_mmacs=60)
    tuner = keras_tuner.RandomSearch(space, objective, max_trials=trials, seed=0, directory=folder)
    validation = (others.images, others.joints_unit)
    tuner.search(hands.images, hands.joints_unit, validation_data=validation, epochs=epochs, verbose=2)
    tuner.results_summary()
    return tuner.get_best_hyperparameters()[0].values


if __name__ == "__main__":
    print(main(Path(sys.argv[1])))
