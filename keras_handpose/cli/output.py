"""What the commands read and write alike: lists of names, tables, errors and JSON."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    import numpy as np

    from keras_handpose.estimator import Pose
    from keras_handpose.skeletons import Skeleton

__all__ = [
    "joints_table",
    "load_keras",
    "messages",
    "names_in",
    "pose_document",
    "report_error",
    "results",
    "say",
    "show_warning",
    "silent_runtimes",
    "to_json",
]

results = Console()
"""Where results go: stdout."""

messages = Console(stderr=True)
"""Where everything else goes, so that stdout can be piped: stderr."""


def say(text: str) -> None:
    """Print a message as it is, in one line (as the terminal wraps it)."""
    messages.print(text, highlight=False, markup=False, soft_wrap=True)


def report_error(error: Exception | str) -> None:
    """Print an error in one red line (as the terminal wraps it)."""
    messages.print(
        f"[bold red]Error:[/] [red]{escape(' '.join(str(error).split()))}[/]", highlight=False, soft_wrap=True
    )


def show_warning(message: Warning | str, *_: object, **__: object) -> None:
    """Print a warning as `warnings.showwarning` is told to, in one yellow line without the line of code."""
    messages.print(f"[bold yellow]Warning:[/] [yellow]{escape(str(message))}[/]", highlight=False, soft_wrap=True)


def joints_table(pose: Pose, *, truth_xyz: np.ndarray | None = None, title: str | None = None) -> Table:
    """Tabulate a pose's joints in mm and px, with their errors where the truth is known."""
    import numpy as np

    from keras_handpose.plotting import FINGER_COLOURS

    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("joint")
    for column in ("x mm", "y mm", "z mm", "u px", "v px"):
        table.add_column(column, justify="right")
    finger_of = {joint: finger for finger, joints in pose.skeleton.fingers.items() for joint in joints}
    errors = None
    if truth_xyz is not None:
        errors = np.linalg.norm(pose.joints_xyz - truth_xyz, axis=-1)
        table.add_column("error mm", justify="right")
    for joint, name in enumerate(pose.skeleton.joint_names):
        row = [*pose.joints_xyz[joint], *pose.joints_uvd[joint, :2]] + ([] if errors is None else [errors[joint]])
        colour = FINGER_COLOURS.get(finger_of.get(joint, ""), "default")
        table.add_row(f"[{colour}]{name}[/]", *(f"{value:.1f}" for value in row))
    return table


def pose_document(skeleton: Skeleton, poses: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what the pose files hold: the joints' names once, and a record for each frame."""
    return {"skeleton": skeleton.name, "joint_names": skeleton.joint_names, "poses": poses}


def to_json(document: dict[str, Any]) -> str:
    """Return JSON text with arrays of numbers on one line each."""
    text = json.dumps(document, indent=2, allow_nan=False)
    return re.sub(r"\[\n[^\[\]{}\"]*\]", lambda array: re.sub(r"\n\s*", " ", array[0]), text)


def names_in(text: str | None) -> tuple[str, ...]:
    """Return the names in an option such as ``P0, P3``; none where it is left out."""
    return tuple(name.strip() for name in text.split(",")) if text else ()


def load_keras() -> None:
    """Import Keras in silence: TensorFlow writes to stderr before its logging obeys any variable."""
    with silent_runtimes():
        import keras_handpose.layers  # noqa: F401


@contextmanager
def silent_runtimes() -> Iterator[None]:
    """Keep from stderr what runtimes write there from C++; what Python writes still gets there."""
    stderr = sys.stderr
    stderr.flush()
    saved = os.dup(2)
    try:
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        if stderr is sys.__stderr__:
            # Left open: the loggers of what is imported meanwhile hold on to it.
            sys.stderr = open(os.dup(saved), "w", encoding=stderr.encoding, buffering=1)  # noqa: SIM115
        yield
    finally:
        sys.stderr = stderr
        os.dup2(saved, 2)
        os.close(saved)
