"""What is exported from a tiny network, once for all tests."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
import pytest
from tiny_pipeline import SAID, make_estimator, make_network

from keras_handpose.exporting import Export, export, trial

CROPS = {"_HELD_OUT": trial._HELD_OUT, "_CALIBRATION": trial._CALIBRATION}


@pytest.fixture(scope="session", autouse=True)
def few_crops():
    """Compare on, and calibrate with, few crops."""
    with pytest.MonkeyPatch.context() as patch:
        for name in CROPS:
            patch.setattr(trial, name, 8)
        yield


@pytest.fixture
def all_crops(monkeypatch):
    """Compare on, and calibrate with, as many crops as users do: limits are for the mean over many."""
    for name, number in CROPS.items():
        monkeypatch.setattr(trial, name, number)


@pytest.fixture(scope="session")
def network() -> keras.Model:
    return make_network()


@pytest.fixture(scope="session")
def exported(network, tmp_path_factory) -> Callable[..., Export]:
    """Exports by kind, suffix and precision, each made when it is first asked for."""
    folder = tmp_path_factory.mktemp("exports")
    exports: dict[tuple, Export] = {}

    def get(kind: str, suffix: str, quantize: str | None = None) -> Export:
        key = kind, suffix, quantize
        if key not in exports:
            source, said = (network, SAID) if kind == "network" else (make_estimator(network, hand="left"), {})
            exports[key] = export(source, folder / f"{kind}-{quantize}{suffix}", quantize=quantize, **said)
        return exports[key]

    return get


@pytest.fixture
def crops() -> np.ndarray:
    """As many crops as no fixed batch has."""
    return np.random.default_rng(0).uniform(-1, 1, (5, 64, 64, 1)).astype(np.float32)
