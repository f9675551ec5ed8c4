"""Rendering in processes: the same crops, no process left over, and a word when one dies."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from keras_handpose import MSRA21
from keras_handpose.datasets import Augmentation
from keras_handpose.synthetic import Ingredients, iterate_crops
from keras_handpose.synthetic.render_process import RenderProcesses

SETTINGS = {"skeleton": MSRA21, "cube": 250.0, "size": 32, "rigs": ("msra15", "sr305")}


def test_processes_render_what_threads_do():
    options = {"seed": 3, "size": 32, "repeats": 2, "augmentation": Augmentation(rotation=30)}
    by_threads, by_processes = (
        list(itertools.islice(iterate_crops(8, processes=processes, workers=1, **options), 2))
        for processes in (False, True)
    )
    for one, other in zip(by_threads, by_processes, strict=True):
        np.testing.assert_allclose(other.images, one.images, atol=2e-5)
        np.testing.assert_allclose(other.joints_unit, one.joints_unit, atol=1e-5)
        np.testing.assert_allclose(other.centres_xyz, one.centres_xyz, atol=1e-3)
        assert ((other.images == 1) == (one.images == 1)).all()


def test_each_rendering_is_used_again_and_changed():
    plain = next(iterate_crops(4, seed=5, size=32))
    crops = next(iterate_crops(8, seed=5, size=32, repeats=2, augmentation=Augmentation(rotation=90)))
    np.testing.assert_array_equal(crops.images[:4], plain.images)
    np.testing.assert_array_equal(crops.joints_unit[:4], plain.joints_unit)
    assert (np.abs(crops.joints_unit[4:] - plain.joints_unit).max(axis=(1, 2)) > 0.02).all()


@pytest.mark.parametrize("repeats", [0, 3])
def test_repeats_that_do_not_fill_a_batch(repeats):
    with pytest.raises(ValueError, match="multiple of `repeats`"):
        iterate_crops(8, seed=0, repeats=repeats)


def test_a_process_that_dies_is_told_of():
    processes = RenderProcesses(1, 2, ingredients=Ingredients(), augmentation=None, repeats=1, **SETTINGS)
    assert len(processes.render(seed=1, number=0)) == 2
    running = processes._processes[0]
    running.kill()
    running.wait()
    with pytest.raises(OSError, match="ended, with exit code -9"):
        processes.render(seed=1, number=1)
    processes.close()
    assert running.poll() is not None


def test_layouts_that_other_processes_do_not_know():
    mine = replace(MSRA21, name="mine")
    with pytest.raises(ValueError, match="Received: 'mine'"):
        RenderProcesses(1, 2, ingredients=Ingredients(), augmentation=None, repeats=1, **{**SETTINGS, "skeleton": mine})
