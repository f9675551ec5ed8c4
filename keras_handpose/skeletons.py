"""Joint layouts of the public datasets, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import partial
from types import MappingProxyType

import numpy as np

__all__ = ["HAND56", "ICVL16", "MSRA21", "NYU14", "SKELETONS", "Skeleton", "convert_joints", "corresponding_joints"]


@dataclass(frozen=True, kw_only=True)
class Skeleton:
    """A named layout of hand joints.

    Args:
        name: Layout name.
        joint_names: One name a joint, in the order of arrays ``(..., joints, 3)``.
        landmarks: The anatomical landmark that each joint stands for, the same word in every layout.
        fingers: Joint indices from the palm to the tip, by finger, thumb first.
        palm: Joint indices that are not on a finger.
        bones: Pairs of joint indices to draw.
        centre_joint: Index of the joint that the field leaves out of the mean error because the crop is centred on it.

    Example:
        >>> len(MSRA21), MSRA21.index("middle_mcp")
        (21, 5)
    """

    name: str
    joint_names: tuple[str, ...]
    landmarks: tuple[str, ...]
    fingers: Mapping[str, tuple[int, ...]]
    palm: tuple[int, ...]
    bones: tuple[tuple[int, int], ...]
    centre_joint: int

    def __len__(self) -> int:
        return len(self.joint_names)

    def __post_init__(self) -> None:
        object.__setattr__(self, "fingers", MappingProxyType(dict(self.fingers)))

    def __reduce__(self):
        # A mapping proxy cannot be pickled.
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return partial(Skeleton, **{**values, "fingers": dict(self.fingers)}), ()

    def index(self, joint_name: str) -> int:
        """Return the index of a joint.

        Raises:
            ValueError: The layout has no such joint.
        """
        if joint_name not in self.joint_names:
            raise ValueError(
                f"{self.name} has no joint {joint_name!r}. Its joints are: {', '.join(self.joint_names)}. "
                f"Received: joint_name={joint_name!r}."
            )
        return self.joint_names.index(joint_name)

    @property
    def tips(self) -> tuple[int, ...]:
        """Indices of the finger tips, thumb first."""
        return tuple(finger[-1] for finger in self.fingers.values())


def corresponding_joints(source: Skeleton, target: Skeleton) -> tuple[np.ndarray, np.ndarray]:
    """Find the joints that two layouts share.

    Joints correspond when they stand for the same anatomical landmark. Tips agree to a few mm; the datasets place
    their inner joints differently (an NYU or ICVL "mid" is near the PIP joint, not on it), so differences of
    6 to 13 mm between corresponding joints are a matter of definition, not of estimation. `HAND56` has the joints of
    all layouts as these place them.

    Returns:
        Two index arrays of equal length, into ``source`` and into ``target``.

    Raises:
        TypeError: One is no skeleton.

    Example:
        >>> source, target = corresponding_joints(MSRA21, NYU14)
        >>> [NYU14.joint_names[i] for i in target][:2]
        ['little_tip', 'little_mid']
    """
    for name, skeleton in (("source", source), ("target", target)):
        if not isinstance(skeleton, Skeleton):
            raise TypeError(f"`{name}` must be a Skeleton, such as those in SKELETONS. Received: {skeleton!r:.80}.")
    pairs = []
    for i, (joint, landmark) in enumerate(zip(target.joint_names, target.landmarks, strict=True)):
        # A joint as its dataset places it, ``layout:joint``, if the source has it.
        exact = joint if ":" in joint else f"{target.name}:{joint}"
        if exact in source.joint_names:
            pairs.append((source.joint_names.index(exact), i))
        elif landmark in source.landmarks:
            pairs.append((source.landmarks.index(landmark), i))
    indices = np.array(pairs, dtype=np.intp).reshape(-1, 2)
    return indices[:, 0], indices[:, 1]


def convert_joints(joints_xyz: np.ndarray, source: Skeleton, target: Skeleton) -> np.ndarray:
    """Rearrange joints from one layout to another.

    Args:
        joints_xyz: Joints of the source layout, shape ``(..., len(source), 3)``, any unit.
        source, target: The layouts.

    Returns:
        Joints of shape ``(..., len(target), 3)``; NaN where the source has no corresponding joint.

    Raises:
        TypeError: A layout is no skeleton.
        ValueError: The joints are not numbers of the source's shape.

    See Also:
        `corresponding_joints`, which tells how exact the correspondence is.

    Example:
        >>> import numpy as np
        >>> convert_joints(np.zeros((21, 3)), MSRA21, ICVL16).shape
        (16, 3)
    """
    from_indices, to_indices = corresponding_joints(source, target)
    try:
        joints_xyz = np.asarray(joints_xyz)
    except ValueError:  # Lists of unequal lengths.
        joints_xyz = np.asarray(None)
    if joints_xyz.dtype.kind not in "fiu" or joints_xyz.shape[-2:] != (len(source), 3):
        raise ValueError(
            f"`joints_xyz` must be numbers of shape (..., {len(source)}, 3) for {source.name}. "
            f"Received: {joints_xyz.shape}, dtype {joints_xyz.dtype}."
        )
    dtype = joints_xyz.dtype if joints_xyz.dtype.kind == "f" else np.float64
    converted = np.full((*joints_xyz.shape[:-2], len(target), 3), np.nan, dtype)
    converted[..., to_indices, :] = joints_xyz[..., from_indices, :]
    return converted


def _skeleton(
    name: str,
    joints: tuple[tuple[str, str], ...],
    fingers: dict[str, tuple[str, ...]],
    bones: tuple[tuple[str, str], ...],
    centre: str,
) -> Skeleton:
    names = tuple(joint for joint, _ in joints)
    chains = {finger: tuple(names.index(joint) for joint in chain) for finger, chain in fingers.items()}
    along_fingers = tuple(pair for chain in chains.values() for pair in zip(chain[:-1], chain[1:], strict=True))
    return Skeleton(
        name=name,
        joint_names=names,
        landmarks=tuple(landmark for _, landmark in joints),
        fingers=chains,
        palm=tuple(i for i in range(len(names)) if all(i not in chain for chain in chains.values())),
        bones=tuple((names.index(a), names.index(b)) for a, b in bones) + along_fingers,
        centre_joint=names.index(centre),
    )


_LONG_FINGERS = ("index", "middle", "ring", "little")
_FINGERS = ("thumb", *_LONG_FINGERS)
_THUMB_LANDMARKS = {"cmc": "thumb_cmc", "mcp": "thumb_mcp", "ip": "thumb_ip", "tip": "thumb_tip"}

MSRA21 = _skeleton(
    "msra21",
    joints=(
        ("wrist", "wrist"),
        *((f"{f}_{j}", f"{f}_{j}") for f in _LONG_FINGERS for j in ("mcp", "pip", "dip", "tip")),
        *((f"thumb_{j}", landmark) for j, landmark in _THUMB_LANDMARKS.items()),
    ),
    fingers={
        "thumb": tuple(f"thumb_{j}" for j in _THUMB_LANDMARKS),
        **{f: tuple(f"{f}_{j}" for j in ("mcp", "pip", "dip", "tip")) for f in _LONG_FINGERS},
    },
    bones=(("wrist", "thumb_cmc"), *(("wrist", f"{f}_mcp") for f in _LONG_FINGERS)),
    centre="middle_mcp",
)
"""The 21 joints of MSRA15."""

ICVL16 = _skeleton(
    "icvl16",
    joints=(
        ("palm", "palm"),
        ("thumb_root", "thumb_mcp"),
        ("thumb_mid", "thumb_ip"),
        ("thumb_tip", "thumb_tip"),
        *(
            (f"{f}_{j}", f"{f}_{landmark}")
            for f in _LONG_FINGERS
            for j, landmark in (("root", "mcp"), ("mid", "pip"), ("tip", "tip"))
        ),
    ),
    fingers={f: tuple(f"{f}_{j}" for j in ("root", "mid", "tip")) for f in _FINGERS},
    bones=tuple(("palm", f"{f}_root") for f in _FINGERS),
    centre="palm",
)
"""The 16 joints of ICVL."""

NYU14 = _skeleton(
    "nyu14",
    joints=(
        *(
            (f"{f}_{j}", f"{f}_{landmark}")
            for f in reversed(_LONG_FINGERS)
            for j, landmark in (("tip", "tip"), ("mid", "pip"))
        ),
        ("thumb_tip", "thumb_tip"),
        ("thumb_mid", "thumb_ip"),
        ("thumb_root", "thumb_mcp"),
        ("wrist_left", "wrist_left"),
        ("wrist_right", "wrist_right"),
        ("palm", "palm"),
    ),
    fingers={
        "thumb": ("thumb_root", "thumb_mid", "thumb_tip"),
        **{f: (f"{f}_mid", f"{f}_tip") for f in _LONG_FINGERS},
    },
    bones=(
        ("palm", "thumb_root"),
        *(("palm", f"{f}_mid") for f in _LONG_FINGERS),
        ("palm", "wrist_left"),
        ("palm", "wrist_right"),
    ),
    centre="palm",
)
"""The 14 of NYU's 36 joints on which methods are compared."""

_ELSEWHERE = tuple(
    (f"{layout.name}:{joint}", landmark)
    for layout in (MSRA21, ICVL16)
    for joint, landmark in zip(layout.joint_names, layout.landmarks, strict=True)
    if layout is ICVL16 or not joint.endswith("_tip")
)
HAND56 = _skeleton(
    "hand56",
    joints=(
        *((name, name) for name in (*MSRA21.landmarks, "palm", "wrist_left", "wrist_right")),
        *_ELSEWHERE,
    ),
    fingers={finger: tuple(MSRA21.joint_names[i] for i in chain) for finger, chain in MSRA21.fingers.items()},
    bones=(
        ("wrist", "thumb_cmc"),
        *(("wrist", f"{f}_mcp") for f in _LONG_FINGERS),
        *(("wrist", joint) for joint in ("palm", "wrist_left", "wrist_right")),
        *((landmark, joint) for joint, landmark in _ELSEWHERE),
    ),
    centre="middle_mcp",
)
"""Anatomical joints first, then what MSRA15 and ICVL place elsewhere: a network of these gives any of the others."""

SKELETONS: dict[str, Skeleton] = {skeleton.name: skeleton for skeleton in (MSRA21, ICVL16, NYU14, HAND56)}
"""Layouts by name."""
