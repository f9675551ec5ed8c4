"""The sample frames that come with the package: one of each kind of sensor, made by this module.

python -m keras_handpose.synthetic.samples
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import numpy as np

from keras_handpose.datasets import Frame
from keras_handpose.datasets.labelled import frame_label, write_labels
from keras_handpose.datasets.pngs import write_png
from keras_handpose.skeletons import MSRA21
from keras_handpose.synthetic.crops import RIGS
from keras_handpose.synthetic.scenes import Ingredients, sample_scenes
from keras_handpose.synthetic.studio import shoot_frame

__all__ = ["write_samples"]

# Camera, hand, mm a unit, distances in mm, seed and number of the scene, chosen by eye: a hand that one recognises and
# that nothing else is nearer than.
_SAMPLES = (
    ("msra15", "right", 1.0, (320.0, 420.0), 7, 7),
    ("sr305", "right", 0.125, (350.0, 500.0), 5, 0),
    ("realsense_d435", "left", 1.0, (350.0, 450.0), 7, 3),
)
_PLAIN = Ingredients().alone(walls=0.3, bodies=0.2, wide_views=0.0)


def write_samples(folder: Path) -> Path:
    """Render the sample frames and their labels into a folder.

    Returns:
        The path of the labels.
    """
    labels = []
    for name, hand, depth_scale, distance, seed, index in _SAMPLES:
        rig = RIGS[name]
        view = rig.camera if hand == "right" else rig.camera.mirrored()
        scenes = sample_scenes(8, np.random.default_rng(seed), view, distance=distance, ingredients=_PLAIN)
        depth, joints_xyz = shoot_frame(
            scenes, index, rig.camera, sensor=rig.sensor, hand=hand, skeleton=MSRA21, seed=seed
        )
        file = f"{rig.sensor}.png"
        write_png(folder / file, depth, depth_scale=depth_scale)
        frame = Frame(depth=depth, joints_xyz=joints_xyz, camera=rig.camera, skeleton=MSRA21, hand=hand)
        labels.append({**frame_label(frame, file, depth_scale), "sensor": rig.sensor})
    path = folder / "samples.json"
    write_labels(path, labels)
    return path


if __name__ == "__main__":
    print(write_samples(Path(str(resources.files("keras_handpose") / "samples"))))
