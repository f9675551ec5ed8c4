"""A hand before an OpenNI 2 camera, through openni (`pip install openni`). It was not tried on a device."""

import math

import numpy as np
from openni import openni2

import keras_handpose as khp


def frames():
    """Yield the frames in mm and their camera, of whose calibration OpenNI tells nothing but the field of view."""
    openni2.initialize()
    stream = openni2.Device.open_any().create_depth_stream()
    stream.set_mirroring_enabled(False)  # In a mirror, a right hand is a left one.
    stream.start()
    try:
        fov = math.degrees(stream.get_horizontal_fov())
        while True:
            frame = stream.read_frame()
            depth = np.frombuffer(frame.get_buffer_as_uint16(), np.uint16).reshape(frame.height, frame.width).copy()
            yield depth, khp.Camera.from_fov(frame.width, frame.height, horizontal=fov)
    finally:
        stream.stop()
        openni2.unload()


if __name__ == "__main__":
    source = frames()
    _, camera = next(source)
    estimator = khp.HandPoseEstimator("msra", camera=camera)
    stream = estimator.stream(source, newest=True, smooth=True)
    print(khp.live.watch(stream, viewers=[khp.live.RerunViewer()]))
