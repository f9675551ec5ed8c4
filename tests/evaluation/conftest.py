"""What tests of the evaluation share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def published() -> Path:
    """The folder with published predictions and their ground truth."""
    if "KERAS_HANDPOSE_TEST_DATA" not in os.environ:
        pytest.skip("KERAS_HANDPOSE_TEST_DATA names no folder with published predictions")
    return Path(os.environ["KERAS_HANDPOSE_TEST_DATA"]) / "eval"
