"""A depth frame and a camera in, 3D hand joints in millimetres out, built from Keras blocks you can reuse."""

__version__ = "0.1.0"
