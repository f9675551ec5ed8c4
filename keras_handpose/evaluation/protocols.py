"""What a comparison on a public test set has to agree on, as data: cameras, frames, subsets, joint orders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from keras_handpose.cameras import CAMERAS, Camera
from keras_handpose.skeletons import ICVL16, MSRA21, NYU14, Skeleton

__all__ = ["ORDERS", "PROTOCOLS", "Protocol", "protocol_for"]


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """How methods are compared on a dataset.

    Args:
        name: Name of the dataset.
        skeleton: Layout of the joints.
        camera: What lifts published ``u v d`` to mm. It is that of the evaluation tools by which the published means
            were computed, not always the one that the dataset's readers use.
        frames: How many frames the test set has; None where it depends on the version.
        subsets: Parts of it by name: the first frame and the one after the last.
        traps: What to state beside a figure, or two figures do not compare.

    Example:
        >>> PROTOCOLS["icvl"].subsets["icvl-seq1"]
        (0, 702)
    """

    name: str
    skeleton: Skeleton
    camera: Camera
    frames: int | None
    subsets: Mapping[str, tuple[int, int]]
    traps: tuple[str, ...]


_CENTRE = "whether the crop's centre came from the ground truth, a centre of mass or a refinement"
_SINGLE = "whether it is a single model or an ensemble"

PROTOCOLS: dict[str, Protocol] = {
    protocol.name: protocol
    for protocol in (
        Protocol(
            name="msra15",
            skeleton=MSRA21,
            camera=CAMERAS["msra15"],
            frames=None,
            subsets=MappingProxyType({}),
            traps=(
                _CENTRE,
                "the dataset's version: v1 has 76,375 frames, v2 has 76,391",
                "whether one subject was left out at a time, and whether each subject had a cube of its own",
                _SINGLE,
            ),
        ),
        Protocol(
            name="icvl",
            skeleton=ICVL16,
            camera=Camera(name="icvl-evaluation", width=320, height=240, fx=240.99, fy=240.96, cx=160.0, cy=120.0),
            frames=1596,
            subsets=MappingProxyType({"icvl-seq1": (0, 702), "icvl-seq2": (702, 1596)}),
            traps=(
                _CENTRE,
                "training with or without the rotated copies",
                "the camera: it moves means by 0.01 mm",
                _SINGLE,
            ),
        ),
        Protocol(
            name="nyu",
            skeleton=NYU14,
            camera=Camera(name="nyu-evaluation", width=640, height=480, fx=588.03, fy=587.07, cx=320.0, cy=240.0),
            frames=8252,
            subsets=MappingProxyType({"nyu-subject1": (0, 2440), "nyu-subject2": (2440, 8252)}),
            traps=(_CENTRE, "view 1 and 14 of the 36 joints only", _SINGLE),
        ),
    )
}
"""How methods are compared, by dataset."""


def protocol_for(skeleton: Skeleton) -> Protocol | None:
    """Return the protocol of the dataset that a layout belongs to, None for a layout of one's own.

    Example:
        >>> protocol_for(NYU14).frames
        8252
    """
    return next((protocol for protocol in PROTOCOLS.values() if protocol.skeleton == skeleton), None)


ORDERS: dict[str, tuple[int, ...]] = {
    # The evaluated ones of the 36 that NYU annotates.
    "nyu36": (0, 3, 6, 9, 12, 15, 18, 21, 24, 25, 27, 30, 31, 32),
    # As region ensemble networks published theirs: palm, wrist, thumb, then from the little to the index finger.
    "nyu14-ren": (6, 7, 8, 9, 10, 11, 12, 13, 3, 4, 5, 1, 2, 0),
    # As Lie-X published its own.
    "nyu14-lie-x": (11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 12, 13, 0),
    # MSRA15's joints finger by finger from the wrist and the thumb to the little finger, as many trackers have them.
    "thumb-first": (0, *range(5, 21), *range(1, 5)),
    # The HANDS 2017 challenge: wrist, five MCP joints, then PIP, DIP and tip of each finger, thumb first.
    "hands17": (0, 2, 9, 10, 11, 3, 12, 13, 14, 4, 15, 16, 17, 5, 18, 19, 20, 1, 6, 7, 8),
}
"""Where a file that has the joints in another order holds each joint of our skeleton."""
