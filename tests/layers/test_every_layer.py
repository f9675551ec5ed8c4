"""What every layer must stand, and what its constructor refuses."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from rituals import LAYERS, check_layer, features

from keras_handpose import layers
from keras_handpose.layers import AttentionModule, HandCrop, HandDetector, PCAPrior, ResidualUnit, UnitToCamera


def test_no_layer_is_left_out():
    assert {case.layer.__name__ for case in LAYERS.values()} == set(layers.__all__)


@pytest.mark.parametrize("case", LAYERS.values(), ids=LAYERS)
def test_ritual(case, tmp_path):
    check_layer(case, tmp_path)


COUNTS = "`p`, `t`, `r` and `poolings` must be whole numbers.*Received: filters="
CUBE = "`cube` must be a positive edge in mm. Received: cube="


@pytest.mark.parametrize(
    ("layer", "arguments", "message"),
    [
        (ResidualUnit, {"filters": 0}, "at least 1, and.*Received: filters=0"),
        (ResidualUnit, {"filters": 2.5}, "`filters` must be a whole number.*Received: filters=2.5"),
        (ResidualUnit, {"filters": "8"}, "Received: filters='8'"),
        (ResidualUnit, {"filters": 3, "bottleneck": True}, "at least 4, and.*Received: filters=3"),
        (ResidualUnit, {"filters": 4, "strides": 0}, "strides=0"),
        (ResidualUnit, {"filters": 4, "strides": (2, 2)}, r"strides=\(2, 2\)"),
        (AttentionModule, {"filters": 0}, COUNTS),
        (AttentionModule, {"filters": 2, "bottleneck": True}, "at least 4, and.*Received: filters=2"),
        (AttentionModule, {"filters": 4, "t": 0}, COUNTS),
        (AttentionModule, {"filters": 4, "r": 0}, COUNTS),
        (AttentionModule, {"filters": 4, "poolings": 0}, f"{COUNTS}4.*pass attention=False"),
        (AttentionModule, {"filters": 4, "p": -1}, COUNTS),
        (AttentionModule, {"filters": 4, "p": 1.5}, COUNTS),
        (PCAPrior, {"joints": 5, "components": 0}, "Received: components=0, joints=5"),
        (PCAPrior, {"joints": 5, "components": 16}, "between 1 and 3.*Received: components=16, joints=5"),
        (PCAPrior, {"joints": 5.5, "components": 2}, "whole numbers.*Received: components=2, joints=5.5"),
        (PCAPrior, {"joints": 0, "components": 1}, "Received: components=1, joints=0"),
        (HandCrop, {"cube": 0}, CUBE),
        (HandCrop, {"cube": np.nan}, CUBE),
        (HandCrop, {"cube": "250"}, CUBE),
        (HandCrop, {"cube": 250, "size": 0}, "`size` must be a whole number of px.*Received: size=0"),
        (HandCrop, {"cube": 250, "size": 12.5}, "Received: size=12.5"),
        (HandDetector, {"cube": 0}, CUBE),
        (HandDetector, {"cube": np.inf}, CUBE),
        (HandDetector, {"cube": 250, "min_score": 0}, r"in \(0, 1\]. Received: min_score=0"),
        (HandDetector, {"cube": 250, "min_score": 2}, "Received: min_score=2"),
        (UnitToCamera, {"cube": -1}, CUBE),
        (UnitToCamera, {"cube": None}, CUBE),
    ],
)
def test_arguments_that_are_refused(layer, arguments, message):
    with pytest.raises(ValueError, match=message):
        layer(**arguments)


@pytest.mark.parametrize("block", [ResidualUnit(4), AttentionModule(4, poolings=1)])
@pytest.mark.parametrize("inputs", [features(8, 4), features(2, 8, 4), keras.KerasTensor((None, 8, 8, None))])
def test_features_that_are_none(block, inputs):
    with pytest.raises(ValueError, match="known number of channels. Received: input_shape="):
        block(inputs)
