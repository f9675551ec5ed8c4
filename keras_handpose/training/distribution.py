"""Where a training runs: on several devices, in several processes, with the crops and the result of one device."""

from __future__ import annotations

import os
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

__all__ = ["ONE_DEVICE", "Distribution", "Replicas", "check_backend", "open_replicas"]

Pairs = Generator[tuple[np.ndarray, np.ndarray], None, None]
"""Images and targets, batch after batch."""


@dataclass(frozen=True, kw_only=True)
class Distribution:
    """Where a training runs. It is no part of the recipe: a run may go on elsewhere than where it began.

    Every batch is the recipe's and is cut into equal parts, so that devices and processes change the result by rounding
    only. TensorFlow and JAX train on several devices, JAX in several processes as well. Where there is the CPU only, it
    stands for as many devices, to try things on: that is no faster.

    Args:
        devices: Devices of each process.
        processes: Processes that train together, on one machine or on several.
        rank: Which of them this one is, from 0. Process 0 alone reads and writes the run's folder.
        coordinator: ``HOST:PORT`` at which process 0 listens and the others find it, a free port of its machine.

    Raises:
        ValueError: A number is out of range, or several processes have no coordinator.

    Example:
        >>> Distribution(devices=4, processes=2, rank=1, coordinator="10.0.0.1:29400").part(128)
        slice(64, 128, None)
    """

    devices: int = 1
    processes: int = 1
    rank: int = 0
    coordinator: str | None = None

    def __post_init__(self) -> None:
        for key in ("devices", "processes"):
            if getattr(self, key) < 1:
                raise ValueError(f"`{key}` must be positive. Received: {key}={getattr(self, key)}.")
        if not 0 <= self.rank < self.processes:
            raise ValueError(
                f"`rank` must be from 0 to {self.processes - 1}, one for each process. Received: rank={self.rank}."
            )
        if self.processes > 1 and not re.fullmatch(r".+:\d+", self.coordinator or ""):
            raise ValueError(
                "Several processes need `coordinator`, HOST:PORT at which process 0 listens, such as 10.0.0.1:29400. "
                f"Received: coordinator={self.coordinator!r}."
            )

    @property
    def writes(self) -> bool:
        """Whether this process is the one that has the run's folder."""
        return self.rank == 0

    def part(self, batch: int) -> slice:
        """Return which crops of a batch this process trains on."""
        share = batch // self.processes
        return slice(self.rank * share, (self.rank + 1) * share)


ONE_DEVICE = Distribution()
"""One process on one device."""


class Replicas(ABC):
    """The copies of a model that train together."""

    @abstractmethod
    def connected(self) -> AbstractContextManager[None]:
        """Keep the connection to the other processes for as long as they train together."""

    @abstractmethod
    def share(self, payload: bytes) -> bytes:
        """Return what process 0 passes, in every process."""

    @abstractmethod
    def spread(self, load: Callable[[], keras.Model]) -> keras.Model:
        """Load a model on all devices, ready to be trained."""

    @abstractmethod
    def feed(self, batches: Callable[[], Pairs], batch: int) -> AbstractContextManager[Any]:
        """Return what `fit` takes for batches, from a function that starts them anew, and end them afterwards."""

    @abstractmethod
    def fitting(self) -> AbstractContextManager[None]:
        """Fit a model here that was spread."""

    @abstractmethod
    def alone(self) -> AbstractContextManager[None]:
        """While it is being fitted, run a model here that is on one device, without the other processes."""

    @abstractmethod
    def copy(self, trained: keras.Model, plain: keras.Model) -> None:
        """Give a model on one device the state of one that was spread: weights, optimizer, random numbers."""


def open_replicas(distribution: Distribution, batch: int) -> Replicas:
    """Find the devices of a training.

    Raises:
        ValueError: The backend cannot do it, there are too few devices, or the batch cannot be cut evenly.
    """
    devices, processes = distribution.devices, distribution.processes
    if devices == processes == 1:
        return _OneDevice()
    check_backend(distribution)
    if batch % (devices * processes):
        raise ValueError(
            f"`batch` must be a multiple of all devices together, {processes} x {devices}. Received: batch={batch}."
        )
    return _Mirrored(devices) if keras.backend.backend() == "tensorflow" else _DataParallel(distribution)


def check_backend(distribution: Distribution) -> None:
    """See that the backend can distribute like that.

    Raises:
        ValueError: It cannot; the message says which one can.
    """
    devices, processes = distribution.devices, distribution.processes
    backend = keras.backend.backend()
    if devices == processes == 1:
        return
    if backend not in ("jax", *(["tensorflow"] if processes == 1 else [])):
        able = "JAX" if processes > 1 else "TensorFlow or JAX"
        wanted = f"processes={processes}" if processes > 1 else f"devices={devices}"
        raise ValueError(
            f"Training in several {'processes' if processes > 1 else 'devices'} takes {able}. Received: {wanted} on "
            f"the backend {backend}. Set KERAS_BACKEND=jax in the environment."
        )


class _OneDevice(Replicas):
    """Nothing to do: the model is its only copy."""

    def connected(self):
        return nullcontext()

    def share(self, payload):
        return payload

    def spread(self, load):
        return load()

    def feed(self, batches, batch):
        return _ended(batches())

    def fitting(self):
        return nullcontext()

    def alone(self):
        return nullcontext()

    def copy(self, trained, plain):
        pass


class _Mirrored(Replicas):
    """TensorFlow's MirroredStrategy over devices of this process."""

    def __init__(self, devices: int) -> None:
        import tensorflow as tf

        kind = "GPU" if tf.config.list_physical_devices("GPU") else "CPU"
        if kind == "CPU":
            cpu = tf.config.list_physical_devices("CPU")[0]
            with suppress(RuntimeError):  # TensorFlow is in use, with the devices that it has.
                tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * devices)
        names = [device.name for device in tf.config.list_logical_devices(kind)]
        _check_count(devices, len(names), kind)
        self._strategy = tf.distribute.MirroredStrategy(names[:devices])

    def connected(self):
        return nullcontext()

    def share(self, payload):
        return payload

    def spread(self, load):
        with self._strategy.scope():
            model = load()
        # Otherwise each replica would normalise its part of a batch by statistics of its own.
        for layer in model._flatten_layers():
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.synchronized = True
        return model

    def feed(self, batches, batch):
        import tensorflow as tf

        # Of a generator `fit` would lose batches under a strategy: it starts to read once to see shapes, and once more.
        arrays = next(batches())
        signature = tuple(tf.TensorSpec((batch, *array.shape[1:]), array.dtype) for array in arrays)
        return nullcontext(tf.data.Dataset.from_generator(batches, output_signature=signature))

    def fitting(self):
        return nullcontext()  # The model knows.

    def alone(self):
        return nullcontext()

    def copy(self, trained, plain):
        _copy(trained, plain, keras.ops.convert_to_numpy)


class _DataParallel(Replicas):
    """Keras's DataParallel on JAX, over devices of one process or of several."""

    def __init__(self, distribution: Distribution) -> None:
        import jax

        self._wanted = distribution
        if "xla_force_host_platform_device_count" not in os.environ.get("XLA_FLAGS", ""):
            with suppress(RuntimeError):  # JAX is in use, with the devices that it has.
                jax.config.update("jax_num_cpu_devices", distribution.devices)
        if distribution.processes == 1:
            _check_count(distribution.devices, jax.local_device_count(), jax.default_backend())

    @contextmanager
    def connected(self):
        import jax

        wanted = self._wanted
        if wanted.processes == 1:
            yield
            return
        keras.distribution.initialize(wanted.coordinator, wanted.processes, wanted.rank)
        _check_count(wanted.devices, jax.local_device_count(), jax.default_backend())
        try:
            yield
        except Exception as error:
            # What carries the sums says so in errors of several classes.
            if not re.search("gloo|nccl|connection|coordination", str(error), re.IGNORECASE):
                raise
            raise ConnectionError(
                f"Process {wanted.rank} of {wanted.processes} cannot go on: {error}. If another one ended, start all "
                "of them again: they go on from the last checkpoint."
            ) from error
        # Who is done with the rest sooner need not wait for the others, nor end them by leaving.
        jax.distributed.shutdown()

    def share(self, payload):
        if self._wanted.processes == 1:
            return payload
        from jax.experimental.multihost_utils import broadcast_one_to_all

        size = int(broadcast_one_to_all(np.int32(len(payload))))
        content = np.frombuffer(payload, np.uint8) if self._wanted.writes else np.zeros(size, np.uint8)
        return broadcast_one_to_all(content).tobytes()

    def spread(self, load):
        # What is computed over a batch, such as its statistics, is computed over all of it, wherever its parts are.
        with self.fitting():
            return load()

    def feed(self, batches, batch):
        return _ended(batches())

    def fitting(self):
        import jax

        count, processes = self._wanted.devices, range(self._wanted.processes)
        groups = [[device for device in jax.devices() if device.process_index == process] for process in processes]
        names = [f"{device.platform}:{device.id}" for group in groups for device in group[:count]]
        # Each process brings its own part of every batch.
        return keras.distribution.DataParallel(devices=names, auto_shard_dataset=False).scope()

    @contextmanager
    def alone(self):
        together = keras.distribution.distribution()
        keras.distribution.set_distribution(None)
        yield
        keras.distribution.set_distribution(together)

    def copy(self, trained, plain):
        _copy(trained, plain, lambda variable: np.asarray(variable.value.addressable_data(0)))


@contextmanager
def _ended(batches: Pairs) -> Iterator[Pairs]:
    """End batches when they are no longer needed, with the threads that prepare them."""
    try:
        yield batches
    finally:
        with suppress(ValueError):  # TensorFlow may be reading one ahead.
            batches.close()


def _copy(source: keras.Model, target: keras.Model, read: Callable[[keras.Variable], np.ndarray]) -> None:
    variables = ([*model.variables, *model.optimizer.variables] for model in (target, source))
    for ours, theirs in zip(*variables, strict=True):
        ours.assign(read(theirs))


def _check_count(wanted: int, there: int, kind: str) -> None:
    if there < wanted:
        raise ValueError(
            f"There are too few devices: {there} ({kind.upper()}). Received: devices={wanted}. Ask for fewer; or, if a "
            "CPU is to stand for several, ask before anything is computed in this process."
        )
