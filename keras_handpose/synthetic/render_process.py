"""Processes that render crops: one thread of Python cannot keep several cores busy.

A process is ``python -m keras_handpose.synthetic.render_process``: jobs come in as lines of JSON, crops go out as plain
numbers. So a script needs no ``if __name__ == "__main__"`` and nothing is unpickled. It ends when its input does.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import BinaryIO

import cv2
import numpy as np

from keras_handpose.datasets.augmentation import Augmentation
from keras_handpose.datasets.crops import LabelledCrops
from keras_handpose.skeletons import SKELETONS, Skeleton
from keras_handpose.synthetic.crops import render_batch, render_crops
from keras_handpose.synthetic.poses import PoseMix
from keras_handpose.synthetic.scenes import Ingredients

__all__ = ["RenderProcesses"]

_STEPS = 32767  # Images travel as int16, as they lie in a crop store: within 0.002 mm in a cube of 250 mm.
_ONE_THREAD = {f"{library}_NUM_THREADS": "1" for library in ("NUMBA", "OMP", "OPENBLAS", "MKL")}


class RenderProcesses:
    """Renders crops in processes of their own, for as many threads as there are processes.

    Args:
        count: Number of processes.
        batch: Crops a job.
        skeleton, cube, size, rigs, ingredients, augmentation, repeats: What all jobs share, as for `iterate_crops`.

    Raises:
        ValueError: The skeleton is none of `SKELETONS`, the only ones that another process knows by name.

    Example:
        >>> from keras_handpose.skeletons import MSRA21
        >>> settings = {"skeleton": MSRA21, "cube": 250.0, "size": 32, "rigs": ("msra15",)}
        >>> processes = RenderProcesses(1, 2, ingredients=Ingredients(), augmentation=None, repeats=1, **settings)
        >>> processes.render(seed=1, number=0).images.shape
        (2, 32, 32, 1)
        >>> processes.close()
    """

    def __init__(
        self,
        count: int,
        batch: int,
        *,
        skeleton: Skeleton,
        cube: float,
        size: int,
        rigs: tuple[str, ...],
        ingredients: Ingredients,
        augmentation: Augmentation | None,
        repeats: int,
    ) -> None:
        if SKELETONS.get(skeleton.name) is not skeleton:
            raise ValueError(
                f"Other processes know the layouts {', '.join(SKELETONS)} only. Received: {skeleton.name!r}. "
                "Render in threads."
            )
        render_crops(1, seed=0, size=size)  # Compiles once for all; the processes find it in the cache.
        self._batch, self._skeleton, self._size = batch, skeleton, size
        self._shared = {
            "batch": batch,
            "skeleton": skeleton.name,
            "cube": cube,
            "size": size,
            "rigs": list(rigs),
            "ingredients": asdict(ingredients),
            "augmentation": None if augmentation is None else asdict(augmentation),
            "repeats": repeats,
        }
        root = str(Path(__file__).parents[2])
        paths = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
        environment = {**os.environ, **_ONE_THREAD, "PYTHONPATH": paths}
        self._processes = [
            subprocess.Popen(
                [sys.executable, "-m", __name__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
            )
            for _ in range(count)
        ]
        self._idle: queue.SimpleQueue[subprocess.Popen] = queue.SimpleQueue()
        for process in self._processes:
            self._idle.put(process)

    def render(self, *, seed: int, number: int) -> LabelledCrops:
        """Render batch ``number`` in the next process that is idle; may be called by several threads.

        Raises:
            OSError: The process ended.
        """
        process = self._idle.get()
        try:
            return self._render(process, {**self._shared, "seed": seed, "number": number})
        finally:
            self._idle.put(process)

    def close(self) -> None:
        """End the processes."""
        for process in self._processes:
            process.kill()
        for process in self._processes:
            with suppress(OSError):  # what was still to be written to it
                process.stdin.close()
            process.stdout.close()
            process.wait()

    def _render(self, process: subprocess.Popen, job: dict) -> LabelledCrops:
        n, size = self._batch, self._size
        steps = np.empty((n, size, size, 1), np.int16)
        joints_unit = np.empty((n, len(self._skeleton), 3), np.float32)
        centres_xyz, cubes = np.empty((n, 3), np.float64), np.empty(n, np.float64)
        try:
            process.stdin.write(json.dumps(job).encode() + b"\n")
            process.stdin.flush()
            whole = all(_read_into(process.stdout, array) for array in (steps, joints_unit, centres_xyz, cubes))
        except (BrokenPipeError, ValueError):  # it ended, or was closed by another thread
            whole = False
        if not whole:
            raise OSError(f"A process that renders ended, with exit code {process.poll()}; see what it printed above.")
        return LabelledCrops(
            images=steps / np.float32(_STEPS),  # Not times the inverse: the background stays exactly 1.
            joints_unit=joints_unit,
            centres_xyz=centres_xyz,
            cubes=cubes,
            skeleton=self._skeleton,
        )


def _read_into(stream: BinaryIO, array: np.ndarray) -> bool:
    view = memoryview(array).cast("B")
    done = 0
    while done < len(view):
        read = stream.readinto(view[done:])
        if not read:
            return False
        done += read
    return True


def _serve(jobs: BinaryIO, results: BinaryIO) -> None:
    cv2.setNumThreads(1)
    for line in jobs:
        job = json.loads(line)
        ingredients, augmentation = job["ingredients"], job["augmentation"]
        crops = render_batch(
            **{
                **job,
                "skeleton": SKELETONS[job["skeleton"]],
                "rigs": tuple(job["rigs"]),
                "ingredients": Ingredients(**{**ingredients, "poses": PoseMix(**ingredients["poses"])}),
                "augmentation": None if augmentation is None else Augmentation(**augmentation),
            }
        )
        steps = np.rint(crops.images * np.float32(_STEPS)).astype(np.int16)
        for array in (steps, crops.joints_unit, crops.centres_xyz, crops.cubes):
            results.write(np.ascontiguousarray(array).data)
        results.flush()


if __name__ == "__main__":
    _serve(sys.stdin.buffer, sys.stdout.buffer)
