"""Frames and arguments that nobody thought of: an answer that makes sense, or one clear error.

Cases are drawn by Hypothesis from fixed seeds, so that they are the same everywhere. Each property is tried on some
cases here and on many with ``-m slow``, more than 10,000 in all.
"""

from __future__ import annotations

import math
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keras_handpose.cameras import CAMERAS, Camera, uvd_to_xyz, xyz_to_uvd
from keras_handpose.capture import CapturedFrame
from keras_handpose.estimator import BothHands, HandPoseEstimator, OneEuroFilter, Pose
from keras_handpose.preprocessing import (
    Crop,
    HandCube,
    check_depth,
    crop_hand,
    decode_predictions,
    detect_hand,
    preprocess_input,
    read_depth,
    refine_centre,
)
from keras_handpose.preprocessing.frames import warn_of_unit
from keras_handpose.preprocessing.objects import object_area, remove_object
from keras_handpose.skeletons import MSRA21, SKELETONS, convert_joints, corresponding_joints

SEEDS = st.integers(0, 2**32 - 1)
UNIT_WARNING = "Almost all depth in this frame is "
ODD = np.array([np.nan, np.inf, -np.inf, -1.0, -0.0, 0.0, 1e-45, 1e-3, 1.0, 200.0, 400.0, 65_535.0, 3e38, 1e300])
DTYPES = ("u2", "u2", "f4", "f4", "i2", "i4", "i8", "u4", "u8", "f2", "f8", ">u2", ">f4")
KINDS = (*["palm"] * 6, *["palms"] * 2, "nothing", "wall", "noise", "slope", "spikes", "odd")
LAYOUTS = ("plain", "read-only", "columns first", "mirrored", "every other")


CALM = settings(derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck))


class Scattered:
    """An engine whose joints fill the cube, and which looks at what it is given."""

    crop_size, joints = 32, 21
    joints_unit = np.random.default_rng(0).uniform(-1, 1, (21, 3)).astype(np.float32)

    def __call__(self, crops: np.ndarray) -> np.ndarray:
        assert crops.dtype == np.float32 and crops.shape[1:] == (32, 32, 1) and len(crops)
        assert (crops > -1).all() and (crops <= 1).all()
        return np.repeat(self.joints_unit[None], len(crops), axis=0)


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A drawn frame and how to look at it."""

    kind: str
    depth: np.ndarray = field(repr=False)
    camera: Camera
    depth_scale: float
    cube: float
    min_score: float
    centre_xyz: tuple[float, float, float] | None
    seed: int

    @property
    def rng(self) -> np.random.Generator:
        return np.random.default_rng(self.seed + 1)

    def in_mm(self) -> np.ndarray:
        return check_depth(self.depth, depth_scale=self.depth_scale, camera=self.camera)


def many(fast: int, slow: int, *strategies: st.SearchStrategy) -> Callable:
    """Run a property on a few cases, and on many when slow tests are asked for."""

    def decorate(check: Callable) -> Callable:
        @pytest.mark.parametrize("cases", [fast, pytest.param(slow, marks=pytest.mark.slow)])
        def test(cases: int) -> None:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", f"{UNIT_WARNING}|A hand was found more than 2 m")  # Rightly so.
                settings(CALM, max_examples=cases)(given(*strategies)(check))()

        test.__doc__ = check.__doc__
        return test

    return decorate


@st.composite
def cameras(draw, shape: tuple[int, int]) -> Camera:
    """Cameras for a frame: usual ones, and ones that see through a straw, all around, or past the frame."""
    height, width = shape
    usual = draw(st.integers(0, 5)) > 0
    fx = width * draw(st.floats(0.5, 1.5)) if usual else 10.0 ** draw(st.floats(-6, 12))
    fy = fx if usual else fx * 10.0 ** draw(st.floats(-3, 3))
    cx, cy = (n * draw(st.floats(0.4, 0.6) if usual else st.floats(-1e4, 1e4)) for n in (width, height))
    return Camera(width=width, height=height, fx=fx, fy=fy, cx=cx, cy=cy)


def sides(most: int) -> st.SearchStrategy[int]:
    return st.integers(0, 5).flatmap(lambda way: st.integers(most // 2, most) if way else st.integers(1, most // 4))


@st.composite
def scenes(draw) -> Scene:
    """Frames of any number type, size and content, of any camera, in any unit."""
    shape = height, width = draw(sides(300)), draw(sides(400))
    camera = draw(cameras(shape))
    kind, dtype, layout = (draw(st.sampled_from(options)) for options in (KINDS, DTYPES, LAYOUTS))
    depth_scale = draw(st.sampled_from((*[1.0] * 6, 0.125, 0.125, 1000.0, 0.1, 1e-30, 1e30)))
    cube = 250.0 if draw(st.integers(0, 2)) else draw(st.floats(50, 1000))
    seed = draw(SEEDS)
    rng = np.random.default_rng(seed)
    depth = painted(kind, shape, camera, rng)
    if draw(st.integers(0, 4)) == 0:  # Something odd in anything.
        holes = rng.random(shape) < 0.1
        depth[holes] = rng.choice(ODD, holes.sum())
    centre_xyz = {
        "near": tuple(rng.uniform((-100, -100, 200), (100, 100, 700)).tolist()),
        "anywhere": draw(st.tuples(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6), st.floats(1e-9, 1e9))),
    }.get(draw(st.sampled_from(("detected", "detected", "detected", "near", "anywhere"))))
    return Scene(
        kind=kind,
        depth=laid_out(in_units(depth, depth_scale, np.dtype(dtype)), layout),
        camera=camera,
        depth_scale=depth_scale,
        cube=cube,
        min_score=draw(st.sampled_from((0.3, 0.3, 0.3, 0.1, 1e-6, 0.6, 1.0))),
        centre_xyz=centre_xyz,
        seed=seed,
    )


def painted(kind: str, shape: tuple[int, int], camera: Camera, rng: np.random.Generator) -> np.ndarray:
    """Paint a frame in mm, float64."""
    height, width = shape
    depth = np.zeros(shape)
    if kind == "wall":
        depth[:] = 10 ** rng.uniform(-3, 6)
    elif kind == "noise":
        depth = rng.uniform(0, 10 ** rng.uniform(1, 5), shape)
    elif kind == "slope":
        v, u = np.mgrid[:height, :width]
        depth = rng.uniform(-500, 1500) + rng.normal(0, 3) * u + rng.normal(0, 3) * v
    elif kind == "odd":
        depth = rng.choice(ODD, shape)
    elif kind == "palm":
        z = rng.uniform(300, 600)
        u, v = rng.uniform(0.3, 0.7, 2) * (width, height)
        depth = np.where(disc(camera, shape, u, v, z, rng.uniform(35, 50)), z + rng.normal(0, 1, shape), 0)
    elif kind in ("palms", "spikes"):
        for _ in range(rng.integers(1, 4)):  # Also at the border and beyond.
            z = rng.uniform(130, 1500)
            u, v = rng.uniform(-0.1, 1.1, 2) * (width, height)
            depth = np.where(disc(camera, shape, u, v, z, rng.uniform(10, 100)), z, depth)
        if kind == "spikes":
            depth = np.where(rng.random(shape) < 0.02, rng.uniform(1, 2000, shape), depth)
        depth += (depth > 0) * rng.normal(0, 2, shape)
        if rng.random() < 0.3:
            depth[depth <= 0] = rng.uniform(200, 2000)
    return depth


def disc(camera: Camera, shape: tuple[int, int], u: float, v: float, z: float, radius: float) -> np.ndarray:
    """Say which pixels a disc in mm that faces the camera covers."""
    rows, columns = np.arange(shape[0])[:, None], np.arange(shape[1])
    return np.hypot((columns - u) * z / camera.fx, (rows - v) * z / camera.fy) < radius


def in_units(depth: np.ndarray, depth_scale: float, dtype: np.dtype) -> np.ndarray:
    with np.errstate(all="ignore"):
        depth = depth / depth_scale
        if dtype.kind in "iu":
            most = np.iinfo(dtype)
            depth = np.nan_to_num(depth).clip(most.min, float(most.max) * (1 - 1e-12))
        return depth.astype(dtype)


def laid_out(depth: np.ndarray, layout: str) -> np.ndarray:
    """Lay the same frame out in memory in another way."""
    if layout == "read-only":
        depth.flags.writeable = False
    elif layout == "columns first":
        depth = np.asfortranarray(depth)
    elif layout == "mirrored":
        depth = np.ascontiguousarray(depth[:, ::-1])[:, ::-1]
    elif layout == "every other":
        depth = np.repeat(depth, 2, axis=1)[:, ::2]
    return depth


# === What must hold ===


def check_crop(crop: Crop, depth: np.ndarray, camera: Camera) -> None:
    """Compare a crop with what its pixels' places in the frame say."""
    image, z, half = crop.image, crop.cube.centre_xyz[2], crop.cube.size / 2
    assert image.dtype == np.float32 and image.ndim == 2 and (image > -1).all() and (image <= 1).all()
    places = np.indices(image.shape)[::-1].transpose(1, 2, 0).astype(np.float64)
    u, v = np.moveaxis(crop.crop_to_uv(places), -1, 0)
    in_frame = (u >= -0.5) & (u < camera.width - 0.5) & (v >= -0.5) & (v < camera.height - 0.5)
    with np.errstate(over="ignore"):
        # What rounding alone decides may go either way.
        sure = (abs((u + 0.5) - np.rint(u + 0.5)) > 1e-6) & (abs((v + 0.5) - np.rint(v + 0.5)) > 1e-6)
        columns = np.floor(u.clip(0, camera.width - 1) + 0.5).astype(int).clip(0, camera.width - 1)
        rows = np.floor(v.clip(0, camera.height - 1) + 0.5).astype(int).clip(0, camera.height - 1)
        d = np.where(in_frame, depth[rows, columns], np.nan).astype(np.float64)
        d[~(d > 1e-6 * z)] = np.nan  # Nearer is the camera itself to float32.
        n = (d - z) / half
    tolerance = 1e-5 + 2e-7 * z / half
    inside, outside = abs(n) < 1 - tolerance, ~(abs(n) < 1 + tolerance)
    assert (image[sure & outside] == 1).all()
    np.testing.assert_allclose(image[sure & inside], n[sure & inside], atol=tolerance)


def check_pose(pose: Pose, scene: Scene, *, hand: str = "right", smoothed: bool = False) -> None:
    assert isinstance(pose.found, bool) and pose.hand == hand and pose.camera is scene.camera
    assert 0 <= pose.score <= 1 and 0 <= pose.evidence <= 1
    assert pose.joints_xyz.shape == (21, 3) and pose.joints_xyz.dtype == np.float64
    if not pose.found:
        assert np.isnan(pose.joints_xyz).all() and np.isnan(pose.centre_xyz).all() and pose.crop is None
        return
    assert np.isfinite(pose.joints_xyz).all() and np.isfinite(pose.centre_xyz).all() and pose.centre_xyz[2] > 0
    assert pose.centre_xyz.tolist() == list(pose.crop.cube.centre_xyz) and (pose.crop.image < 1).any()
    check_crop(pose.crop, scene.in_mm(), scene.camera)
    if not smoothed:
        away = 1e-9 * abs(pose.centre_xyz).max() + pose.crop.cube.size / 2
        assert (abs(pose.joints_xyz - pose.centre_xyz) <= away).all()
    front = pose.joints_xyz[:, 2] > 0
    assert np.isfinite(pose.joints_uvd[front]).all() and np.isnan(pose.joints_uvd[~front, :2]).all()
    check_round_trip(pose.joints_xyz[front], pose.joints_uvd[front], scene.camera)
    assert Pose.from_dict(pose.to_dict()).found


def check_round_trip(joints_xyz: np.ndarray, joints_uvd: np.ndarray, camera: Camera) -> None:
    """Points come back from the pixels, as exactly as those can hold them."""
    exact = 1e-12 * (abs(joints_uvd[:, :2]) + abs(np.array([camera.cx, camera.cy]))) * joints_uvd[:, 2:]
    exact = exact / (camera.fx, camera.fy) + 1e-12 * abs(joints_xyz[:, :2])
    back = uvd_to_xyz(joints_uvd, camera)
    assert (abs(back[:, :2] - joints_xyz[:, :2]) <= exact).all() and (back[:, 2] == joints_xyz[:, 2]).all()


def estimator_of(scene: Scene, source=None, *, hand: str = "right") -> HandPoseEstimator:
    settings = {} if source else {"skeleton": "msra21", "cube": scene.cube}
    return HandPoseEstimator(
        source or Scattered(),
        camera=scene.camera,
        hand=hand,
        depth_scale=scene.depth_scale,
        min_score=scene.min_score,
        **settings,
    )


# === Frames ===


@many(60, 3_000, scenes(), st.sampled_from(("right", "left")))
def test_any_frame_has_a_pose_or_none(scene, hand):
    before = scene.depth.copy()
    estimator = estimator_of(scene, hand=hand)
    pose = estimator(scene.depth, centre_xyz=scene.centre_xyz)
    check_pose(pose, scene, hand=hand)
    again = estimator(scene.depth, last=pose)
    check_pose(again, scene, hand=hand)
    if scene.centre_xyz is not None:
        assert pose.evidence == (1 if pose.found else 0)
    elif pose.found:
        assert pose.evidence >= scene.min_score
    np.testing.assert_array_equal(scene.depth, before)


@many(25, 1_500, scenes())
def test_every_step_of_preprocessing_stands_any_frame(scene):
    depth, camera, cube = scene.in_mm(), scene.camera, scene.cube
    before = depth.copy()
    detection = detect_hand(depth, camera, cube=cube, around=scene.centre_xyz, min_score=scene.min_score)
    assert 0 <= detection.score <= 1 and detection.found == (detection.score >= scene.min_score)
    centre_xyz = scene.centre_xyz or (0.0, 0.0, 400.0)
    if detection.found:
        assert np.isfinite(detection.centre_xyz).all() and detection.centre_xyz[2] > 0
        centre_xyz = tuple(detection.centre_xyz.tolist())
    else:
        assert np.isnan(detection.centre_xyz).all()
    refined = refine_centre(depth, camera, centre_xyz, cube=cube)
    assert refined.shape == (3,) and np.isfinite(refined).all() and refined[2] > 0
    size, mirror = int(scene.rng.integers(1, 65)), bool(scene.rng.integers(2))
    crop = crop_hand(depth, camera, centre_xyz, cube=cube, size=size, mirror=mirror)
    assert crop.image.shape == (size, size) and crop.mirrored == mirror
    check_crop(crop, depth, camera)
    rest = remove_object(depth, camera, centre_xyz, cover=mirror)
    assert rest.dtype == depth.dtype and rest.shape == depth.shape
    changed = (rest != depth) & ~np.isnan(depth)
    assert np.isin(rest[changed], (0, 1)).all()
    assert 0 <= object_area(depth, camera, centre_xyz) < math.inf
    np.testing.assert_array_equal(depth, before)


@many(15, 800, scenes())
def test_a_networks_input_is_what_the_estimator_sees(scene):
    estimator = estimator_of(scene)
    pose = estimator(scene.depth, centre_xyz=scene.centre_xyz)
    inputs, crops = preprocess_input(
        scene.depth,
        camera=scene.camera,
        cube=scene.cube,
        depth_scale=scene.depth_scale,
        centres_xyz=[scene.centre_xyz],
        min_score=scene.min_score,
        size=estimator.engine.crop_size,
    )
    assert inputs.shape == (1, 32, 32, 1) and inputs.dtype == np.float32
    assert (crops[0] is not None) == pose.found == bool((inputs < 1).any())
    joints_xyz = decode_predictions(Scattered.joints_unit[None], crops)[0]
    np.testing.assert_array_equal(joints_xyz, pose.joints_xyz)


@many(20, 1_000, SEEDS, st.sampled_from((1.0, 1e-3, 1e3)), st.floats(0, 0.01), st.floats(-3, 9))
def test_a_unit_is_judged_by_most_of_a_frame(seed, scale, share, exponent):
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers((60, 80), (300, 400)))
    depth = rng.uniform(200, 5000, shape) * scale
    depth[rng.random(shape) < rng.uniform(0, 0.5)] = rng.choice([0, np.nan, np.inf, -1, 3e38])
    depth[rng.random(shape) < share] = 10**exponent
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        warn_of_unit(check_depth(depth))
    told = [str(warning.message).removeprefix(UNIT_WARNING).split()[0] for warning in said]
    assert told == {1.0: [], 1e-3: ["nearer"], 1e3: ["farther"]}[scale]


@many(15, 1_000, SEEDS)
def test_a_palm_alone_is_found_where_it_is(seed):
    rng = np.random.default_rng(seed)
    height, width = (int(n) for n in rng.integers((150, 200), (300, 400)))
    fx = width * rng.uniform(0.6, 1.2)
    z = max(300, 115 * fx / (0.25 * min(width, height))) * rng.uniform(1, 1.5)  # Its surroundings are in the frame.
    camera = Camera(width=width, height=height, fx=fx, fy=fx * rng.uniform(0.95, 1.05), cx=width / 2, cy=height / 2)
    u, v = rng.uniform(0.25, 0.75, 2) * (width, height)
    depth = np.where(disc(camera, camera.shape, u, v, z, rng.uniform(38, 50)), z, 0)
    depth = (depth + (depth > 0) * rng.normal(0, 1, depth.shape)).round().astype(np.uint16)
    detection = detect_hand(depth, camera)
    assert detection.found
    np.testing.assert_allclose(detection.centre_xyz, uvd_to_xyz([u, v, z], camera), atol=12)


@many(10, 700, scenes(), st.booleans(), st.sampled_from(("array", "pair", "captured")))
def test_a_stream_stands_any_frames(scene, smooth, form):
    empty, again = np.zeros_like(scene.depth), np.roll(scene.depth, 3, axis=1)
    frames = [scene.depth, again, empty, scene.depth]
    if form == "pair":
        frames = [(frame, scene.camera) for frame in frames]
    elif form == "captured":
        times = np.cumsum(scene.rng.uniform(1e-3, 1, len(frames))).tolist()
        frames = [
            CapturedFrame(frame, scene.camera, scene.depth_scale, time)
            for frame, time in zip(frames, times, strict=True)
        ]
    stream = estimator_of(scene).stream(frames, smooth=smooth)
    poses = list(stream)
    assert len(poses) == stream.statistics.frames == 4 and not poses[2].found
    check_pose(poses[0], scene, smoothed=smooth)
    check_pose(poses[3], scene, smoothed=smooth)
    for pose in poses:
        assert np.isfinite(pose.joints_xyz).all() == pose.found and 0 <= pose.score <= 1


@many(10, 700, scenes(), st.booleans())
def test_both_hands_stand_any_frame(scene, facing):
    both = BothHands(
        Scattered(),
        camera=scene.camera,
        facing=facing,
        skeleton="msra21",
        cube=scene.cube,
        depth_scale=scene.depth_scale,
        min_score=scene.min_score,
    )
    last = None
    for _ in range(2):
        last = both(scene.depth, last=last)
        for pose, hand in zip(last, ("right", "left"), strict=True):
            assert pose.hand == hand and 0 <= pose.score <= 1
            assert np.isfinite(pose.joints_xyz).all() == pose.found
            if pose.found:
                assert pose.centre_xyz[2] > 0 and pose.crop.image.min() < 1 == pose.crop.image.max() or pose.found
    right, left = last
    if right.found and left.found:
        assert np.linalg.norm(right.centre_xyz - left.centre_xyz) >= 60


@many(8, 400, scenes())
def test_the_network_that_comes_along_stands_any_frame(scene):
    estimator = estimator_of(scene, msra())
    check_pose_of_network(estimator(scene.depth, centre_xyz=scene.centre_xyz), scene)


def check_pose_of_network(pose: Pose, scene: Scene) -> None:
    # Joints of a network may leave the cube a little.
    check_pose(pose, scene, smoothed=True)
    if pose.found:
        assert abs(pose.joints_xyz - pose.centre_xyz).max() < 2 * pose.crop.cube.size


_OPEN: dict[str, object] = {}


def msra() -> object:
    """Return the engine of the preset, opened once."""
    pytest.importorskip("ai_edge_litert")
    if not _OPEN:
        _OPEN["msra"] = HandPoseEstimator("msra", camera="msra15").engine
    return _OPEN["msra"]


# === Files ===


@many(15, 500, scenes())
def test_files_give_their_frames_back(scene):
    with tempfile.TemporaryDirectory() as folder:
        np.save(f"{folder}/frame.npy", scene.depth)
        frame = read_depth(f"{folder}/frame.npy", format="npy")
        assert frame.dtype == scene.depth.dtype
        np.testing.assert_array_equal(frame, scene.depth)
        if scene.depth.dtype == np.uint16:
            for suffix in ("png", "tiff"):
                assert cv2.imwrite(f"{folder}/frame.{suffix}", np.ascontiguousarray(scene.depth))
                np.testing.assert_array_equal(read_depth(f"{folder}/frame.{suffix}"), scene.depth)


@many(20, 600, st.binary(max_size=200), st.sampled_from(("depth16", "nyu", "npy")), st.integers(0, 3), st.data())
def test_damaged_files_are_an_error(noise, format, kind, data):
    frame = np.arange(600, dtype=np.uint16).reshape(20, 30)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "frame"
        np.save(f"{folder}/frame.npy", frame)
        whole = (
            Path(f"{folder}/frame.npy").read_bytes() if format == "npy" else cv2.imencode(".png", frame)[1].tobytes()
        )
        place = data.draw(st.integers(0, len(whole) - 1))
        damaged = (noise, whole[:place], noise + whole, whole[:place] + noise + whole[place + len(noise) :])[kind]
        path.write_bytes(damaged)
        try:
            read = read_depth(path, format=format)
        except (TypeError, ValueError) as error:
            assert "Received" in str(error) or str(path) in str(error)
        else:
            assert read.ndim == 2 and read.dtype.itemsize >= 2


# === Points ===


@many(30, 600, cameras((240, 320)), SEEDS, st.sampled_from(("f4", "f8", "i4")))
def test_points_come_back_from_pixels(camera, seed, dtype):
    rng = np.random.default_rng(seed)
    joints_xyz = rng.normal(0, 10 ** rng.uniform(0, 5), (7, 3)).astype(dtype)
    before = joints_xyz.copy()
    joints_uvd = xyz_to_uvd(joints_xyz, camera)
    assert joints_uvd.dtype == (np.float32 if dtype == "f4" else np.float64)
    front = joints_xyz[:, 2] > 0
    assert np.isfinite(joints_uvd[front]).all() and np.isnan(joints_uvd[~front, :2]).all()
    if dtype == "f8":
        check_round_trip(joints_xyz[front], joints_uvd[front], camera)
    np.testing.assert_array_equal(joints_xyz, before)


@many(
    15,
    300,
    st.sampled_from(list(SKELETONS)),
    st.sampled_from(list(SKELETONS)),
    st.integers(0, 2),
    SEEDS,
)
def test_joints_go_where_they_belong(source, target, more, seed):
    source, target = SKELETONS[source], SKELETONS[target]
    joints_xyz = np.random.default_rng(seed).normal(size=(2, 3)[:more] + (len(source), 3))
    converted = convert_joints(joints_xyz, source, target)
    from_indices, to_indices = corresponding_joints(source, target)
    np.testing.assert_array_equal(converted[..., to_indices, :], joints_xyz[..., from_indices, :])
    others = np.setdiff1d(np.arange(len(target)), to_indices)
    assert np.isnan(converted[..., others, :]).all()


@many(
    15,
    300,
    SEEDS,
    st.floats(-3, 300),
    st.tuples(st.floats(1e-6, 1e6), st.floats(0, 1e6), st.floats(1e-6, 1e6)),
    st.booleans(),
)
def test_smoothed_joints_lie_among_those_that_came(seed, exponent, numbers, gaps):
    rng = np.random.default_rng(seed)
    smooth = OneEuroFilter(**dict(zip(("min_cutoff", "beta", "speed_cutoff"), numbers, strict=True)))
    joints_xyz = rng.normal(size=(8, 5, 3)) * 10.0**exponent
    if gaps:
        joints_xyz[rng.random((8, 5)) < 0.3] = rng.choice([np.nan, np.inf])
    low, high = np.full((5, 3), np.inf), np.full((5, 3), -np.inf)
    for points in joints_xyz:
        known = np.isfinite(points)
        low, high = np.where(known, np.fmin(low, points), low), np.where(known, np.fmax(high, points), high)
        before = points.copy()
        smoothed = smooth(points, dt=10 ** rng.uniform(-6, 6))
        np.testing.assert_array_equal(points, before)
        np.testing.assert_array_equal(np.isfinite(smoothed), known)
        slack = 1e-9 * abs(joints_xyz[np.isfinite(joints_xyz)]).max(initial=0)
        assert (smoothed[known] >= low[known] - slack).all() and (smoothed[known] <= high[known] + slack).all()
        smoothed[:] = 1e9  # What was given away is not the filter's any more.


# === Arguments ===

json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just(10**400),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)

CAMERA = CAMERAS["msra15"]
FRAME = np.zeros(CAMERA.shape, np.uint16)
FRAME[80:140, 150:200] = 400
OWN = {"camera": CAMERA, "skeleton": "msra21", "cube": 250.0}
ESTIMATOR = HandPoseEstimator(Scattered(), **OWN)
POSE = ESTIMATOR(FRAME)
NUMBERS = {"width": 320, "height": 240, "fx": 240.0, "fy": 240.0, "cx": 160.0, "cy": 120.0}


def _once_more(smooth: OneEuroFilter, joints_xyz: object, dt: object) -> object:
    smooth(np.zeros((21, 3)), dt=1)
    return smooth(joints_xyz, dt=dt)


ARGUMENTS: dict[str, Callable[[object], object]] = {
    **{f"Camera.{name}": lambda x, name=name: Camera(**{**NUMBERS, name: x}) for name in (*NUMBERS, "name")},
    "from_fov.width": lambda x: Camera.from_fov(x, 480, horizontal=70),
    "from_fov.horizontal": lambda x: Camera.from_fov(640, 480, horizontal=x),
    "from_fov.vertical": lambda x: Camera.from_fov(640, 480, horizontal=70, vertical=x),
    "window.left": lambda x: CAMERA.window(x, 0, 64, 64),
    "window.width": lambda x: CAMERA.window(0, 0, x, 64),
    "xyz_to_uvd.joints_xyz": lambda x: xyz_to_uvd(x, CAMERA),
    "xyz_to_uvd.camera": lambda x: xyz_to_uvd(np.ones((2, 3)), x),
    "uvd_to_xyz.joints_uvd": lambda x: uvd_to_xyz(x, CAMERA),
    "uvd_to_xyz.camera": lambda x: uvd_to_xyz(np.ones((2, 3)), x),
    "convert_joints.joints_xyz": lambda x: convert_joints(x, MSRA21, MSRA21),
    "convert_joints.source": lambda x: convert_joints(np.zeros((21, 3)), x, MSRA21),
    "convert_joints.target": lambda x: convert_joints(np.zeros((21, 3)), MSRA21, x),
    "HandCube.centre_xyz": lambda x: HandCube(centre_xyz=x, size=250),
    "HandCube.size": lambda x: HandCube(centre_xyz=(0, 0, 400), size=x),
    "HandCube.joints_unit": lambda x: POSE.crop.unit_to_xyz(x),
    "check_depth.depth": check_depth,
    "check_depth.depth_scale": lambda x: check_depth(FRAME, depth_scale=x),
    "check_depth.camera": lambda x: check_depth(FRAME, camera=x),
    "detect_hand.depth": lambda x: detect_hand(x, CAMERA),
    "detect_hand.camera": lambda x: detect_hand(FRAME, x),
    "detect_hand.cube": lambda x: detect_hand(FRAME, CAMERA, cube=x),
    "detect_hand.around": lambda x: detect_hand(FRAME, CAMERA, around=x),
    "detect_hand.min_score": lambda x: detect_hand(FRAME, CAMERA, min_score=x),
    "crop_hand.camera": lambda x: crop_hand(FRAME, x, (0, 0, 400)),
    "crop_hand.centre_xyz": lambda x: crop_hand(FRAME, CAMERA, x),
    "crop_hand.cube": lambda x: crop_hand(FRAME, CAMERA, (0, 0, 400), cube=x),
    "refine_centre.centre_xyz": lambda x: refine_centre(FRAME, CAMERA, x),
    "refine_centre.cube": lambda x: refine_centre(FRAME, CAMERA, (0, 0, 400), cube=x),
    "crop_hand.size": lambda x: crop_hand(FRAME, CAMERA, (0, 0, 400), size=x),
    "preprocess_input.depth": lambda x: preprocess_input(x, camera=CAMERA),
    **{
        f"preprocess_input.{name}": lambda x, name=name: preprocess_input([FRAME], **{"camera": CAMERA, name: x})
        for name in ("camera", "cube", "hand", "depth_scale", "centres_xyz", "min_score", "size")
    },
    "decode_predictions.joints_unit": lambda x: decode_predictions(x, [POSE.crop]),
    "decode_predictions.crops": lambda x: decode_predictions(np.zeros((1, 21, 3)), x),
    "read_depth.path": read_depth,
    "read_depth.format": lambda x: read_depth("nowhere.png", format=x),
    **{
        f"HandPoseEstimator.{name}": lambda x, name=name: HandPoseEstimator(Scattered(), **{**OWN, name: x})
        for name in (
            "camera",
            "engine",
            "threads",
            "skeleton",
            "cube",
            "hand",
            "depth_scale",
            "min_score",
            "confidence",
        )
    },
    "HandPoseEstimator.source": lambda x: HandPoseEstimator(x, **OWN),
    "estimator.depth": ESTIMATOR,
    "estimator.centre_xyz": lambda x: ESTIMATOR(FRAME, centre_xyz=x),
    "estimator.last": lambda x: ESTIMATOR(FRAME, last=x),
    "batch.frames": ESTIMATOR.batch,
    "batch.centres_xyz": lambda x: ESTIMATOR.batch([FRAME], centres_xyz=x),
    "stream.frames": lambda x: list(ESTIMATOR.stream(x)),
    "stream.frame": lambda x: list(ESTIMATOR.stream([x])),
    "stream.camera": lambda x: list(ESTIMATOR.stream([(FRAME, x)])),
    "stream.depth_scale": lambda x: list(ESTIMATOR.stream([(FRAME, CAMERA, x)])),
    "stream.time": lambda x: list(ESTIMATOR.stream([(FRAME, CAMERA, 1.0, x)], smooth=True)),
    **{
        f"stream.{name}": lambda x, name=name: list(ESTIMATOR.stream([FRAME], **{name: x}))
        for name in ("smooth", "latency_budget", "timestamps", "rate")
    },
    "BothHands.last": lambda x: BothHands(Scattered(), **OWN)(FRAME, last=x),
    **{
        f"OneEuroFilter.{name}": lambda x, name=name: OneEuroFilter(**{name: x})
        for name in ("min_cutoff", "beta", "speed_cutoff")
    },
    "smooth.joints_xyz": lambda x: _once_more(OneEuroFilter(), x, 1),
    "smooth.dt": lambda x: _once_more(OneEuroFilter(), np.zeros((21, 3)), x),
    "Pose.from_dict": Pose.from_dict,
    **{
        f"from_dict.{name}": lambda x, name=name: Pose.from_dict({**POSE.to_dict(), name: x})
        for name in ("joints_xyz", "centre_xyz", "skeleton", "camera", "hand")
    },
}


@many(400, 4_000, st.sampled_from(list(ARGUMENTS)), json_like)
def test_any_argument_is_taken_or_named(place, value):
    try:
        ARGUMENTS[place](value)
    except (TypeError, ValueError, OSError) as error:
        name = place.split(".")[-1]
        assert "Received" in str(error) or f"`{name}`" in str(error) or "There is no" in str(error), f"{error!r}"
