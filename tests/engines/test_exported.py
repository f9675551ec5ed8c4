"""Exported files as engines, in both runtimes."""

from __future__ import annotations

import sys
import threading

import numpy as np
import pytest
from exported_models import CAMERA, FORMATS, JOINTS, SIZE, metadata_of, network_joints

from keras_handpose.cameras import CAMERAS
from keras_handpose.engines import Engine, NetworkEngine, PipelineEngine, open_engine, write_metadata
from keras_handpose.skeletons import ICVL16, MSRA21

CROPS = np.random.default_rng(0).uniform(-1, 1, (70, SIZE, SIZE, 1)).astype(np.float32)


def disc(z: float = 400.0) -> np.ndarray:
    frame = np.zeros(CAMERA.shape, np.uint16)
    frame[100:140, 150:190] = z
    return frame


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_network_runs_on_any_number_of_crops(suffix, exported):
    engine = open_engine(exported["network", suffix])
    assert isinstance(engine, NetworkEngine) and isinstance(engine, Engine)
    assert (engine.crop_size, engine.joints, engine.metadata) == (SIZE, JOINTS, metadata_of())
    for n in (1, 2, 33, 70):
        joints_unit = engine(CROPS[:n])
        assert joints_unit.dtype == np.float32
        np.testing.assert_allclose(joints_unit, network_joints(CROPS[:n]), atol=1e-6)
    np.testing.assert_array_equal(engine(CROPS[:1]), engine(CROPS[:1].astype(np.float64)))


@pytest.mark.parametrize("suffix", FORMATS)
def test_results_are_not_overwritten_by_the_next_ones(suffix, exported):
    engine = open_engine(exported["network", suffix])
    first = engine(CROPS[:1])
    before = first.copy()
    engine(CROPS[1:2])
    np.testing.assert_array_equal(first, before)


@pytest.mark.parametrize("suffix", FORMATS)
def test_threads_may_share_an_engine(suffix, exported):
    engine = open_engine(exported["network", suffix], threads=2)
    wrong = []

    def work(i):
        for _ in range(50):
            if abs(engine(CROPS[i : i + 1]) - network_joints(CROPS[i : i + 1])).max() > 1e-6:
                wrong.append(i)

    workers = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not wrong


@pytest.mark.parametrize("suffix", FORMATS)
def test_crops_and_threads_that_do_not_fit_are_refused(suffix, exported):
    engine = open_engine(exported["network", suffix])
    for shape in ((0, SIZE, SIZE, 1), (1, SIZE, SIZE), (1, SIZE, SIZE, 3), (1, 64, 64, 1)):
        with pytest.raises(ValueError, match=r"`crops` must have shape \(n, 32, 32, 1\)"):
            engine(np.zeros(shape, np.float32))
    for dtype in (np.uint8, bool, complex):
        with pytest.raises(TypeError, match=r"`crops` must hold floats from -1 to 1.*Received: dtype"):
            engine(np.zeros((1, SIZE, SIZE, 1), dtype))
    for threads in (0, -1, 1.5, True, "2"):
        with pytest.raises(ValueError, match="`threads` must be"):
            open_engine(exported["network", suffix], threads=threads)


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_pipeline_takes_frames(suffix, exported):
    engine = open_engine(exported["pipeline", suffix])
    assert isinstance(engine, PipelineEngine)
    assert engine.frame_shape == (CAMERA.shape if suffix == ".tflite" else None)
    for dtype in (np.uint16, np.float32):
        result = engine(disc().astype(dtype), camera=CAMERA)
        assert result.found is True and result.score == 0.75
        np.testing.assert_allclose(result.centre_xyz, (0, 0, 400))
        np.testing.assert_allclose(result.joints_xyz, np.full((JOINTS, 3), (0.0, 0.0, 400.0)))
        np.testing.assert_allclose(result.joints_uvd[3], (160, 120, 400))
    mirrored = engine(disc(), camera=CAMERA, mirror=True, centre_xyz=(10, 20, 300))
    np.testing.assert_allclose(mirrored.joints_xyz[0], (11, 21, 301))
    nothing = engine(np.zeros(CAMERA.shape, np.float32), camera=CAMERA)
    assert nothing.found is False and nothing.score == 0 and np.isnan(nothing.joints_xyz).all()


@pytest.mark.parametrize("suffix", FORMATS)
def test_frames_and_centres_that_do_not_fit_are_refused(suffix, exported):
    engine = open_engine(exported["pipeline", suffix])
    with pytest.raises(ValueError, match=r"does not have the size of camera 'msra15', 320 x 240. Received: 640 x 480"):
        engine(np.zeros((480, 640), np.uint16), camera=CAMERA)
    for frame in (disc() > 0, disc().astype(np.uint8), disc().astype(complex), disc().astype(str)):
        with pytest.raises(TypeError, match="A depth frame holds 16-bit integers or floats"):
            engine(frame, camera=CAMERA)
    for centre in ((0, 0, 0), (0, 0, -1), (0, np.nan, 400), (1, 2)):
        with pytest.raises(ValueError, match="A hand's centre is"):
            engine(disc(), camera=CAMERA, centre_xyz=centre)


def test_the_frame_size_is_fixed_in_tflite_only(exported):
    camera = CAMERAS["sr305"]
    frame = np.zeros(camera.shape, np.uint16)
    assert not open_engine(exported["pipeline", ".onnx"])(frame, camera=camera).found
    with pytest.raises(ValueError, match=r"`depth` must have shape \(240, 320\)"):
        open_engine(exported["pipeline", ".tflite"])(frame, camera=camera)


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("network", {"crop_size": 64}),
        ("network", {"skeleton": ICVL16}),
        ("network", {"kind": "pipeline", "camera": CAMERA, "min_score": 0.3}),
        ("pipeline", {"skeleton": ICVL16}),
        ("pipeline", {"kind": "network"}),
    ],
)
def test_metadata_that_the_graph_contradicts_are_refused(suffix, kind, changes, exported, tmp_path):
    path = tmp_path / f"hand{suffix}"
    path.write_bytes(exported[kind, suffix].read_bytes())
    write_metadata(path, metadata_of(**{"kind": kind, **changes}))
    with pytest.raises(ValueError, match=rf"hand{suffix} is not the .* that its metadata say it is. Its graph has"):
        open_engine(path)


def test_a_camera_that_the_graph_contradicts_is_refused(exported, tmp_path):
    path = tmp_path / "hand.tflite"
    path.write_bytes(exported["pipeline", ".tflite"].read_bytes())
    write_metadata(path, metadata_of("pipeline", camera=CAMERAS["sr305"]))
    with pytest.raises(ValueError, match=r"depth \(240, 320\) float32, not \(480, 640\) float32\. Export"):
        open_engine(path)


@pytest.mark.parametrize("suffix", FORMATS)
def test_sealed_nonsense_is_the_runtimes_error(suffix, tmp_path):
    path = tmp_path / f"hand{suffix}"
    path.write_bytes(b"\x08\x08" if suffix == ".onnx" else b"\x1c\0\0\0TFL3" + bytes(99))
    write_metadata(path, metadata_of())
    with pytest.raises(ValueError, match="hand.* cannot be run by"):
        open_engine(path)


@pytest.mark.parametrize(
    ("suffix", "module", "package"),
    [(".onnx", "onnxruntime", "onnxruntime"), (".tflite", "ai_edge_litert", "ai-edge-litert")],
)
def test_a_missing_runtime_is_named(suffix, module, package, exported, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setitem(sys.modules, f"{module}.interpreter", None)
    with pytest.raises(ImportError, match=f"needs {package}. Install it with `pip install {package}`"):
        open_engine(exported["network", suffix])


def test_names_of_files_may_have_any_letters(exported, tmp_path):
    for suffix in FORMATS:
        path = tmp_path / f"mañana 手 #1{suffix}"
        path.write_bytes(exported["network", suffix].read_bytes())
        assert open_engine(str(path)).metadata.skeleton is MSRA21
