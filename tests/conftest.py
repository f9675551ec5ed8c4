"""What tests of several rooms need."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def tiny_weights(tmp_path_factory) -> Path:
    """Random weights of a tiny network with 21 joints, with their record beside them."""
    import keras

    from keras_handpose.models import ResidualAttentionRegressor, weights

    keras.utils.set_random_seed(0)
    architecture = {"filters": [4, 4], "poolings": [1, 1], "stem": [4, 3], "top_filters": [4], "hidden": 8, "prior": 6}
    path = tmp_path_factory.mktemp("weights") / "tiny.weights.h5"
    weights.save(
        ResidualAttentionRegressor(**architecture),
        path,
        architecture=architecture,
        skeleton="msra21",
        camera="msra15",
        cube=250.0,
        hand="right",
        trained_on="nothing: random weights",
        training={},
        errors={},
    )
    return path


@pytest.fixture(scope="session")
def exported(tmp_path_factory) -> dict[tuple[str, str], Path]:
    """A small network and a stand-in for a pipeline, each in both formats, by kind and suffix."""
    from exported_models import FORMATS, write_export

    folder = tmp_path_factory.mktemp("exported")
    pairs = [(kind, suffix) for kind in ("network", "pipeline") for suffix in FORMATS]
    return {(kind, suffix): write_export(folder / f"{kind}{suffix}", kind) for kind, suffix in pairs}
