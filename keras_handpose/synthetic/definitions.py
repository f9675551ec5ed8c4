"""Where the datasets place their joints on a hand, where that is not the centre of an anatomical joint.

- **MSRA15.** Its labels' bones, as published with its statistics (`msra21` below: root-mean-square lengths in mm), are
  those of a hand only from the PIP joint outwards: MCP to PIP measures 28 mm on the index finger, where an adult's
  proximal phalanx has 40, and the thumb's three bones have 25, 20 and 20. So its MCP joints lie on the fingers, where
  these leave the palm, and its wrist in the palm. Each joint is put on its bone at the published distance from the tip,
  and the wrist where its published distances from the fingers' MCP joints and the thumb's CMC joint meet.
- **ICVL.** Its labels came out of a tracker of 17 rigid bones (Melax et al., Dynamics Based 3D Skeletal Hand Tracking,
  2013) that gives the centre of each bone: root, mid and tip are the middles of a finger's three bones, and the palm's
  joint is the middle of the palm.
- **NYU.** Its tips are those of the fingers; mid and root are PIP and MCP joints (of the thumb: IP and MCP), the near
  ends of the bones that ``joint_names`` calls KNU2 (of the thumb: KNU3 and KNU2). No table is needed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from keras_handpose.skeletons import ICVL16, MSRA21

__all__ = ["DEFINITIONS", "Along", "InPalm"]


@dataclass(frozen=True)
class Along:
    """A place on a bone.

    Args:
        finger: Name of the finger.
        bone: Number of the bone, from the root out.
        share: How far along the bone, 0 at its root.
    """

    finger: str
    bone: int
    share: float


@dataclass(frozen=True, eq=False)
class InPalm:
    """A place in the palm.

    Args:
        xyz: In the frame of a large adult's hand in mm; it grows with the hand.
    """

    xyz: np.ndarray


# Distances from the tip in mm of what the labels call DIP, PIP and MCP (IP, MCP and CMC) on a hand of mean size.
_MSRA_FROM_TIP = {
    "index": (18.8, 39.6, 67.3),
    "middle": (19.8, 41.6, 74.3),
    "ring": (17.8, 36.6, 65.3),
    "little": (13.9, 26.8, 47.6),
    "thumb": (19.8, 39.6, 64.2),
}
# Mean lengths of our hands' bones in mm, from the root out.
_BONES = {
    "index": (37.2, 22.3, 17.7),
    "middle": (41.8, 26.0, 18.6),
    "ring": (38.1, 25.1, 17.7),
    "little": (30.7, 18.6, 15.8),
    "thumb": (40.0, 28.8, 19.5),
}


def _msra() -> dict[str, Along | InPalm]:
    places: dict[str, Along | InPalm] = {"wrist": InPalm(np.array([9.0, 15.4, 12.8]))}
    for finger, distances in _MSRA_FROM_TIP.items():
        parts = ("ip", "mcp", "cmc") if finger == "thumb" else ("dip", "pip", "mcp")
        for part, distance in zip(parts, distances, strict=True):
            places[f"{finger}_{part}"] = _from_tip(finger, distance)
    return {joint: places[joint] for joint in MSRA21.joint_names if joint in places}


def _from_tip(finger: str, distance: float) -> Along:
    for bone in (2, 1, 0):
        length = _BONES[finger][bone]
        if distance <= length or bone == 0:
            return Along(finger, bone, 1.0 - distance / length)
        distance -= length
    raise AssertionError


def _icvl() -> dict[str, Along | InPalm]:
    places: dict[str, Along | InPalm] = {"palm": InPalm(np.array([-5.0, 40.0, 1.0]))}
    for finger in ICVL16.fingers:
        places |= {f"{finger}_{part}": Along(finger, bone, 0.5) for bone, part in enumerate(("root", "mid", "tip"))}
    return {joint: places[joint] for joint in ICVL16.joint_names}


DEFINITIONS: Mapping[str, Mapping[str, Along | InPalm]] = MappingProxyType(
    {MSRA21.name: MappingProxyType(_msra()), ICVL16.name: MappingProxyType(_icvl())}
)
"""By layout and joint. What is not here lies on the anatomical landmark of `Skeleton.landmarks`."""
