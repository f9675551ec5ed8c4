"""A search for a network within a budget, on a space narrowed to what one can use.

pip install "keras-handpose[tuner]"
python examples/search_space.py runs/search
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import keras_handpose as khp

SPACE = {
    "filters": [4, 8],
    "stages": [2, 3],
    "t": [1, 2],
    "p": 1,
    "r": 1,
    "bottleneck": False,
    "components": [20, 30],
    "maps": 16,
    "hidden": 64,
    "batch": 32,
    "learning_rate": khp.tuning.Span(1e-3, 5e-3, log=True),
}


def main(
    folder: Path, *, trials: int = 6, samples: int = 2048, epochs: int = 2, max_mmacs: float = 20
) -> khp.tuning.Outcome:
    """Search on rendered hands, print what came of it and return it."""
    model = khp.tuning.HyperResidualAttention(
        khp.training.RenderedHands(samples=samples),
        space=khp.tuning.SPACES["mobile"].changed(SPACE),
        budget=khp.tuning.Budget(max_mmacs=max_mmacs),
        recipe=replace(khp.training.RENDERED, epochs=epochs),
    )
    outcome = khp.tuning.tune(folder, model, tuner="random", trials=trials)
    print(outcome.describe())
    print(outcome.command)
    return outcome


if __name__ == "__main__":
    main(Path(sys.argv[1]))
