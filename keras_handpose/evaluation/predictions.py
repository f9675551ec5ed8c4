"""The community's result files: one frame a line, three numbers a joint."""

from __future__ import annotations

import os
import re
import tokenize
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np

from keras_handpose.checks import check_path, check_whole
from keras_handpose.evaluation.numbers import parse_table
from keras_handpose.evaluation.protocols import ORDERS
from keras_handpose.files import whole_file
from keras_handpose.skeletons import SKELETONS, Skeleton

__all__ = ["read_image_paths", "read_predictions", "write_predictions"]


def read_predictions(
    path: str | os.PathLike,
    *,
    skeleton: Skeleton | None = None,
    axes: str = "uvd",
    order: str | Sequence[int] | None = None,
    variable: str | None = None,
) -> np.ndarray:
    """Read the joints that a method found in many frames.

    The file is text with a frame a line and three numbers a joint, with or without an image path or a frame number in
    front; numbers may be separated by blanks, tabs or commas and have exponents, blank lines are skipped, line ends
    are of any kind. Or it is MATLAB's ``.mat`` or NumPy's ``.npy`` with an array of shape ``(frames, joints, 3)`` or
    ``(frames, joints * 3)``. Nothing in a file is ever run.

    Args:
        path: The file.
        skeleton: Layout that the joints must fit; by default any number of joints will do.
        axes: What the three numbers are, each with a minus where the file's axis points the other way: ``"uvd"`` as
            most files have it, ``"xyz"`` in our camera space (x right, y down, z away), ``"x-yz"`` where y points up
            as in NYU's labels, ``"x-y-z"`` as in MSRA15's. Any order of letters is allowed.
        order: Where the file has each of our joints: the name of one of `ORDERS`, or indices. A subset does as well:
            ``"nyu36"`` picks the 14 evaluated ones of NYU's 36.
        variable: Name of the array in a ``.mat`` file with several, also with wildcards for one that is split:
            ``"P?_xyz_estimation"`` joins nine subjects in the order of their names.

    Returns:
        Joints of shape ``(frames, joints, 3)``, float64, as ``u v d`` or ``x y z``, whichever of them the letters of
        ``axes`` are, signs and order made ours. NaN where the method found no hand.

    Raises:
        OSError: There is no such file.
        ValueError: It is damaged, or has other joints.

    See Also:
        `write_predictions`, the inverse; `evaluate`, which calls this.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = write_predictions(Path(folder) / "mine.txt", np.ones((2, 14, 3)))
        ...     read_predictions(file).shape
        (2, 14, 3)
    """
    path = check_path(path)
    space, signs = _parse_axes(axes)
    if path.suffix.lower() in (".mat", ".npy"):
        numbers = _read_array(path, variable)
    else:
        _, numbers = parse_table(_read_bytes(path), str(path))
        if numbers.shape[1] % 3 == 1:
            numbers = numbers[:, 1:]  # A frame's number in place of its image's path.
        if numbers.shape[1] % 3 or not numbers.shape[1]:
            raise ValueError(
                f"{path} must hold three numbers a joint. Received: {numbers.shape[1]} numbers a line, which is no "
                "whole number of joints: a column is missing or too many."
            )
    joints = numbers.reshape(len(numbers), -1, 3)
    joints = _in_our_order(joints, order, skeleton, path)
    if axes not in ("uvd", "xyz"):
        # Where the file has u (x), v (y) and d (z), and which way they point.
        places = [space.index(letter) for letter in sorted(space, key="uvdxyz".index)]
        joints = joints[..., places] * np.array(signs, np.float64)[places]
    if not np.isfinite(joints).all():
        joints = np.where(np.isfinite(joints), joints, np.nan)
    return joints


def write_predictions(
    path: str | os.PathLike,
    joints_uvd: np.ndarray,
    *,
    image_paths: Sequence[str] | None = None,
    decimals: int = 3,
) -> Path:
    """Write joints as the field exchanges them: a frame a line, ``u v d`` (px, px, mm) a joint.

    Args:
        path: The file to make or to replace, in one step.
        joints_uvd: Joints of shape ``(frames, joints, 3)``; NaN where no hand was found is written as ``nan``.
        image_paths: What to write in front of the lines.
        decimals: Digits after the point; 3 are exact to 0.001 mm at arm's length.

    Returns:
        The path.

    Raises:
        ValueError: The joints have another shape, there is not one path without spaces for each frame, or the number of
            digits is no such number.

    See Also:
        `read_predictions`, the inverse; `keras_handpose.cameras.xyz_to_uvd`.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_predictions(Path(folder) / "a.txt", np.ones((1, 1, 3)), image_paths=["a.png"]).read_text()
        'a.png 1.000 1.000 1.000\\n'
    """
    try:
        joints_uvd = np.asarray(joints_uvd, np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"`joints_uvd` must be numbers of shape (frames, joints, 3). Received: {error}.") from None
    check_whole(decimals, "decimals", at_least=0, at_most=17)
    if joints_uvd.ndim != 3 or joints_uvd.shape[2] != 3 or not joints_uvd.size:
        raise ValueError(f"`joints_uvd` must have shape (frames, joints, 3). Received: {joints_uvd.shape}.")
    fronts = [""] * len(joints_uvd)
    if image_paths is not None:
        fronts = [f"{image_path} " for image_path in image_paths]
        if len(fronts) != len(joints_uvd) or any(len(front.split()) != 1 for front in fronts):
            raise ValueError(
                f"`image_paths` must be one path without spaces for each of {len(joints_uvd)} frames. "
                f"Received: {len(fronts)} paths, such as {fronts[:1]}."
            )
    line = " ".join([f"%.{decimals}f"] * joints_uvd[0].size) + "\n"
    with whole_file(path) as partial, open(partial, "w", encoding="utf-8", newline="\n") as file:
        for front, numbers in zip(fronts, joints_uvd.reshape(len(joints_uvd), -1).tolist(), strict=True):
            file.write(front + line % tuple(numbers))
    return Path(path)


def read_image_paths(path: str | os.PathLike) -> tuple[str, ...] | None:
    """Return the image paths in front of a result file's lines, None where there are none.

    Raises:
        OSError, ValueError: As `read_predictions`.
    """
    path = check_path(path)
    return None if path.suffix.lower() in (".mat", ".npy") else parse_table(_read_bytes(path), str(path))[0]


def _parse_axes(axes: str) -> tuple[str, list[int]]:
    """Return the letters of the file's three numbers and their signs."""
    found = isinstance(axes, str) and re.fullmatch(r"([+-]?)([uvdxyz])" * 3, axes)
    if not found or sorted(found.groups()[1::2]) not in (sorted("uvd"), sorted("xyz")):
        raise ValueError(
            "`axes` must be the letters of uvd or of xyz in the file's order, with a minus in front of those that "
            f"point the other way, such as 'uvd' or 'x-yz'. Received: {axes!r}."
        )
    return "".join(found.groups()[1::2]), [-1 if sign == "-" else 1 for sign in found.groups()[::2]]


def _in_our_order(
    joints: np.ndarray, order: str | Sequence[int] | None, skeleton: Skeleton | None, path: Path
) -> np.ndarray:
    count = joints.shape[1]
    if order is not None:
        if isinstance(order, str) and order not in ORDERS:
            raise ValueError(f"`order` must be indices or one of {', '.join(ORDERS)}. Received: {order!r}.")
        indices = [int(index) for index in (ORDERS[order] if isinstance(order, str) else order)]
        if not indices or min(indices) < 0 or max(indices) >= count:
            raise ValueError(
                f"`order` must be indices from 0 to {count - 1}, into the {count} joints of {path}. "
                f"Received: {order!r}."
            )
        if skeleton is not None and len(indices) != len(skeleton):
            raise ValueError(
                f"`order` must give an index for each of the {len(skeleton)} joints of {skeleton.name}. "
                f"Received: {len(indices)} indices."
            )
        return joints[:, indices]
    if skeleton is None or count == len(skeleton):
        return joints
    fitting = [name for name, other in SKELETONS.items() if len(other) == count]
    remedy = f"Its joints fit {' and '.join(fitting)}: name that skeleton. " if fitting else "No skeleton has so many. "
    if count == 36 and skeleton.name == "nyu14":
        remedy = "These look like all that NYU annotates: pass order='nyu36' (--order nyu36). "
    raise ValueError(
        f"{path} does not fit {skeleton.name}, which has {len(skeleton)} joints, {3 * len(skeleton)} numbers a frame. "
        f"Received: {count} joints, {3 * count} numbers a frame. {remedy}"
        "For a subset or another order of joints give their indices as `order`."
    )


def _read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except (FileNotFoundError, IsADirectoryError) as error:
        raise type(error)(f"There is no result file {path}.") from None


def _read_array(path: Path, variable: str | None) -> np.ndarray:
    """Read frames by numbers from a ``.mat`` or ``.npy`` file."""
    if not path.is_file():
        raise FileNotFoundError(f"There is no result file {path}.")
    if path.suffix.lower() == ".npy":
        try:
            with path.open("rb") as file:
                arrays = [np.lib.format.read_array(file, allow_pickle=False)]
        except (ValueError, TypeError, EOFError, MemoryError, tokenize.TokenError) as error:
            raise ValueError(f"{path} is no array of numbers, or it is damaged: {error}. Save it anew.") from None
    else:
        arrays = _read_matlab(path, variable)
    for array in arrays:
        columns = int(np.prod(array.shape[1:]))
        by_joint = array.ndim == 3 and array.shape[2] == 3
        if array.dtype.kind not in "fiu" or not array.size or not (by_joint or array.ndim == 2 and columns % 3 == 0):
            raise ValueError(
                f"{path} must hold numbers of shape (frames, joints, 3) or (frames, joints * 3). "
                f"Received: shape {array.shape}, dtype {array.dtype}."
            )
    if len({array.shape[1:] for array in arrays}) > 1:
        raise ValueError(f"The arrays in {path} have different joints: shapes {[array.shape for array in arrays]}.")
    return np.concatenate(arrays).astype(np.float64)


def _read_matlab(path: Path, variable: str | None) -> list[np.ndarray]:
    from scipy.io import loadmat

    try:
        contents = loadmat(path)
    except NotImplementedError:
        raise ValueError(f"{path} is a MATLAB 7.3 file. Save it again with save(..., '-v7').") from None
    except Exception as error:  # SciPy raises whatever its parsing stumbles over in a damaged file.
        raise ValueError(f"{path} is damaged or no MATLAB file: {error}. Save it anew.") from None
    arrays = {name: value for name, value in sorted(contents.items()) if isinstance(value, np.ndarray)}
    numeric = [name for name, value in arrays.items() if value.dtype.kind in "fiu" and value.ndim >= 2]
    wanted = [name for name in arrays if fnmatchcase(name, variable)] if variable else numeric
    if not wanted or (variable is None and len(wanted) > 1):
        there = ", ".join(f"{name} {arrays[name].shape}" for name in numeric) or "none"
        raise ValueError(
            f"Name the variable of {path} that holds the joints (variable=..., --variable). "
            f"Received: {variable!r}. Its arrays are: {there}."
        )
    return [arrays[name] for name in wanted]
