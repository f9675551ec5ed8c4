"""How the cost of training grows with the batch, the network and its input, and from one process to two.

    python benchmarks/scaling.py --output benchmarks/results/scaling.json

Every measurement is a process of its own, so that its peak memory is its own. Training is measured on JAX, on a small
network and made-up crops that are there already: steps alone, without the first ones, which compile. One process has
one core or two; of two processes each has one core. `many_frames.py` measures how cost grows with the frames.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from own_process import in_own_process, print_figures
from report import write_report

BASE = {
    "t": 1,
    "r": 1,
    "p": 1,
    "filters": (8, 16, 32),
    "poolings": (2, 2, 1),
    "stem": (8, 5),
    "top_filters": (32,),
    "hidden": 64,
}
BATCH, SIZE = 32, 128
VARIED: dict[str, dict[str, dict[str, Any]]] = {
    "batch": {"8": {"batch": 8}, "32": {}, "128": {"batch": 128}},
    "t, units of a trunk": {"1": {}, "2": {"architecture": {"t": 2}}, "4": {"architecture": {"t": 4}}},
    "r, units of a mask": {"1": {}, "2": {"architecture": {"r": 2}}, "4": {"architecture": {"r": 4}}},
    "width, relative": {
        "1": {},
        "2": {"architecture": {"filters": (16, 32, 64)}},
        "4": {"architecture": {"filters": (32, 64, 128)}},
    },
    "input, px": {"64": {"size": 64}, "128": {}, "192": {"size": 192}},
}
"""What each axis changes of the network above; nothing is measured twice."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few steps: to see that it runs")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--output", type=Path, help="JSON file to write")
    arguments = parser.parse_args()
    if arguments.one:
        print_figures(training(**json.loads(arguments.one)))
        return

    load = [round(value, 2) for value in os.getloadavg()]
    steps = 4 if arguments.quick else 16
    write_report(
        {
            "load average of the last 1, 5, 15 minutes": load,
            "training": {
                "backend": "jax",
                "network": BASE,
                "batch": BATCH,
                "input, px": SIZE,
                "steps": steps,
                **{
                    axis: {value: run(steps=steps, **changes) for value, changes in values.items()}
                    for axis, values in VARIED.items()
                },
            },
            "processes": processes(steps),
        },
        arguments.output,
    )


def run(**options: Any) -> dict[str, Any]:
    """Measure training in a process of its own."""
    return in_own_process(__file__, environment={"KERAS_BACKEND": "jax", "TF_CPP_MIN_LOG_LEVEL": "3"}, **options)


def processes(steps: int) -> dict[str, Any]:
    """Measure the same step in one process and in two."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        coordinator = f"127.0.0.1:{listener.getsockname()[1]}"
    shared = {"steps": steps, "processes": 2, "coordinator": coordinator}
    with ThreadPoolExecutor(2) as pool:
        one_core = run(steps=steps, cores=[0])
        two_cores = run(steps=steps, cores=[0, 1])
        two = list(pool.map(lambda rank: run(rank=rank, cores=[rank], **shared), range(2)))
    return {
        "one process, one core": one_core,
        "one process, two cores": two_cores,
        "two processes, a core each": two[0],
        "peak memory of the second in MB": two[1]["peak_mb"],
    }


def training(
    steps: int,
    batch: int = BATCH,
    size: int = SIZE,
    architecture: dict[str, Any] | None = None,
    processes: int = 1,
    rank: int = 0,
    coordinator: str | None = None,
    cores: list[int] | None = None,
) -> dict[str, float]:
    """Time training steps, without the first ones."""
    if cores is not None:
        os.sched_setaffinity(0, cores)
    import keras

    from keras_handpose.models.macs import count_macs
    from keras_handpose.models.metrics import JointLoss
    from keras_handpose.models.residual_attention import ResidualAttentionRegressor
    from keras_handpose.training.distribution import Distribution, open_replicas

    distribution = Distribution(processes=processes, rank=rank, coordinator=coordinator)
    part = distribution.part(batch)
    rng = np.random.default_rng(0)
    images = rng.uniform(-1, 1, (batch, size, size, 1)).astype(np.float32)[part]
    joints_unit = rng.uniform(-1, 1, (batch, 21, 3)).astype(np.float32)[part]

    def build() -> keras.Model:
        network = ResidualAttentionRegressor(**{**BASE, **(architecture or {}), "input_shape": (size, size, 1)})
        network.compile(keras.optimizers.Adam(1e-4), JointLoss())
        return network

    def batches() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        while True:
            yield images, joints_unit

    keras.utils.set_random_seed(0)
    replicas = open_replicas(distribution, batch)
    with replicas.connected():
        model = replicas.spread(build)
        clock = make_clock()
        with replicas.fitting(), replicas.feed(batches, batch) as feed:
            model.fit(feed, steps_per_epoch=steps + 2, shuffle=False, verbose=0, callbacks=[clock])
        figures = {} if processes == 1 else {"ms_all_reduce": round(1000 * all_reduce(model.count_params()), 2)}
    spent = clock.seconds / steps
    plain = build()
    return {
        "crops_per_s": round(batch / spent, 1),
        "ms_step": round(1000 * spent, 1),
        "parameters": plain.count_params(),
        "mmacs": round(count_macs(plain) / 1e6, 1),
        **figures,
    }


def all_reduce(count: int, rounds: int = 10) -> float:
    """Return the seconds that the sum of as many numbers over all processes takes."""
    import jax

    mesh = jax.sharding.Mesh(np.array(jax.devices()), ("processes",))
    place = lambda *axes: jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec(*axes))  # noqa: E731
    numbers = jax.make_array_from_process_local_data(place("processes"), np.ones((1, count), np.float32))
    total = jax.jit(lambda x: x.sum(axis=0), out_shardings=place())
    total(numbers).block_until_ready()
    start = time.perf_counter()
    for _ in range(rounds):
        total(numbers).block_until_ready()
    return (time.perf_counter() - start) / rounds


def make_clock() -> Any:
    """Make a callback that times steps from the third one on."""
    import keras

    class Clock(keras.callbacks.Callback):
        seconds = 0.0

        def on_train_batch_end(self, batch, logs=None):
            float(logs["loss"])  # Steps are under way until their results are asked for.
            if batch == 1:
                self.start = time.perf_counter()
            self.seconds = time.perf_counter() - getattr(self, "start", time.perf_counter())

    return Clock()


if __name__ == "__main__":
    main()
