"""The look of all pictures: a dark ground, quiet depth, and colours that everybody can tell apart."""

from __future__ import annotations

from matplotlib.colors import LinearSegmentedColormap

__all__ = [
    "CONTRAST_SHARE",
    "DEPTH",
    "FAINT",
    "FINGER_COLOURS",
    "GRID",
    "GROUND",
    "INK",
    "METHOD_COLOURS",
    "NO_DEPTH",
    "NO_DEPTH_DOTS",
    "PALM",
    "STYLE",
]

FINGER_COLOURS: dict[str, str] = {
    "thumb": "#e53159",
    "index": "#ee8f2a",
    "middle": "#fff25a",
    "ring": "#4a8dff",
    "little": "#cd8fca",
}
"""Bright enough for a dark ground, and at least 20 apart in CIE L*a*b* for every kind of colour vision."""

METHOD_COLOURS: tuple[str, ...] = (
    "#56b4e9",
    "#e69f00",
    "#2bb58a",
    "#f0e442",
    "#d77fb0",
    "#e8643c",
    "#e8eaf0",
    "#4a6fe3",
)
"""Okabe and Ito's colours, made brighter for a dark ground, in the order in which they are used."""

PALM = "#c9ced9"
INK = "#e8eaf0"
FAINT = "#8a90a2"
GROUND = "#12141c"
GRID = "#2a2f3c"
NO_DEPTH = "#1d2029"
NO_DEPTH_DOTS = "#313747"

# Lightness rises evenly from far to near; cool and quiet, so that the fingers' colours stand out.
DEPTH = LinearSegmentedColormap.from_list("depth", ["#171c33", "#25406a", "#3b6c8f", "#6799a6", "#94b8b3", "#bfd3c6"])
CONTRAST_SHARE = 0.8  # The part of the colours that the hand's depth gets; what is behind fades out in the rest.

STYLE = {
    "font.family": "sans-serif",
    "font.size": 9,
    "text.color": INK,
    "axes.labelcolor": FAINT,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    **{f"axes3d.{axis}axis.panecolor": (1, 1, 1, 0.02) for axis in "xyz"},
}
