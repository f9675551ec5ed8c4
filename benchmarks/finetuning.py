"""What some labelled frames of a new sensor add: a preset further trained on 10, 100 and 1,000 of them.

    python benchmarks/finetuning.py runs/finetuning --output benchmarks/results/finetuning.json

The new sensor is a small camera, MSRA15's, with the noise of active stereo, at 600 to 850 mm; in training it was a
time-of-flight camera at no more than 550 mm, and active stereo had finer pixels. It is new as a whole, not in its parts:
noise, distances and the kinds of poses were all in training. Frames are of up to five people, a new one every 16 (10
frames show one person); those of five others judge. Runs that are done are not done again. ``--frames`` without a number
only measures the preset as it is.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from report import write_report

from keras_handpose.cameras import CAMERAS
from keras_handpose.datasets import CropStore
from keras_handpose.engines import open_engine
from keras_handpose.models.weights import resolve, shipped_export
from keras_handpose.skeletons import SKELETONS
from keras_handpose.synthetic.studio import TAKE, Studio, Take
from keras_handpose.training import FINETUNING, StoredCrops, train

JUDGED = 1000
# Frames, crops a step and passes.
PLANS = {10: (10, 60), 100: (20, 40), 1000: (32, 20)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, help="folder of the runs")
    parser.add_argument("--weights", default="msra", help="preset to start from")
    parser.add_argument("--frames", type=int, nargs="*", choices=PLANS, default=list(PLANS), help="frames to train on")
    parser.add_argument("--output", type=Path, help="JSON file to write")
    arguments = parser.parse_args()
    record = resolve(arguments.weights)[1]
    judged = make_store(arguments.runs / "judged.h5", JUDGED, record.skeleton, record.cube, first_person=5)

    engine = open_engine(shipped_export(arguments.weights))
    before = StoredCrops(judged, test=judged).judge(engine, arguments.runs, workers=1)
    results = {"0": {"mean_error_mm": round(before["mean_error_mm"], 2)}}
    for frames in arguments.frames:
        batch, epochs = PLANS[frames]
        store = make_store(arguments.runs / f"{frames}.h5", frames, record.skeleton, record.cube, first_person=0)
        recipe = replace(FINETUNING, weights=arguments.weights, batch=batch, epochs=epochs)
        start = time.perf_counter()
        folder = arguments.runs / f"{frames}-frames"
        train(folder, StoredCrops(store, test=judged, watched=64), recipe, workers=1, verbose=2)
        errors = json.loads((folder / "errors.json").read_text(encoding="utf-8"))
        results[str(frames)] = {
            "mean_error_mm": round(errors["mean_error_mm"], 2),
            "batch": batch,
            "passes": epochs,
            "seconds": round(time.perf_counter() - start),
        }
    write_report(
        {
            "data": f"{JUDGED} rendered frames of five people whom training did not show; centre from the labels",
            "weights": arguments.weights,
            "frames trained on": results,
        },
        arguments.output,
    )


def make_store(path: Path, frames: int, skeleton: str, cube: float, *, first_person: int) -> Path:
    """Render frames of five people and crop them to a store, unless it is there."""
    if path.exists():
        return path
    studio = Studio(
        camera=CAMERAS["msra15"],
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
