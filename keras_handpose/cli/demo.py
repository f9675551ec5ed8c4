"""``keras-handpose demo``: the main job on the frames that come with the package."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from keras_handpose.cli.output import joints_table, messages, pose_document, results, say, silent_runtimes, to_json
from keras_handpose.files import whole_file

if TYPE_CHECKING:
    import numpy as np

    from keras_handpose.estimator import Pose

__all__ = ["demo"]


def demo(
    weights: Annotated[str, typer.Option(help="A preset's name, or a .weights.h5 file beside its record.")] = "msra",
    output: Annotated[Path, typer.Option(help="Folder to write pose.png and pose.json to.")] = Path(),
) -> None:
    """Estimate the hands in the package's sample frames and compare them with the truth.

    The frames are rendered, one for each kind of sensor, so every joint is known. No network is needed.
    """
    from keras_handpose.plotting import plot_poses

    with messages.status("Estimating the hands in the sample frames"), silent_runtimes():
        trials = list(_run(weights))
    first = trials[0]
    results.print(joints_table(first.pose, truth_xyz=first.truth_xyz, title=f"Joints in {first.file}"))
    results.print(_summary(trials))

    figure = plot_poses(
        [trial.depth for trial in trials],
        [trial.pose for trial in trials],
        truths_xyz=[trial.truth_xyz for trial in trials],
        titles=[trial.title for trial in trials],
    )
    document = pose_document(first.pose.skeleton, [trial.to_dict() for trial in trials])
    with whole_file(output / "pose.png") as path:
        figure.savefig(path)
    with whole_file(output / "pose.json") as path:
        path.write_text(to_json(document), encoding="utf-8")
    say(f"Wrote {output / 'pose.png'} and {output / 'pose.json'}")


@dataclass(frozen=True, kw_only=True, eq=False)
class _Trial:
    """A sample frame and what the estimator made of it."""

    file: str
    title: str
    depth: np.ndarray
    pose: Pose
    truth_xyz: np.ndarray

    @property
    def errors(self) -> np.ndarray:
        """Distances in mm of the joints whose truth is known; empty without a hand."""
        import numpy as np

        errors = np.linalg.norm(self.pose.joints_xyz - self.truth_xyz, axis=-1)
        return errors[np.isfinite(errors)]

    def to_dict(self) -> dict[str, Any]:
        mean_error = round(float(self.errors.mean()), 3) if len(self.errors) else None
        return {"file": self.file, "title": self.title, "mean_error": mean_error, **self.pose.to_dict()}


def _run(weights: str) -> Iterator[_Trial]:
    """Estimate the sample frames with one network, each with its own camera, hand and scale."""
    import numpy as np

    from keras_handpose.cameras import Camera
    from keras_handpose.estimator import HandPoseEstimator
    from keras_handpose.preprocessing import read_depth
    from keras_handpose.skeletons import SKELETONS, convert_joints

    folder = resources.files("keras_handpose") / "samples"
    estimator, model = None, {}
    for sample in json.loads((folder / "samples.json").read_text(encoding="utf-8")):
        estimator = HandPoseEstimator(
            weights if estimator is None else estimator.engine,
            camera=Camera(**sample["camera"]),
            hand=sample["hand"],
            depth_scale=sample["depth_scale"],
            **model,
        )
        model = {"skeleton": estimator.skeleton, "cube": estimator.cube}
        with resources.as_file(folder / sample["file"]) as path:
            depth = read_depth(path)
        truth_xyz = np.array(sample["joints_xyz"], np.float64)
        yield _Trial(
            file=sample["file"],
            title=f"{sample['sensor'].replace('_', ' ').capitalize()}, {sample['hand']} hand",
            depth=depth,
            pose=estimator(depth),
            truth_xyz=convert_joints(truth_xyz, SKELETONS[sample["skeleton"]], estimator.skeleton),
        )


def _summary(trials: list[_Trial]) -> Table:
    table = Table(title="All sample frames, errors in mm", title_justify="left", title_style="bold")
    table.add_column("file", overflow="fold")
    table.add_column("hand")
    for column in ("score", "mean error", "worst joint"):
        table.add_column(column, justify="right")
    for trial in trials:
        errors = (f"{trial.errors.mean():.1f}", f"{trial.errors.max():.1f}") if len(trial.errors) else ("no hand", "")
        table.add_row(trial.file, trial.pose.hand, f"{trial.pose.score:.2f}", *errors)
    return table
