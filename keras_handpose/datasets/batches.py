"""Batches for training: shuffled, seeded, augmented, read ahead by threads; the same again after an interruption."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import numpy as np

from keras_handpose.checks import check_whole
from keras_handpose.datasets.augmentation import Augmentation
from keras_handpose.datasets.crops import CropSource, LabelledCrops

__all__ = ["augmentation_rng", "iterate_batches", "steps_per_epoch", "work_ahead"]

_ORDER, _CHANGES = 1, 2
"""What random numbers are for, the last part of their seed after the user's and the number of the epoch or batch."""

Job = TypeVar("Job")
Result = TypeVar("Result")


def iterate_batches(
    source: CropSource,
    *,
    batch: int,
    seed: int,
    indices: np.ndarray | None = None,
    start: int = 0,
    shuffle: bool = True,
    drop_last: bool = True,
    augmentation: Augmentation | None = None,
    workers: int = 2,
    ahead: int = 4,
) -> Generator[LabelledCrops, None, None]:
    """Give batches without end, epoch after epoch, some of them ahead of their use.

    Batch ``k``, with its augmentation, depends on ``seed`` and ``k`` only, so that an interrupted training goes on with
    ``start=k`` where it stopped. Every epoch is a permutation of its own. Close the iterator, or let go of it, and the
    threads end.

    Args:
        source: A crop store, or crops in memory.
        batch: Crops a batch.
        seed: Source of all randomness, at least 0.
        indices: Numbers of the crops to use, each once an epoch; None for all.
        start: Number of the first batch, counted from the first epoch's start.
        shuffle: Whether each epoch has an order of its own; otherwise it is that of ``indices``.
        drop_last: Whether to leave out what is left of an epoch after its last full batch, so that all batches have one
            shape. Each epoch leaves out other crops. If not, an epoch's last batch may be smaller.
        augmentation: How far to change the crops; None to give them as they are.
        workers: Number of threads that read and augment.
        ahead: Batches kept ready.

    Raises:
        ValueError: A number is out of range, or there are no crops to make a batch of.
        Exception: Whatever reading a batch raises comes when that batch is asked for.

    See Also:
        `steps_per_epoch`; `keras_handpose.synthetic.iterate_crops`, which renders fresh crops for every batch.

    Example:
        Any backend of Keras takes the arrays:

        >>> from keras_handpose.synthetic import render_crops
        >>> crops = render_crops(8, seed=0)
        >>> batches = iterate_batches(crops, batch=4, seed=0, augmentation=Augmentation(rotation=180))
        >>> pairs = ((crops.images, crops.joints_unit) for crops in batches)
        >>> images, joints_unit = next(pairs)
        >>> images.shape, joints_unit.shape
        ((4, 128, 128, 1), (4, 21, 3))

        >>> model.fit(pairs, steps_per_epoch=steps_per_epoch(8, 4), epochs=70, shuffle=False)  # doctest: +SKIP
        >>> batches.close()
    """
    for name, value, least in (("batch", batch, 1), ("seed", seed, 0), ("start", start, 0)):
        check_whole(value, name, at_least=least)
    numbers = np.arange(len(source)) if indices is None else np.asarray(indices)
    if numbers.ndim != 1 or numbers.dtype.kind not in "iu":
        raise ValueError(f"`indices` must be whole numbers, shape (n,). Received: {numbers.dtype}, {numbers.shape}.")
    if len(numbers) and not (numbers.min() >= 0 and numbers.max() < len(source)):
        raise ValueError(f"`indices` must be from 0 to {len(source) - 1}. Received: {numbers.min()}..{numbers.max()}.")
    if not steps_per_epoch(len(numbers), batch, drop_last=drop_last):
        raise ValueError(
            f"{len(numbers)} crops do not fill a batch. Received: batch={batch}. Choose a smaller batch"
            f"{', or drop_last=False' if len(numbers) else ' and some crops'}."
        )

    def load(job: tuple[int, np.ndarray]) -> LabelledCrops:
        step, chosen = job
        crops = source.crops(chosen)
        return crops if augmentation is None else augmentation.apply(crops, augmentation_rng(seed, step))

    jobs = _numbered_batches(numbers, batch, seed, start, shuffle=shuffle, drop_last=drop_last)
    return work_ahead(load, jobs, workers=workers, ahead=ahead)


def steps_per_epoch(crops: int, batch: int, *, drop_last: bool = True) -> int:
    """Return how many batches `iterate_batches` makes of an epoch.

    Args:
        crops: Number of crops in an epoch.
        batch: Crops a batch.
        drop_last: Whether a smaller last batch is left out.

    Example:
        >>> steps_per_epoch(1000, 128), steps_per_epoch(1000, 128, drop_last=False)
        (7, 8)
    """
    return crops // batch if drop_last else -(-crops // batch)


def augmentation_rng(seed: int, step: int) -> np.random.Generator:
    """Return the source of a batch's augmentation, which depends on the seed and the number of the batch only."""
    return np.random.default_rng([seed, step, _CHANGES])


def work_ahead(
    work: Callable[[Job], Result], jobs: Iterable[Job], *, workers: int = 2, ahead: int = 4
) -> Generator[Result, None, None]:
    """Do jobs in threads, some of them ahead of the use of their results, and give the results in the jobs' order.

    Args:
        work: What to do; called by several threads at once.
        jobs: What to do it with, without end if need be: taken one by one as results are used.
        workers: Number of threads.
        ahead: Jobs under way or done before their results are asked for.

    Raises:
        ValueError: ``workers`` or ``ahead`` is less than 1.
        Exception: What ``work`` raises for a job comes in place of its result, and the threads end.

    Example:
        >>> squares = work_ahead(lambda n: n * n, itertools.count(), workers=2)
        >>> list(itertools.islice(squares, 4))
        [0, 1, 4, 9]
        >>> squares.close()
    """
    check_whole(workers, "workers")
    check_whole(ahead, "ahead")
    return _work_ahead(work, iter(jobs), workers, ahead)


def _work_ahead(
    work: Callable[[Job], Result], jobs: Iterator[Job], workers: int, ahead: int
) -> Generator[Result, None, None]:
    pending: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(workers, thread_name_prefix="work-ahead") as pool:
        try:
            pending.extend(pool.submit(work, job) for job in itertools.islice(jobs, ahead))
            while pending:
                result = pending.popleft().result()
                pending.extend(pool.submit(work, job) for job in itertools.islice(jobs, 1))
                yield result
        finally:
            for future in pending:
                future.cancel()


def _numbered_batches(
    numbers: np.ndarray, batch: int, seed: int, start: int, *, shuffle: bool, drop_last: bool
) -> Iterator[tuple[int, np.ndarray]]:
    """Give each batch's number and the numbers of its crops, without end."""
    steps = steps_per_epoch(len(numbers), batch, drop_last=drop_last)
    first_epoch, first_step = divmod(start, steps)
    for epoch in itertools.count(first_epoch):
        order = np.random.default_rng([seed, epoch, _ORDER]).permutation(numbers) if shuffle else numbers
        for step in range(first_step, steps):
            yield epoch * steps + step, order[step * batch : (step + 1) * batch]
        first_step = 0
