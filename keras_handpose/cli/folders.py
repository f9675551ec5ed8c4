"""What lies beside depth frames and says what they are: a recording's list, or labels."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from keras_handpose.cli.output import say

if TYPE_CHECKING:
    import numpy as np

    from keras_handpose.cameras import Camera
    from keras_handpose.skeletons import Skeleton

__all__ = ["Known", "known_of"]


class Known(NamedTuple):
    """What a folder says of its frames: nothing, unless it has a list or labels."""

    camera: Camera | None = None
    scales: Mapping[Path, float] = {}
    """Millimetres in one unit of each file that has a label."""
    recorded_scale: float = 1.0
    hand: Literal["right", "left", "both"] = "right"
    skeleton: Skeleton | None = None
    joints_xyz: Mapping[Path, np.ndarray] = {}
    """True joints in mm of each file that has a label."""

    def depth_scale(self, files: list[Path]) -> float:
        """Return the mm in one unit of these files.

        Raises:
            ValueError: By their labels there are several units.
        """
        # A frame without a label is of the folder's camera, too.
        scales = {self.scales[file] for file in files if file in self.scales} or {*self.scales.values()}
        if len(scales) > 1:
            raise ValueError(
                f"`--depth-scale` is needed: by their labels, the frames in {files[0].parent} are in several units. "
                "Put those of each unit into a folder of their own, or `keras-handpose prepare` them, frame by frame."
            )
        return scales.pop() if scales else self.recorded_scale


def known_of(folder: Path, *, camera_given: bool) -> Known:
    """Look for a list of ``keras-handpose live --record`` or for labels in a folder of frames.

    Raises:
        ValueError: What is there is damaged, and no camera was given.
    """
    try:
        return _read(folder)
    except ValueError as error:
        if not camera_given:
            raise ValueError(f"{error} With `--camera`, what the folder says is left out.") from error
        say(f"Left out what the folder says of its frames: {error}")
        return Known()


def _read(folder: Path) -> Known:
    from keras_handpose.capture import RECORDING_FILE, FolderSource
    from keras_handpose.datasets.labelled import LABELS_FILE, LabelledFrames

    if (folder / RECORDING_FILE).is_file():
        recording = FolderSource(folder)
        hand = "both" if len(recording.hands) > 1 else next(iter(recording.hands), "right")
        return Known(recording.camera, recorded_scale=recording.depth_scale, hand=hand)
    if (folder / LABELS_FILE).is_file():
        labelled = LabelledFrames(folder)
        files = [folder / path for path in labelled.paths]
        return Known(
            labelled.camera,
            scales=dict(zip(files, labelled.depth_scales, strict=True)),
            hand=labelled.hand,
            skeleton=labelled.skeleton,
            joints_xyz=dict(zip(files, labelled.joints_xyz, strict=True)),
        )
    return Known()
