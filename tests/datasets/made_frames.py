"""Frames that look like nothing but keep to a dataset's format: what readers and writers are tested with."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from keras_handpose.datasets import Dataset, Frame

DATA = Path(os.environ.get("KERAS_HANDPOSE_TEST_DATA", "."))
needs_data = pytest.mark.skipif(
    "KERAS_HANDPOSE_TEST_DATA" not in os.environ, reason="KERAS_HANDPOSE_TEST_DATA names no folder with real labels"
)


def made_frame(kept: type[Dataset], path: str, seed: int, *, whole_mm: bool = False) -> Frame:
    """Return a frame with a block of depth, some of it missing, and random joints in front of the camera."""
    rng = np.random.default_rng(seed)
    camera = kept.camera
    depth = np.zeros(camera.shape, np.float32)
    top, left = rng.integers(0, camera.height - 40), rng.integers(0, camera.width - 40)
    block = rng.uniform(200, 1500, (30, 25))
    block[rng.random(block.shape) < 0.2] = 0
    depth[top : top + 30, left : left + 25] = block.round() if whole_mm else block
    return Frame(
        depth=depth,
        joints_xyz=rng.uniform([-100, -100, 300], [100, 100, 800], (len(kept.skeleton), 3)),
        camera=camera,
        skeleton=kept.skeleton,
        hand=kept.hand,
        path=path,
    )


def assert_same(dataset: Dataset, frames: list[Frame], *, within_mm: float) -> None:
    """Assert that a dataset holds frames that were written: depth to the bit, joints as exactly as the format can."""
    assert len(dataset) == len(frames) and [frame.path for frame in dataset] == [frame.path for frame in frames]
    for read, written in zip(dataset, frames, strict=True):
        np.testing.assert_array_equal(read.depth, written.depth)
        np.testing.assert_allclose(read.joints_xyz, written.joints_xyz, rtol=0, atol=within_mm)
        assert (read.camera, read.skeleton, read.hand) == (written.camera, written.skeleton, written.hand)
