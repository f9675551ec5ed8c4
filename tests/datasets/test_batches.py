"""Batches: every crop once an epoch, the same again from any step on, and threads that end."""

from __future__ import annotations

import itertools
import threading
import time

import numpy as np
import pytest

from keras_handpose import CAMERAS, MSRA21
from keras_handpose.datasets import Augmentation, CropStore, Frame, LabelledCrops, iterate_batches, steps_per_epoch
from keras_handpose.datasets.batches import work_ahead
from keras_handpose.synthetic import iterate_crops, render_crops

ALL = Augmentation(rotation=180, scale=0.1, jitter_mm=5, noise_mm=1)


def numbered(n: int, size: int = 16) -> LabelledCrops:
    """Crops that say in their first pixel and in their joints which they are."""
    rng = np.random.default_rng(0)
    images = rng.uniform(-0.9, 0.9, (n, size, size, 1)).astype(np.float32)
    images[:, 0, 0, 0] = np.arange(n) / n
    return LabelledCrops(
        images=images,
        joints_unit=np.broadcast_to(np.arange(n, dtype=np.float32)[:, None, None] / n, (n, 21, 3)).copy(),
        centres_xyz=np.tile([0.0, 0.0, 400.0], (n, 1)),
        cubes=np.full(n, 250.0),
        skeleton=MSRA21,
    )


def numbers(batches: list[LabelledCrops], n: int) -> list[list[int]]:
    return [np.rint(batch.joints_unit[:, 0, 0] * n).astype(int).tolist() for batch in batches]


def take(count: int, batches) -> list[LabelledCrops]:
    taken = list(itertools.islice(batches, count))
    batches.close()
    return taken


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("work-ahead")]


@pytest.mark.parametrize("drop_last", [True, False])
@pytest.mark.parametrize("chosen", [None, np.arange(3, 26)])
def test_every_crop_once_an_epoch(chosen, drop_last):
    expected = list(range(30)) if chosen is None else chosen.tolist()
    steps = steps_per_epoch(len(expected), 7, drop_last=drop_last)
    assert steps == {(30, True): 4, (30, False): 5, (23, True): 3, (23, False): 4}[len(expected), drop_last]
    got = numbers(
        take(3 * steps, iterate_batches(numbered(30), batch=7, seed=1, indices=chosen, drop_last=drop_last)), 30
    )
    epochs = [list(itertools.chain(*got[i * steps : (i + 1) * steps])) for i in range(3)]
    for epoch in epochs:
        assert len(set(epoch)) == len(epoch) and set(epoch) <= set(expected)
        assert len(epoch) == (len(expected) // 7 * 7 if drop_last else len(expected))
    assert epochs[0] != epochs[1] != epochs[2]
    assert epochs[0] != expected[: len(epochs[0])]
    if drop_last:
        assert set(epochs[0]) != set(epochs[1]), "each epoch leaves out others"


def test_images_joints_and_place_belong_together():
    for batch in take(8, iterate_batches(numbered(30), batch=7, seed=1)):
        np.testing.assert_allclose(batch.images[:, 0, 0, 0], batch.joints_unit[:, 0, 0])


def test_without_shuffling_the_order_is_that_of_the_indices():
    got = take(4, iterate_batches(numbered(30), batch=3, seed=1, indices=np.array([9, 4, 4, 20, 1, 0]), shuffle=False))
    assert numbers(got, 30) == [[9, 4, 4], [20, 1, 0]] * 2


@pytest.mark.parametrize("stream", ["batches", "rendered"])
def test_a_batch_depends_on_seed_and_number_only(stream):
    source = render_crops(20, seed=0, size=32)

    def batches(**options):
        options = {"seed": 3, "augmentation": ALL, **options}
        if stream == "batches":
            return iterate_batches(source, batch=6, **options)
        return iterate_crops(6, size=32, **options)

    whole = take(7, batches(workers=3, ahead=5))
    for start in (1, 3, 5):
        for ours, theirs in zip(take(2, batches(start=start, workers=1, ahead=1)), whole[start:], strict=False):
            for name in ("images", "joints_unit", "centres_xyz", "cubes"):
                np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name))
    other = take(1, batches(seed=4))[0]
    assert not np.array_equal(other.images, whole[0].images)


def test_a_store_gives_its_crops_to_several_threads(tmp_path):
    camera = CAMERAS["msra15"]
    frames = []
    for i in range(24):
        depth = np.zeros(camera.shape, np.uint16)
        depth[100 + i : 140, 140:180] = 400 + i
        joints_xyz = np.full((21, 3), [i, 20.0, 410.0])
        hand = "left" if i % 3 == 0 else "right"
        frames.append(Frame(depth=depth, joints_xyz=joints_xyz, camera=camera, skeleton=MSRA21, hand=hand))
    with CropStore.from_frames(tmp_path / "mine.h5", frames, centre="ground-truth", size=32) as store:
        order = np.concatenate([np.random.default_rng(i).permutation(24) for i in range(3)])
        options = {"batch": 5, "seed": 0, "indices": order, "shuffle": False}
        got = take(14, iterate_batches(store, workers=4, ahead=8, **options))
        for i, batch in enumerate(got):
            chosen = order[5 * i : 5 * i + 5]
            np.testing.assert_array_equal(batch.images, store.crops(chosen).images)
            mirror = np.where(chosen % 3 == 0, -1, 1)
            np.testing.assert_allclose(batch.joints_xyz[:, 0, 0] * mirror, chosen, atol=1e-4)


def test_augmentation_is_drawn_anew_in_every_epoch():
    one = render_crops(1, seed=0, size=32)
    cubes = [batch.cubes[0] for batch in take(5, iterate_batches(one, batch=1, seed=0, augmentation=ALL))]
    assert len(set(cubes)) == 5


def test_work_is_done_ahead_by_several_threads_and_no_further():
    started = []
    both = threading.Barrier(2, timeout=5)

    def work(job: int) -> int:
        started.append(job)
        if job < 2:
            both.wait()  # Passes only if two threads work at once.
        return job

    results = work_ahead(work, itertools.count(), workers=2, ahead=4)
    assert not started and not threads(), "nothing starts before it is asked for"
    assert next(results) == 0
    deadline = time.monotonic() + 5
    while len(started) < 5 and time.monotonic() < deadline:
        time.sleep(0.005)
    assert sorted(started) == [0, 1, 2, 3, 4]
    assert list(itertools.islice(results, 20)) == list(range(1, 21))
    results.close()
    assert not threads()


def test_jobs_may_end():
    assert list(work_ahead(str, range(3), workers=2, ahead=8)) == ["0", "1", "2"]


def test_an_error_in_a_thread_arrives_with_its_batch():
    class Broken:
        skeleton = MSRA21
        whole = numbered(12)

        def __len__(self):
            return 12

        def crops(self, indices):
            if 7 in indices:
                raise OSError("crop 7 cannot be read")
            return self.whole.crops(indices)

    batches = iterate_batches(Broken(), batch=3, seed=0, shuffle=False)
    assert numbers([next(batches), next(batches)], 12) == [[0, 1, 2], [3, 4, 5]]
    with pytest.raises(OSError, match="crop 7 cannot be read"):
        next(batches)
    assert not threads()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"batch": 0}, "`batch` must be a whole number, at least 1. Received: batch=0"),
        ({"batch": 2.0}, "`batch` must be a whole number"),
        ({"seed": -1}, "`seed` must be a whole number, at least 0"),
        ({"start": -1}, "`start`"),
        ({"workers": 0}, "`workers`"),
        ({"ahead": 0}, "`ahead`"),
        ({"batch": 11}, "10 crops do not fill a batch. Received: batch=11. Choose a smaller batch, or drop_last=False"),
        ({"indices": []}, "must be whole numbers"),
        ({"indices": np.arange(0)}, "0 crops do not fill a batch"),
        ({"indices": [3, 10]}, r"from 0 to 9. Received: 3..10"),
        ({"indices": [True, False]}, "whole numbers, shape"),
    ],
)
def test_impossible_batches_are_refused_at_once(wrong, message):
    with pytest.raises(ValueError, match=message):
        iterate_batches(numbered(10), **{"batch": 2, "seed": 0, **wrong})


def test_they_feed_the_backend_that_runs():
    import keras

    crops = render_crops(12, seed=0, size=16)
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((16, 16, 1)), keras.layers.Flatten(), keras.layers.Dense(63)])
    model.add(keras.layers.Reshape((21, 3)))
    model.compile(keras.optimizers.Adam(1e-2), loss="mse")
    batches = iterate_batches(crops, batch=4, seed=0, augmentation=ALL)
    pairs = ((batch.images, batch.joints_unit) for batch in batches)
    history = model.fit(pairs, steps_per_epoch=steps_per_epoch(12, 4), epochs=3, shuffle=False, verbose=0)
    batches.close()
    assert len(history.history["loss"]) == 3 and np.isfinite(history.history["loss"]).all()
    assert history.history["loss"][-1] < history.history["loss"][0]
