"""From a Keras model to one file that runs without Keras, in ONNX or TFLite.

Names are imported when they are first used: a network that is in the cache does not wait for Keras.
"""

from __future__ import annotations

from keras_handpose.lazy_names import lazily

_ORIGINS = {
    "Comparison": "comparison",
    "Export": "exports",
    "ExportError": "comparison",
    "cached_export": "cache",
    "calibration_crops": "calibration",
    "export": "exports",
    "held_out_crops": "calibration",
}

__all__ = list(_ORIGINS)

__getattr__, __dir__ = lazily(__name__, _ORIGINS)
