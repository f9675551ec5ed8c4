"""How much memory, and how long, a new process takes to its first pose from an exported preset."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from importlib import resources

import pytest

from keras_handpose.cameras import CAMERAS
from keras_handpose.estimator import HandPoseEstimator

MEGABYTES, SECONDS = 150, 1.5
SAMPLE = resources.files("keras_handpose") / "samples" / "structured_light.png"

FIRST_POSE = """
import json, resource, sys
from keras_handpose import HandPoseEstimator, read_depth

estimator = HandPoseEstimator(sys.argv[1], camera="sr305", depth_scale=0.125)
assert estimator(read_depth(sys.argv[2])).found
with open("/proc/self/status") as status:
    memory = {line.split(":")[0]: int(line.split()[1]) / 1024 for line in status if line.startswith("Vm")}
usage = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps({"peak": memory["VmHWM"], "resident": memory["VmRSS"], "cpu": usage.ru_utime + usage.ru_stime}))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="The peak of a process's memory is read from /proc.")
@pytest.mark.parametrize("suffix", [".tflite", ".onnx"])
@pytest.mark.parametrize("kind", ["network", "pipeline"])
def test_the_first_pose_is_soon_there_and_small(kind, suffix, tmp_path):
    from keras_handpose.exporting import export

    source = "msra" if kind == "network" else HandPoseEstimator("msra", camera=CAMERAS["sr305"])
    path = tmp_path / f"hand{suffix}"
    export(source, path)
    runs = []
    for _ in range(3):
        start = time.perf_counter()
        child = subprocess.run(
            [sys.executable, "-c", FIRST_POSE, path, SAMPLE], capture_output=True, text=True, check=True, timeout=120
        )
        runs.append({**json.loads(child.stdout), "seconds": time.perf_counter() - start})
    best = {name: min(run[name] for run in runs) for name in runs[0]}
    print(f"{kind}{suffix}:", {name: round(value, 2) for name, value in best.items()})
    assert max(run["peak"] for run in runs) <= MEGABYTES
    assert best["cpu"] <= SECONDS  # What it takes on a machine that does nothing else.
