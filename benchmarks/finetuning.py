"""What some labelled frames of a new sensor add: a preset further trained on 10, 100 and 1,000 of them.

    python benchmarks/finetuning.py runs/finetuning --output benchmarks/results/finetuning.json

The new sensor is a small camera, MSRA15's, with the noise of active stereo, at 600 to 850 mm; in training it was a
time-of-flight camera at no more than 550 mm, and active stereo had finer pixels. It is new as a whole, not in its
parts: noise, distances and the kinds of poses were all in training. Frames are of up to five people, another one every
16 (10 frames show one person); those of five others judge. The labels centre all crops, and the recipe is that of
``keras-handpose train --finetune``. Runs that are done are not done again. ``--frames`` without a number only measures
the preset as it is. With ``--coarse`` the camera has half the pixels along each edge, coarser
than any in training.
"""

from __future__ import annotations

import argparse
import json
import os
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from report import write_report

from keras_handpose.cameras import CAMERAS, Camera
from keras_handpose.datasets import CropStore
from keras_handpose.engines import open_engine
from keras_handpose.models.weights import resolve, shipped_export
from keras_handpose.skeletons import SKELETONS
from keras_handpose.synthetic.studio import TAKE, Studio, Take
from keras_handpose.training import StoredCrops, finetuning, train

JUDGED = 1000
FRAMES = (10, 100, 1000)

_FINE = CAMERAS["msra15"]
COARSE = replace(
    _FINE,
    name="coarse",
    width=_FINE.width // 2,
    height=_FINE.height // 2,
    fx=_FINE.fx / 2,
    fy=_FINE.fy / 2,
    cx=(_FINE.cx - 0.5) / 2,  # Pixels have their centres at integers.
    cy=(_FINE.cy - 0.5) / 2,
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, help="folder of the runs")
    parser.add_argument("--weights", default="msra", help="preset to start from")
    parser.add_argument("--frames", type=int, nargs="*", default=FRAMES, help="numbers of frames to train on")
    parser.add_argument("--coarse", action="store_true", help="halve the camera's pixels along each edge")
    parser.add_argument("--output", type=Path, help="JSON file to write")
    arguments = parser.parse_args()
    record = resolve(arguments.weights)[1]
    camera, kind = (COARSE, "coarse-") if arguments.coarse else (CAMERAS["msra15"], "")
    shared = {"camera": camera, "skeleton": record.skeleton, "cube": record.cube}
    judged = make_store(arguments.runs / f"{kind}judged.h5", JUDGED, first_person=5, **shared)

    engine = open_engine(shipped_export(arguments.weights))
    before = StoredCrops(judged, test=judged).judge(engine, arguments.runs, workers=1)
    results = {"0": {"mean_error_mm": round(before["mean_error_mm"], 2)}}
    for frames in arguments.frames:
        store = make_store(arguments.runs / f"{kind}{frames}.h5", frames, first_person=0, **shared)
        data = StoredCrops(store, test=judged, watched=64)
        recipe = finetuning(len(data), weights=arguments.weights)
        folder = arguments.runs / f"{kind}{frames}-frames"
        train(folder, data, recipe, workers=1, verbose=2)
        errors = json.loads((folder / "errors.json").read_text(encoding="utf-8"))
        results[str(frames)] = {
            "mean_error_mm": round(errors["mean_error_mm"], 2),
            "batch": recipe.batch,
            "passes": recipe.epochs,
        }
    write_report(
        {
            "data": f"{JUDGED} rendered frames of five people whom training did not show; centre from the labels",
            "camera": f"{camera.name}, {camera.width} x {camera.height}, as active stereo",
            "weights": arguments.weights,
            "frames trained on": results,
        },
        arguments.output,
    )


def make_store(path: Path, frames: int, *, camera: Camera, skeleton: str, cube: float, first_person: int) -> Path:
    """Render frames of five people and crop them to a store, unless it is there."""
    if path.exists():
        return path
    studio = Studio(
        camera=camera,
        sensor="active_stereo",
        distance=(600.0, 850.0),
        hand="right",
        skeleton=SKELETONS[skeleton],
        seed=404,
    )
    takes = []
    for start in range(0, frames, TAKE):
        number = start // TAKE
        person = first_person + number % 5
        paths = tuple(f"{person}/{i}.png" for i in range(start, min(start + TAKE, frames)))
        takes.append(Take(number=number, paths=paths, person=person, subject=f"person{person}"))
    with CropStore.from_frames(path, list(studio.shoot_all(takes, 1)), cube=cube, centre="ground-truth", workers=1):
        return path


if __name__ == "__main__":
    main()
