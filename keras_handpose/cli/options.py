"""Options that several commands have."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import typer

__all__ = ["data_option", "engine_option", "format_option", "in_panel", "read_architecture"]


def in_panel(panel: str, *names: str, help: str, default: str | bool = True) -> Any:
    """Return an option that stands in a panel of the command's help."""
    return typer.Option(*names, help=help, rich_help_panel=panel, show_default=default)


data_option = partial(in_panel, "Data")
"""Returns an option that says what to train on."""

engine_option = typer.Option(
    help="What runs the network: Keras, or, faster, a file exported once.",
    show_default="litert for presets that came along, otherwise keras",
)
"""The option for the engine, as for `HandPoseEstimator`."""

format_option = typer.Option(help="How files hold depth.", show_default="npy for .npy, otherwise depth16")
"""The option for the format of frames, as for `read_depth`."""


def read_architecture(text: str | None) -> dict[str, Any]:
    """Return the arguments of `ResidualAttentionRegressor` that ``--architecture`` gives.

    Raises:
        ValueError: It is not a JSON object.

    Example:
        >>> read_architecture('{"t": 2}'), read_architecture(None)
        ({'t': 2}, {})
    """
    try:
        architecture = json.loads(text or "{}")
    except json.JSONDecodeError as error:
        raise ValueError(f"--architecture must be JSON: {error}. Received: {text}") from None
    if not isinstance(architecture, dict):
        raise ValueError(f"--architecture must be a JSON object. Received: {text}")
    return architecture
