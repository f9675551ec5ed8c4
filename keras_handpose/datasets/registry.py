"""The datasets by name, as the command line has them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from inspect import signature

from keras_handpose.datasets.dataset import Dataset
from keras_handpose.datasets.icvl import ICVL
from keras_handpose.datasets.labelled import LabelledFrames
from keras_handpose.datasets.msra15 import MSRA15
from keras_handpose.datasets.nyu import NYU

__all__ = ["DATASETS", "open_dataset"]

DATASETS: dict[str, type[Dataset]] = {"msra15": MSRA15, "icvl": ICVL, "nyu": NYU, "frames": LabelledFrames}
"""The datasets' readers by name."""


def open_dataset(
    name: str, folder: str | os.PathLike, *, split: str | None = None, subjects: Sequence[str] | None = None
) -> Dataset:
    """Read a dataset by its name.

    Args:
        name: One of `DATASETS`.
        folder: The dataset's folder.
        split: "train" or "test" for ICVL and NYU, which have such a split; by default "train".
        subjects: Names of the subjects to read, for MSRA15; by default all.

    Raises:
        ValueError: Unknown name, or an option that the dataset does not have.
        FileNotFoundError: The dataset is not in the folder.

    Example:
        >>> open_dataset("msra", "data")
        Traceback (most recent call last):
        ...
        ValueError: There is no dataset 'msra'. Choose one of msra15, icvl, nyu, frames.
    """
    if name not in DATASETS:
        raise ValueError(f"There is no dataset {name!r}. Choose one of {', '.join(DATASETS)}.")
    options = {"split": split, "subjects": subjects}
    options = {option: value for option, value in options.items() if value is not None}
    for option, value in options.items():
        if option not in signature(DATASETS[name]).parameters:
            with_it = [other for other, reader in DATASETS.items() if option in signature(reader).parameters]
            raise ValueError(f"`{option}` can be chosen for {', '.join(with_it)} only. Received: {value!r} for {name}.")
    return DATASETS[name](folder, **options)
