"""The examples for other cameras, on stand-ins for their SDKs: frames, cameras and scales come through."""

from __future__ import annotations

import math
import runpy
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from keras_handpose.capture import CapturedFrame

FOLDER = Path(__file__).parent.parent / "examples" / "cameras"
DEPTH = np.arange(12, dtype=np.uint16).reshape(3, 4)
LENS = {"fx": 5.0, "fy": 6.0, "cx": 1.5, "cy": 1.0}

stopped: list[str] = []


def azure_kinect() -> dict:
    class PyK4A:
        def __init__(self, config):
            assert config == {"color_resolution": 0, "depth_mode": 2, "synchronized_images_only": False}
            captures = iter([None, DEPTH, DEPTH])
            self.get_capture = lambda: SimpleNamespace(depth=next(captures))
            matrix = np.array([[LENS["fx"], 0, LENS["cx"]], [0, LENS["fy"], LENS["cy"]], [0, 0, 1]])
            self.calibration = SimpleNamespace(get_camera_matrix=lambda kind: {"depth": matrix}[kind])

        def start(self):
            stopped.clear()

        def stop(self):
            stopped.append("device")

    return {
        "pyk4a": {
            "PyK4A": PyK4A,
            "Config": dict,
            "ColorResolution": SimpleNamespace(OFF=0),
            "DepthMode": SimpleNamespace(NFOV_UNBINNED=2),
            "CalibrationType": SimpleNamespace(DEPTH="depth"),
        }
    }


def orbbec() -> dict:
    class Pipeline:
        def get_stream_profile_list(self, sensor):
            profile = SimpleNamespace(get_intrinsic=lambda: SimpleNamespace(**LENS))
            return SimpleNamespace(get_default_video_stream_profile=lambda: {"depth": profile}[sensor])

        def start(self, config):
            assert config.enabled
            frame = SimpleNamespace(
                get_height=lambda: 3, get_width=lambda: 4, get_data=DEPTH.tobytes, get_depth_scale=lambda: 0.5
            )
            with_frame = SimpleNamespace(get_depth_frame=lambda: frame)
            sets = iter([None, SimpleNamespace(get_depth_frame=lambda: None), with_frame, with_frame])
            self.wait_for_frames = lambda milliseconds: next(sets)
            stopped.clear()

        def stop(self):
            stopped.append("device")

    class Config:
        enabled = False

        def enable_stream(self, profile):
            self.enabled = profile is not None

    return {
        "pyorbbecsdk": {
            "Pipeline": Pipeline,
            "Config": Config,
            "OBSensorType": SimpleNamespace(DEPTH_SENSOR="depth"),
        }
    }


def openni() -> dict:
    class Stream:
        def set_mirroring_enabled(self, enabled):
            self.mirrored = enabled

        def start(self):
            assert self.mirrored is False
            stopped.clear()

        def get_horizontal_fov(self):
            return math.radians(60)

        def read_frame(self):
            return SimpleNamespace(width=4, height=3, get_buffer_as_uint16=DEPTH.tobytes)

        def stop(self):
            stopped.append("device")

    device = SimpleNamespace(open_any=lambda: SimpleNamespace(create_depth_stream=Stream))
    library = SimpleNamespace(initialize=lambda: None, unload=lambda: stopped.append("library"), Device=device)
    return {"openni": {"openni2": library}}


@pytest.mark.parametrize(
    ("sdk", "expected", "scale", "closed"),
    [
        (azure_kinect, LENS, None, ["device"]),
        (orbbec, LENS, 0.5, ["device"]),
        (openni, {"fx": 2 / math.tan(math.radians(30)), "cx": 1.5, "cy": 1.0}, None, ["device", "library"]),
    ],
)
def test_frames_come_through_and_the_device_is_closed(sdk, expected, scale, closed, monkeypatch):
    for name, members in sdk().items():
        module = ModuleType(name)
        module.__dict__.update(members)
        monkeypatch.setitem(sys.modules, name, module)
    frames = runpy.run_path(str(FOLDER / f"{sdk.__name__}.py"))["frames"]()
    for _ in range(2):
        frame = CapturedFrame(*next(frames))
        np.testing.assert_array_equal(frame.depth, DEPTH)
        assert frame.depth.flags.owndata and frame.depth_scale == scale
        assert frame.camera.shape == (3, 4)
        assert {name: getattr(frame.camera, name) for name in expected} == pytest.approx(expected)
    frames.close()
    assert stopped == closed
