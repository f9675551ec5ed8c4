"""Cameras on the command line: a name, or numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keras_handpose.checks import suggestion

if TYPE_CHECKING:
    from keras_handpose.cameras import Camera

__all__ = ["camera_of", "numbers_in"]


def camera_of(text: str, *, shape: tuple[int, int] | None = None) -> Camera:
    """Return the camera of a name, or of ``fx,fy,cx,cy,width,height``.

    Args:
        text: The option's value.
        shape: Height and width of the frames where they are known; width and height may be left out then.

    Raises:
        ValueError: There is no camera of that name, or it is not that many numbers.

    Example:
        >>> camera_of("476,476,313.7,242.8", shape=(480, 640)).width
        640
    """
    from keras_handpose.cameras import CAMERAS, Camera

    if text in CAMERAS:
        return CAMERAS[text]
    expected = f"fx,fy,cx,cy{'[,width,height]' if shape else ',width,height'}"
    try:
        numbers = numbers_in(text)
        if len(numbers) == 4 and shape:
            numbers += shape[::-1]
        if len(numbers) != 6:
            raise ValueError(f"{len(numbers)} number{'s' * (len(numbers) > 1)}")
        fx, fy, cx, cy = numbers[:4]
        width, height = (int(side) if side == int(side) else side for side in numbers[4:])
        return Camera(width=width, height=height, fx=fx, fy=fy, cx=cx, cy=cy)
    except (ValueError, OverflowError) as error:
        raise ValueError(
            f"`--camera` must be one of {', '.join(CAMERAS)}, or {expected} in px. Received: {text!r}: {error}."
            + suggestion(text, CAMERAS)
        ) from error


def numbers_in(text: str) -> list[float]:
    """Return the numbers of ``1,2,3``.

    Raises:
        ValueError: Not all are numbers.
    """
    try:
        return [float(number) for number in text.split(",")]
    except ValueError:
        raise ValueError("not all of it is numbers") from None
