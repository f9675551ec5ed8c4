"""Sensor noise: what each kind does, and that a seed decides it."""

from __future__ import annotations

import numpy as np
import pytest

from keras_handpose import Camera
from keras_handpose.synthetic import SENSORS, Sensor, render_spheres, sense

CAMERA = Camera(width=160, height=120, fx=240, fy=240, cx=80, cy=60)
FLAT = np.full(CAMERA.shape, 500, np.float32)


def ball() -> np.ndarray:
    return render_spheres(np.array([[0, 0, 450, 60]]), CAMERA, background=np.full(CAMERA.shape, 700, np.float32))


@pytest.mark.parametrize("sensor", SENSORS.values(), ids=lambda sensor: sensor.name)
def test_a_seed_decides_everything(sensor):
    exact = ball()
    before = exact.copy()
    first = sense(exact, CAMERA, sensor, seed=7)
    np.testing.assert_array_equal(first, sense(exact, CAMERA, sensor, seed=7))
    np.testing.assert_array_equal(exact, before)
    assert first.dtype == np.float32 and np.isfinite(first).all() and (first >= 0).all()
    if sensor.name != "ideal":
        assert (first != sense(exact, CAMERA, sensor, seed=8)).mean() > 0.1


def test_the_ideal_sensor_reports_the_truth():
    np.testing.assert_array_equal(sense(ball(), CAMERA, SENSORS["ideal"], seed=0), ball())


def test_noise_has_its_figures():
    sensor = Sensor(name="noisy", noise=8.0, noise_floor=1.0)
    for distance in (300.0, 900.0):
        error = sense(np.full(CAMERA.shape, distance, np.float32), CAMERA, sensor, seed=1) - distance
        assert error.std() == pytest.approx(1.0 + 8.0 * (distance / 1000) ** 2, rel=0.03)
        assert abs(error.mean()) < 0.1


def test_grain_makes_neighbours_err_alike():
    def alike(grain: float, apart: int) -> float:
        error = sense(FLAT, CAMERA, Sensor(name="grainy", noise_floor=2.0, grain=grain), seed=1) - 500
        assert error.std() == pytest.approx(2.0, rel=0.1)
        return float(np.corrcoef(error[:, apart:].ravel(), error[:, : CAMERA.width - apart].ravel())[0, 1])

    assert abs(alike(0.0, 1)) < 0.05 and alike(2.0, 1) > 0.4 and alike(4.0, 2) > 0.4 and abs(alike(4.0, 9)) < 0.1


def test_smoothing_flattens_surfaces_but_keeps_their_outlines():
    rough = ball() + np.random.default_rng(0).normal(0, 1, CAMERA.shape).astype(np.float32)
    sensed = sense(rough, CAMERA, Sensor(name="smooth", smoothing=1.0), seed=0)
    inside = (slice(56, 64), slice(76, 84))
    assert np.std(sensed[inside] - ball()[inside]) < 0.5 * np.std(rough[inside] - ball()[inside])
    outline = np.abs(np.diff(ball(), axis=1)) > 60
    assert outline.sum() > 30 and (np.abs(np.diff(sensed, axis=1))[outline] > 50).all()


def test_thin_things_are_lost_and_broad_ones_are_not():
    near = FLAT + 200
    near[:, 40:41], near[:, 80:90] = 400, 400
    sensed = sense(near, CAMERA, Sensor(name="windows", smoothing=1.0, least_fill=0.5), seed=0)
    assert (sensed[:, 40] == 0).mean() > 0.9 and (sensed[5:-5, 80:90] == 400).all() and (sensed[5:-5, 120:] > 0).all()


def test_only_what_is_seen_matters():
    """A picture with emptiness around it is sensed like one without."""
    wide = Camera(width=260, height=220, fx=240, fy=240, cx=130, cy=110)
    exact = render_spheres(np.array([[0, 0, 450, 40]]), wide)
    assert (sense(exact, wide, SENSORS["structured_light"], seed=3)[0] == 0).all()
    empty = np.zeros(CAMERA.shape, np.float32)
    for sensor in SENSORS.values():
        np.testing.assert_array_equal(sense(empty, CAMERA, sensor, seed=0), empty)


def test_quantisation_leaves_steps():
    sensor = Sensor(name="coarse", step=4.0)
    slope = np.linspace(480, 520, CAMERA.width, dtype=np.float32)[None].repeat(CAMERA.height, 0)
    sensed = sense(slope, CAMERA, sensor, seed=0)
    assert np.abs(sensed - slope).max() < 0.6
    levels = np.unique(sensed)
    assert np.diff(levels) == pytest.approx(4.0 * (levels[:-1] / 1000) ** 2, rel=0.01)


@pytest.mark.parametrize(("baseline", "shadowed_side"), [(75.0, "left"), (-75.0, "right")])
def test_a_projector_casts_a_shadow_of_the_right_width(baseline, shadowed_side):
    near = FLAT + 200
    near[:, 60:100] = 400
    sensed = sense(near, CAMERA, Sensor(name="projector", baseline=baseline), seed=0)
    width = round(240 * 75 * (1 / 400 - 1 / 700))
    shadow = slice(60 - width, 60) if shadowed_side == "left" else slice(100, 100 + width)
    missing = sensed[60] == 0
    assert missing[shadow].mean() > 0.9 and missing.sum() <= width + 2


def test_flying_pixels_lie_between_the_surfaces():
    sensor = Sensor(name="flying", flying=1.0)
    sensed = sense(ball(), CAMERA, sensor, seed=0)
    moved = sensed != ball()
    assert 20 < moved.sum() < 0.1 * moved.size
    assert (sensed[moved] > ball()[moved]).all() and (sensed[moved] <= 700).all()


def test_holes_come_at_their_chance():
    assert (sense(FLAT, CAMERA, Sensor(name="speckled", speckle=0.1), seed=0) == 0).mean() == pytest.approx(
        0.1, abs=0.01
    )
    edges = sense(ball(), CAMERA, Sensor(name="holes", edge_holes=1.0), seed=0)
    assert 50 < (edges == 0).sum() < 0.1 * edges.size
    steep = np.linspace(300, 1500, CAMERA.width, dtype=np.float32)[None].repeat(CAMERA.height, 0)
    grazing = steep < (1200 / 159) * 240 / 2.5
    holes = sense(steep, CAMERA, Sensor(name="grazing", grazing_holes=0.5), seed=0) == 0
    assert holes[grazing].mean() == pytest.approx(0.5, abs=0.02) and not holes[~grazing].any()


def test_ragged_outlines_change_outlines_only():
    sensed = sense(ball(), CAMERA, Sensor(name="ragged", wobble=1.0), seed=0)
    assert (sensed[55:65, 75:85] == ball()[55:65, 75:85]).all()
    assert (sensed != ball()).sum() > 30


def test_missing_stays_missing_but_for_ragged_outlines():
    hole = FLAT.copy()
    hole[40:60, 40:60] = 0
    for sensor in SENSORS.values():
        assert (sense(hole, CAMERA, sensor, seed=3)[42:58, 42:58] == 0).all()


def test_another_unit_of_a_kind():
    varied = SENSORS["structured_light"].varied(np.random.default_rng(0))
    assert varied != SENSORS["structured_light"] and abs(varied.baseline) == 75.0
    assert all(0 <= chance <= 1 for chance in (varied.wobble, varied.edge_holes, varied.grazing_holes, varied.speckle))


def test_the_frame_must_be_the_cameras():
    with pytest.raises(ValueError, match=r"camera's shape \(120, 160\)"):
        sense(np.zeros((10, 10), np.float32), CAMERA, SENSORS["ideal"], seed=0)
