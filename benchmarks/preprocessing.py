"""Time of pre-processing one frame on one thread, beside a floor and beside the procedures of two published methods.

    python benchmarks/preprocessing.py --output benchmarks/results/preprocessing.json

The frames are a rendered hand before nothing and before a wall, which is the most work, with some speckle. Each figure
is the median over many short bursts of runs, and the fastest tenth of them, which says what else the machine did. The
procedures take turns, so that it hits all of them alike: compare with the floor of the same run.

The peers are written anew from what their authors describe, around the same cube and for the same 128 x 128 pixels:

- floor: slice, resize, clip and scale in place, what any crop has to do at least.
- warp: region ensemble networks (Guo et al. 2017): one nearest-neighbour affine warp of the frame, then scaling; the
  centre is the centre of mass of everything in a range of depth.
- contours: DeepPrior++ (Oberweger and Lepetit 2017): slabs of depth from the nearest surface on, the largest contour
  that is large enough is the hand, centre of mass refined in a cube, crop with clipping at both faces, padding where
  the frame ends, resize that keeps the aspect ratio.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from report import write_report

from keras_handpose.cameras import CAMERAS, Camera, uvd_to_xyz, xyz_to_uvd
from keras_handpose.preprocessing import crop_hand, detect_hand, refine_centre
from keras_handpose.synthetic import Ingredients, render_spheres, sample_scenes

CUBE, SIZE = 250.0, 128


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=50, help="bursts of 20 runs of each procedure")
    parser.add_argument("--output", type=Path, help="JSON file to write")
    arguments = parser.parse_args()

    cv2.setNumThreads(1)
    results = {}
    for name in ("msra15", "sr305"):
        camera = CAMERAS[name]
        for background in ("none", "wall"):
            depth = example_frame(camera, background)
            results[f"{camera.width}x{camera.height}, background: {background}"] = {
                "pixels with depth": round(float((depth > 0).mean()), 2),
                **milliseconds(procedures(depth, camera), arguments.rounds),
            }
    write_report(
        {
            "unit": "ms",
            "threads": 1,
            "rounds": arguments.rounds,
            "cube": CUBE,
            "crop": SIZE,
            "results": results,
        },
        arguments.output,
    )


def example_frame(camera: Camera, background: str) -> np.ndarray:
    """Render an uint16 frame of a hand, before nothing or before a wall that fills the frame, with some speckle."""
    rng = np.random.default_rng(0)
    scenes = sample_scenes(8, rng, camera, distance=(380.0, 420.0), ingredients=Ingredients(arms=0.0).alone())
    frames = [render_spheres(spheres, camera) for spheres in scenes.spheres]
    frame = next(frame for frame in frames if detect_hand(frame, camera).found)
    if background == "wall":
        frame = np.where(frame > 0, frame, 900)
    speckle = rng.random(frame.shape) < 0.003
    return np.where(speckle, rng.uniform(200, 2000, frame.shape), frame).astype(np.uint16)


def procedures(depth: np.ndarray, camera: Camera) -> dict[str, Callable[[], object]]:
    centre_xyz = detect_hand(depth, camera, cube=CUBE).centre_xyz
    centre_uvd = xyz_to_uvd(centre_xyz, camera)
    return {
        "crop": lambda: crop_hand(depth, camera, centre_xyz, cube=CUBE),
        "refine": lambda: refine_centre(depth, camera, centre_xyz, cube=CUBE),
        "follow and crop": lambda: follow_and_crop(depth, camera, centre_xyz),
        "detect": lambda: detect_hand(depth, camera, cube=CUBE),
        "detect and crop": lambda: detect_and_crop(depth, camera),
        "floor: crop": lambda: floor_crop(depth, camera, centre_uvd),
        "warp: crop": lambda: warp_crop(depth, camera, centre_uvd),
        "warp: centre and crop": lambda: warp_crop(depth, camera, mean_of_range(depth)),
        "contours: crop": lambda: contours_crop(depth, camera, centre_uvd),
        "contours: detect and crop": lambda: contours_crop(depth, camera, contours_detect(depth, camera)),
    }


def milliseconds(timed: dict[str, Callable[[], object]], rounds: int, burst: int = 20) -> dict[str, dict[str, float]]:
    """Time procedures in bursts that take turns; the first run of a burst fills the caches and does not count."""
    times = {name: [] for name in timed}
    for _ in range(rounds):
        for name, procedure in timed.items():
            procedure()
            for _ in range(burst):
                start = time.perf_counter()
                procedure()
                times[name].append(time.perf_counter() - start)
    return {
        name: {
            "median": round(1000 * float(np.median(seconds)), 4),
            "tenth": round(1000 * float(np.quantile(seconds, 0.1)), 4),
        }
        for name, seconds in times.items()
    }


def detect_and_crop(depth: np.ndarray, camera: Camera) -> np.ndarray:
    return crop_hand(depth, camera, detect_hand(depth, camera, cube=CUBE).centre_xyz, cube=CUBE).image


def follow_and_crop(depth: np.ndarray, camera: Camera, last_xyz: np.ndarray) -> np.ndarray:
    return crop_hand(depth, camera, detect_hand(depth, camera, cube=CUBE, around=last_xyz).centre_xyz, cube=CUBE).image


# === The floor and the peers ===


def bounds(camera: Camera, centre_uvd: np.ndarray, edge: float = CUBE) -> tuple[int, int, int, int]:
    """Return left, top, right and bottom of a cube in whole px."""
    u, v, z = centre_uvd
    half_u, half_v = edge / 2 * camera.fx / z, edge / 2 * camera.fy / z
    return int(u - half_u), int(v - half_v), int(u + half_u), int(v + half_v)


def floor_crop(depth: np.ndarray, camera: Camera, centre_uvd: np.ndarray) -> np.ndarray:
    left, top, right, bottom = bounds(camera, centre_uvd)
    part = cv2.resize(depth[max(top, 0) : bottom, max(left, 0) : right], (SIZE, SIZE), interpolation=cv2.INTER_NEAREST)
    image = part.astype(np.float32)
    image -= np.float32(centre_uvd[2])
    image *= np.float32(2 / CUBE)
    return np.clip(image, -1, 1, out=image)


def warp_crop(depth: np.ndarray, camera: Camera, centre_uvd: np.ndarray) -> np.ndarray:
    left, top, right, bottom = bounds(camera, centre_uvd)
    scale_u, scale_v = SIZE / (right - left), SIZE / (bottom - top)
    to_crop = np.float32([[scale_u, 0, -left * scale_u], [0, scale_v, -top * scale_v]])
    image = cv2.warpAffine(depth, to_crop, (SIZE, SIZE), flags=cv2.INTER_NEAREST, borderValue=0).astype(np.float32)
    image[image == 0] = centre_uvd[2] + CUBE / 2
    image = (image - np.float32(centre_uvd[2])) / np.float32(CUBE / 2)
    return np.clip(image, -1, 1, out=image)


def mean_of_range(depth: np.ndarray, nearest: int = 100, farthest: int = 700) -> np.ndarray:
    in_range = cv2.inRange(depth, nearest, farthest)
    moments = cv2.moments(in_range, binaryImage=True)
    area = max(moments["m00"], 1.0)
    return np.array([moments["m10"] / area, moments["m01"] / area, cv2.mean(depth, in_range)[0]])


def contours_detect(depth: np.ndarray, camera: Camera, steps: int = 20) -> np.ndarray:
    valid = depth[(depth > 100) & (depth < 1500)]
    nearest, farthest = int(valid.min()), int(valid.max())
    slab = (farthest - nearest) / steps
    for step in range(steps):
        inside = cv2.inRange(depth, nearest + step * slab, nearest + (step + 1) * slab)
        contours, _ = cv2.findContours(inside, cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
        largest = max(contours, key=cv2.contourArea, default=None)
        if largest is not None and cv2.contourArea(largest) > 200:
            mask = cv2.drawContours(np.zeros_like(inside), [largest], 0, 255, cv2.FILLED)
            moments = cv2.moments(largest)
            u, v = moments["m10"] / moments["m00"], moments["m01"] / moments["m00"]
            return contours_refine(depth, camera, np.array([u, v, cv2.mean(depth, cv2.bitwise_and(mask, inside))[0]]))
    return np.array([camera.cx, camera.cy, 400.0])


def contours_refine(depth: np.ndarray, camera: Camera, centre_uvd: np.ndarray, steps: int = 3) -> np.ndarray:
    for _ in range(steps):
        left, top, right, bottom = bounds(camera, centre_uvd)
        left, top = max(left, 0), max(top, 0)
        part = depth[top:bottom, left:right].astype(np.float32)
        part[(part < centre_uvd[2] - CUBE / 2) | (part > centre_uvd[2] + CUBE / 2)] = 0
        v, u = np.nonzero(part)
        if len(u):
            centre_uvd = np.array([left + u.mean(), top + v.mean(), part[v, u].mean()])
    return xyz_to_uvd(uvd_to_xyz(centre_uvd, camera), camera)


def contours_crop(depth: np.ndarray, camera: Camera, centre_uvd: np.ndarray) -> np.ndarray:
    left, top, right, bottom = bounds(camera, centre_uvd)
    near, far = centre_uvd[2] - CUBE / 2, centre_uvd[2] + CUBE / 2
    part = depth[max(top, 0) : bottom, max(left, 0) : right].astype(np.float32)
    padding = (max(-top, 0), max(bottom - depth.shape[0], 0)), (max(-left, 0), max(right - depth.shape[1], 0))
    part = np.pad(part, padding)
    part[(part < near) & (part != 0)] = near
    part[part > far] = 0
    scale = SIZE / max(part.shape)
    width, height = int(part.shape[1] * scale), int(part.shape[0] * scale)
    image = np.full((SIZE, SIZE), far, np.float32)
    x, y = (SIZE - width) // 2, (SIZE - height) // 2
    image[y : y + height, x : x + width] = cv2.resize(part, (width, height), interpolation=cv2.INTER_NEAREST)
    image[image == 0] = far
    return (image - np.float32(centre_uvd[2])) / np.float32(CUBE / 2)


if __name__ == "__main__":
    main()
