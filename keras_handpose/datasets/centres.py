"""Where a labelled frame's hand has its centre, and the files in which others keep such centres.

Two kinds of files are in use, a line a frame in the frames' order:

- ``x y z`` in mm, or ``invalid`` where there is no hand (published with V2V-PoseNet, used by many since). Their z is
  positive; their y points up for MSRA15 and NYU and down for ICVL, as the code says that turns their pixels to mm
  (``center_{train,test}_*_refined.txt``; MSRA15's leave one subject out and list the others in order).
- ``u v d`` in px, px, mm (published with REN and Pose-REN), for the dataset's camera.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np

from keras_handpose.cameras import Camera, uvd_to_xyz
from keras_handpose.datasets.frame import Frame
from keras_handpose.datasets.labels import read_joints
from keras_handpose.preprocessing import detect_hand

__all__ = ["CENTRES", "CENTRE_FORMATS", "CENTRE_FORMATS_OF", "CUSTOMARY_CUBES", "find_centre", "read_centres"]

CENTRES = ("com", "ground-truth")
"""Kinds of centres that `find_centre` finds."""

CENTRE_FORMATS: Mapping[str, np.ndarray | None] = MappingProxyType(
    {"xyz": np.array([1.0, 1.0, 1.0]), "xyz-y-up": np.array([1.0, -1.0, 1.0]), "uvd": None}
)
"""Formats of centre files, and what turns their axes into those of our camera space."""

CENTRE_FORMATS_OF: Mapping[str, str] = MappingProxyType({"msra15": "xyz-y-up", "icvl": "xyz", "nyu": "xyz-y-up"})
"""Formats of the centre files that were published with V2V-PoseNet, by dataset."""

CUSTOMARY_CUBES: Mapping[str, Mapping[str, float]] = MappingProxyType(
    {
        "msra15": dict(zip((f"P{i}" for i in range(9)), (200, 200, 200, 180, 180, 180, 170, 160, 150), strict=True)),
        "nyu": {"": 300, "1": 300, "2": 250},
    }
)
"""Cubes in mm by subject that are customary for a dataset. They tell a network how large the hand is: say so beside
results."""

_LABELLED = 0.01
"""Evidence that is enough for a hand where a frame's labels say that there is one, and nothing better was found."""


def find_centre(frame: Frame, *, centre: str = "com", cube: float = 250.0) -> np.ndarray | None:
    """Find where a labelled frame's hand has its centre.

    Args:
        frame: The frame.
        centre: ``"com"`` for the centre of mass of the hand that `detect_hand` finds, as on unlabelled frames. As the
            labels say that there is a hand, a second look makes do with little evidence where the first found none.
            ``"ground-truth"`` for the mean of the labelled joints.
        cube: Edge of the cube in mm that will be cropped.

    Returns:
        The centre in mm, shape ``(3,)``, or None where there is no hand.

    Raises:
        ValueError: There is no such kind of centre.

    Example:
        >>> from keras_handpose.cameras import CAMERAS
        >>> from keras_handpose.skeletons import MSRA21
        >>> depth = np.zeros((240, 320), np.float32)
        >>> depth[95:146, 135:186] = 400
        >>> frame = Frame(
        ...     depth=depth, joints_xyz=np.full((21, 3), 390.0), camera=CAMERAS["msra15"], skeleton=MSRA21
        ... )
        >>> find_centre(frame)[2], find_centre(frame, centre="ground-truth")[2]
        (np.float64(400.0), np.float64(390.0))
    """
    if centre == "ground-truth":
        return np.mean(frame.joints_xyz, axis=0, dtype=np.float64)
    if centre != "com":
        raise ValueError(f"`centre` must be one of {', '.join(CENTRES)}. Received: {centre!r}.")
    detection = detect_hand(frame.depth, frame.camera, cube=cube)
    if not detection.found:
        detection = detect_hand(frame.depth, frame.camera, cube=cube, min_score=_LABELLED)
    return detection.centre_xyz if detection.found else None


def read_centres(path: str | os.PathLike, *, format: str = "xyz", camera: Camera | None = None) -> np.ndarray:
    """Read a file of centres.

    Args:
        path: The file, a line a frame: three numbers, or ``invalid``.
        format: ``"xyz"`` in mm with y down, ``"xyz-y-up"`` in mm with y up, or ``"uvd"`` in px, px, mm; the module's
            description tells which is whose.
        camera: The camera that took the frames, for ``"uvd"``.

    Returns:
        Centres in our camera space in mm, float64, shape ``(frames, 3)``; NaN where the file says ``invalid``.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The format is unknown or needs a camera, a line is neither three numbers nor ``invalid``, or a
            centre lies behind the camera.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     written = Path(folder, "centres.txt").write_text("10 -20 400\\ninvalid\\n")
        ...     read_centres(f"{folder}/centres.txt", format="xyz-y-up").tolist()
        [[10.0, 20.0, 400.0], [nan, nan, nan]]
    """
    if format not in CENTRE_FORMATS:
        raise ValueError(f"`format` must be one of {', '.join(CENTRE_FORMATS)}. Received: {format!r}.")
    if format == "uvd" and camera is None:
        raise ValueError("`camera` must be the camera that took the frames for format='uvd'. Received: None.")
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"There is no file of centres {str(path)!r}.")
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    while lines and not lines[-1].strip():
        lines.pop()
    invalid = np.array([line.strip() == "invalid" for line in lines], bool)
    centres = read_joints(
        ["0 0 1" if not valid else line for line, valid in zip(lines, ~invalid, strict=True)], 1, path=path
    )[:, 0]
    if (centres[:, 2] <= 0).any():
        line = int((centres[:, 2] <= 0).argmax())
        raise ValueError(
            f"{path}, line {line + 1}: the centre lies behind the camera. Received: {lines[line].strip()!r}. "
            "Depth must be positive, and missing hands are written as `invalid`."
        )
    axes = CENTRE_FORMATS[format]
    centres = uvd_to_xyz(centres, camera) if axes is None else centres * axes
    centres[invalid] = np.nan
    return centres
