"""From depth frames to a network's input, and from its output to mm: for those who call a `keras.Model` themselves."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Literal

import numpy as np

from keras_handpose.cameras import CAMERAS, Camera
from keras_handpose.checks import as_array, check_hand, check_named, check_positive, check_share
from keras_handpose.preprocessing.crop import BACKGROUND, Crop, check_size, crop_hand
from keras_handpose.preprocessing.detection import detect_hand
from keras_handpose.preprocessing.frames import check_depth, check_scale, warn_of_distance, warn_of_unit

__all__ = ["decode_predictions", "preprocess_input"]


def preprocess_input(
    depth: np.ndarray | Iterable[np.ndarray],
    *,
    camera: Camera | str,
    cube: float = 250.0,
    hand: Literal["right", "left"] = "right",
    depth_scale: float = 1.0,
    centres_xyz: Iterable[np.ndarray | None] | None = None,
    min_score: float = 0.3,
    size: int = 128,
) -> tuple[np.ndarray, list[Crop | None]]:
    """Turn depth frames into a network's input: find the hand, cut its cube out and normalise it.

    `keras_handpose.HandPoseEstimator` does the same on its way to a pose, and looks at more places of the frame where
    the network is not sure of a hand; its poses' ``centre_xyz`` can be passed as ``centres_xyz``.

    Args:
        depth: One frame ``(height, width)``, or many ``(n, height, width)``, in units of ``depth_scale`` mm.
        camera: The camera that took them, or its name in `CAMERAS`.
        cube: Edge of the cube around the hand in mm, the one that the network was trained for; see the example.
        hand: Which hand is in the frames. Networks know right hands, so that left ones are mirrored.
        depth_scale: Millimetres in one unit of the frames (0.125 for an SR305, 1000 for metres).
        centres_xyz: The hands' centres in mm, ``(n, 3)``, or a list with None where the hand is to be found; by
            default all are.
        min_score: Evidence from which on something is a hand; see `detect_hand`.
        size: Edge of a crop in px, as the network takes it; at most 4096.

    Returns:
        The input ``(n, size, size, 1)``, float32, and for each frame the `Crop`, which knows the way back, or None
        where there is no hand. There the input is all background.

    Raises:
        TypeError, ValueError: A frame is not a depth frame of the camera, there are not as many centres as frames, a
            centre is not finite and in front of the camera, or another argument is wrong.

    Warns:
        UserWarning: There is no hand in a frame, and its depth is so near or so far that the unit must be another; or a
            hand was found more than 2 m away.

    See Also:
        `decode_predictions`, the way back.

    Example:
        >>> from keras_handpose import weights
        >>> frame = np.zeros((240, 320), np.uint16)
        >>> frame[95:146, 135:186] = 400
        >>> cube = weights.resolve("msra")[1].cube  # A preset's record says what cube it was trained for.
        >>> inputs, crops = preprocess_input([frame, 0 * frame], camera="msra15", cube=cube)
        >>> inputs.shape, crops[1] is None
        ((2, 128, 128, 1), True)
        >>> joints_unit = np.zeros((2, 21, 3), np.float32)  # Or model.predict(inputs).
        >>> joints_xyz = decode_predictions(joints_unit, crops)
        >>> joints_xyz[:, 0, 2].tolist()
        [400.0, nan]
    """
    camera = check_named(camera, CAMERAS, Camera, "camera")
    cube = check_positive(cube, "cube", "edge in mm")
    check_hand(hand)
    check_scale(depth_scale)
    check_share(min_score, "min_score")
    size = check_size(size)
    frames = _frames_in(depth)
    if not isinstance(centres_xyz, Iterable | None) or getattr(centres_xyz, "ndim", 1) == 0:
        raise TypeError(f"`centres_xyz` must be one centre for each frame, or None. Received: {centres_xyz!r:.80}.")
    centres = [None] * len(frames) if centres_xyz is None else list(centres_xyz)
    if len(centres) != len(frames):
        raise ValueError(
            "`centres_xyz` must have a centre (x, y, z), or None, for each frame. "
            f"Received: {len(centres)} for {len(frames)} frames. One centre for one frame is [(x, y, z)]."
        )

    inputs = np.full((len(frames), size, size, 1), BACKGROUND, np.float32)
    crops: list[Crop | None] = []
    for image, frame, centre_xyz in zip(inputs, frames, centres, strict=True):
        frame = check_depth(frame, depth_scale=depth_scale, camera=camera)
        if centre_xyz is None:
            detection = detect_hand(frame, camera, cube=cube, min_score=min_score)
            centre_xyz = detection.centre_xyz if detection.found else None
            warn_of_distance(detection.centre_xyz)
        crop = None
        if centre_xyz is not None:
            crop = crop_hand(frame, camera, centre_xyz, cube=cube, size=size, mirror=hand == "left")
            image[..., 0] = crop.image
        found = (image < BACKGROUND).any()
        if not found:
            warn_of_unit(frame)
        crops.append(crop if found else None)
    return inputs, crops


def decode_predictions(joints_unit: np.ndarray, crops: Sequence[Crop | None]) -> np.ndarray:
    """Turn a network's output into joints in mm.

    Args:
        joints_unit: What the network made of the input, ``(n, joints, 3)``, unit cube: what ``model.predict`` returns,
            or ``keras.ops.convert_to_numpy(model(inputs))``.
        crops: What `preprocess_input` returned beside the input, one for each frame.

    Returns:
        The joints in camera space in mm, ``(n, joints, 3)``, float64; NaN where there is no hand.

    Raises:
        ValueError: The joints are not of this shape, or there are not as many as crops.

    See Also:
        `preprocess_input`, with an example; `xyz_to_uvd`, from there to the frame's pixels.
    """
    joints_unit = as_array(joints_unit)
    if joints_unit.dtype.kind not in "fiu" or joints_unit.ndim != 3 or joints_unit.shape[2] != 3:
        raise ValueError(
            f"`joints_unit` must have shape (n, joints, 3). Received: shape {joints_unit.shape}, "
            f"dtype {joints_unit.dtype}. Pass the whole batch that the network returned."
        )
    listed = isinstance(crops, list | tuple) and all(isinstance(crop, Crop | None) for crop in crops)
    if not listed or len(crops) != len(joints_unit):
        received = f"{len(crops)} crops" if listed else f"a {type(crops).__name__}"
        raise ValueError(
            "`crops` must be the list that `preprocess_input` returned beside the network's input. "
            f"Received: {received} for {len(joints_unit)} predictions."
        )
    joints_xyz = np.full(joints_unit.shape, np.nan, np.float64)
    for i, crop in enumerate(crops):
        if crop is not None:
            joints_xyz[i] = crop.unit_to_xyz(joints_unit[i].astype(np.float64))
    return joints_xyz


def _frames_in(depth: object) -> list:
    """Return the frames that are given, one or many.

    Raises:
        TypeError: They are the place where frames are, or something else without an order.
    """
    if isinstance(depth, str | bytes | os.PathLike | Mapping | Set):
        raise TypeError(
            "`depth` must be a depth frame of shape (height, width), or a list of them. "
            f"Received: {depth!r:.80}. read_depth reads a file, and list_depth_files finds those of a folder."
        )
    if not isinstance(depth, Iterable) or getattr(depth, "ndim", 3) < 3:
        return [depth]
    frames = list(depth)
    return [frames] if frames and as_array(frames[0]).ndim == 1 else frames  # Rows of numbers are one frame.
