"""Labelled frames of one's own to a crop store, which `keras-handpose train` and `evaluate` read.

python examples/own_frames_to_store.py recordings.npz mine.h5

The file holds ``depth`` (n, height, width) in mm, ``joints_xyz`` (n, 21, 3) in mm, ``subject`` (n,) and the camera's
``fx``, ``fy``, ``cx``, ``cy``. Whatever else yours are in: a store needs a sequence of frames, read one by one.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

import keras_handpose as khp


class Recordings(Sequence):
    """The frames of a file, each made when it is asked for."""

    def __init__(self, path: Path) -> None:
        with np.load(path) as arrays:  # Never with allow_pickle: a file from elsewhere could run code.
            self.depth, self.joints_xyz, self.subjects = arrays["depth"], arrays["joints_xyz"], arrays["subject"]
            lens = {name: float(arrays[name]) for name in ("fx", "fy", "cx", "cy")}
        height, width = self.depth.shape[1:]
        self.camera = khp.Camera(width=width, height=height, **lens)

    def __len__(self) -> int:
        return len(self.depth)

    def __getitem__(self, i: int) -> khp.datasets.Frame:
        return khp.datasets.Frame(
            depth=self.depth[i],
            joints_xyz=self.joints_xyz[i],
            camera=self.camera,
            skeleton=khp.MSRA21,
            hand="right",
            subject=str(self.subjects[i]),
            path=f"{i}",
        )


def main(recordings: Path, output: Path) -> khp.datasets.CropStore:
    """Find the hand in every frame, crop it and keep crops and joints in one file."""
    store = khp.datasets.CropStore.from_frames(output, Recordings(recordings), centre="com", cube=250.0)
    subjects = np.unique(store.subjects)
    print(f"{output}: {store.found.sum()} of {len(store)} hands found, of {', '.join(subjects)}.")
    judged_by = f" --leave-out {subjects[-1]}" if len(subjects) > 1 else ""  # Whom the network has not seen.
    print(f"Next: keras-handpose train --finetune msra --store {output}{judged_by} --output runs/mine")
    return store


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
