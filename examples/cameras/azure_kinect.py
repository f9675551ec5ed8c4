"""A hand before an Azure Kinect, through pyk4a (`pip install pyk4a`). It was not tried on a device."""

from pyk4a import CalibrationType, ColorResolution, Config, DepthMode, PyK4A

import keras_handpose as khp


def frames():
    """Yield the frames in mm and their camera, whose calibration the device knows."""
    device = PyK4A(
        Config(
            color_resolution=ColorResolution.OFF,
            depth_mode=DepthMode.NFOV_UNBINNED,
            synchronized_images_only=False,
        )
    )
    device.start()
    try:
        (fx, _, cx), (_, fy, cy), _ = device.calibration.get_camera_matrix(CalibrationType.DEPTH)
        while True:
            depth = device.get_capture().depth
            if depth is not None:
                height, width = depth.shape
                yield depth.copy(), khp.Camera(width=width, height=height, fx=fx, fy=fy, cx=cx, cy=cy)
    finally:
        device.stop()


if __name__ == "__main__":
    source = frames()
    _, camera = next(source)
    estimator = khp.HandPoseEstimator("msra", camera=camera)
    stream = estimator.stream(source, newest=True, smooth=True)
    print(khp.live.watch(stream, viewers=[khp.live.RerunViewer()]))
