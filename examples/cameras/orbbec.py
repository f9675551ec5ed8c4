"""A hand before an Orbbec camera, through pyorbbecsdk. It was not tried on a device."""

import numpy as np
from pyorbbecsdk import Config, OBSensorType, Pipeline

import keras_handpose as khp


def frames():
    """Yield the frames, their camera and the mm in one of their units; the device knows both."""
    pipeline, config = Pipeline(), Config()
    profile = pipeline.get_stream_profile_list(OBSensorType.DEPTH_SENSOR).get_default_video_stream_profile()
    lens = profile.get_intrinsic()
    config.enable_stream(profile)
    pipeline.start(config)
    try:
        while True:
            frame_set = pipeline.wait_for_frames(100)  # ms
            frame = frame_set and frame_set.get_depth_frame()
            if frame:
                height, width = frame.get_height(), frame.get_width()
                depth = np.frombuffer(frame.get_data(), np.uint16).reshape(height, width).copy()
                camera = khp.Camera(width=width, height=height, fx=lens.fx, fy=lens.fy, cx=lens.cx, cy=lens.cy)
                yield khp.capture.CapturedFrame(depth, camera, frame.get_depth_scale())
    finally:
        pipeline.stop()


if __name__ == "__main__":
    source = frames()
    first = next(source)
    estimator = khp.HandPoseEstimator("msra", camera=first.camera, depth_scale=first.depth_scale)
    stream = estimator.stream(source, newest=True, smooth=True)
    print(khp.live.watch(stream, viewers=[khp.live.RerunViewer()]))
