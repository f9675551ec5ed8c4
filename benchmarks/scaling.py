"""How cost grows: of training with the batch, the network and its input, of preparing and evaluating with the frames.

    python benchmarks/scaling.py --output benchmarks/results/scaling.json

Every measurement is a process of its own, so that its peak memory is its own. Training is measured on JAX, on a small
network and made-up crops that are there already: steps alone, without the first ones, which compile. One process has
one core or two; of two processes each has one core. Frames to prepare are a few rendered ones, and labels to
evaluate those of 10,000 rendered hands with random errors, again and again: labels come in parts, and only their errors
are kept. The time of a million frames is that of the largest number, multiplied.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
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
PREPARED = (1_000, 10_000, 100_000)
EVALUATED = (10_000, 100_000, 1_000_000)
PART = 10_000
MILLION = 1_000_000


@dataclass(frozen=True)
class Repeated(Sequence):
    """Some frames, again and again, without more memory."""

    frames: Sequence
    count: int

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, number: int) -> Any:
        if not 0 <= number < self.count:
            raise IndexError(number)
        return replace(self.frames[number % len(self.frames)], path=f"{number}.png")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a tenth of the frames and few steps: to see that it runs")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--output", type=Path, help="JSON file to write")
    arguments = parser.parse_args()
    if arguments.one:
        measure(**json.loads(arguments.one))
        return

    load = [round(value, 2) for value in os.getloadavg()]
    divisor = 10 if arguments.quick else 1
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
                    axis: {value: run("training", steps=steps, **changes) for value, changes in values.items()}
                    for axis, values in VARIED.items()
                },
            },
            "processes": processes(steps),
            "preparing": growing("preparing", [n // divisor for n in PREPARED]),
            "evaluating": growing("evaluating", [n // divisor for n in EVALUATED]),
        },
        arguments.output,
    )


def growing(name: str, counts: list[int]) -> dict[str, Any]:
    """Measure something for ever more frames, and say what a million would take."""
    figures = {f"{count:,}": run(name, count=count) for count in counts}
    last = figures[f"{counts[-1]:,}"]
    return {
        "frames": figures,
        "a million": {
            "extrapolated": counts[-1] < MILLION,
            "seconds": round(last["seconds"] * MILLION / counts[-1], 1),
        },
    }


def processes(steps: int) -> dict[str, Any]:
    """Measure the same step in one process and in two."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        coordinator = f"127.0.0.1:{listener.getsockname()[1]}"
    shared = {"steps": steps, "processes": 2, "coordinator": coordinator}
    with ThreadPoolExecutor(2) as pool:
        one_core = run("training", steps=steps, cores=[0])
        two_cores = run("training", steps=steps, cores=[0, 1])
        two = list(pool.map(lambda rank: run("training", rank=rank, cores=[rank], **shared), range(2)))
    return {
        "one process, one core": one_core,
        "one process, two cores": two_cores,
        "two processes, a core each": two[0],
        "peak memory of the second in MB": two[1]["peak_mb"],
    }


def run(name: str, **options: Any) -> dict[str, Any]:
    """Measure in a process of its own."""
    return _run(json.dumps({"name": name, **options}))


@cache
def _run(task: str) -> dict[str, Any]:
    environment = {**os.environ, "KERAS_BACKEND": "jax", "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [sys.executable, __file__, "--one", task], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{task}: {done.stderr[-2000:]}")
    figures = json.loads(done.stdout.splitlines()[-1])
    print(task, figures, file=sys.stderr)
    return figures


def measure(name: str, **options: Any) -> None:
    figures = {"training": training, "preparing": preparing, "evaluating": evaluating}[name](**options)
    # On Linux in kB. The processes that prepare are threads here.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    print(json.dumps({**figures, "peak_mb": round(peak)}))


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


def preparing(count: int) -> dict[str, float]:
    """Time the crops of frames to a store."""
    from keras_handpose.datasets import MSRA15, prepare
    from keras_handpose.synthetic import write_frames

    with TemporaryDirectory() as folder:
        few = [*MSRA15(write_frames(Path(folder) / "few", layout="msra15", frames=64))]
        start = time.perf_counter()
        store = prepare(Repeated(few, count), Path(folder) / "crops.h5", workers=1)
        spent = time.perf_counter() - start
        size = store.path.stat().st_size
        store.close()
    return {"seconds": round(spent, 2), "frames_per_s": round(count / spent), "store_mb": round(size / 1e6, 1)}


def evaluating(count: int) -> dict[str, float]:
    """Time the figures of labels, in parts; only their errors are kept."""
    from keras_handpose.evaluation import joint_errors, summarise_errors
    from keras_handpose.skeletons import MSRA21
    from keras_handpose.synthetic import sample_poses

    errors = np.empty((count, len(MSRA21)))
    rng, spent = np.random.default_rng(0), 0.0
    rendered_xyz = sample_poses(PART, seed=0) * 125.0  # Again and again; their errors differ.
    for first in range(0, count, PART):
        joints_xyz = rendered_xyz[: count - first]
        predicted_xyz = joints_xyz + rng.normal(0.0, 6.0, joints_xyz.shape)
        start = time.perf_counter()
        errors[first : first + PART] = joint_errors(predicted_xyz, joints_xyz)
        spent += time.perf_counter() - start
    start = time.perf_counter()
    figures = summarise_errors(errors, MSRA21)
    spent += time.perf_counter() - start
    return {"seconds": round(spent, 3), "mean_error_mm": figures["mean_error_mm"]}


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
