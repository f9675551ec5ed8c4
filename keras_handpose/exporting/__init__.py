"""From a Keras model to one file that runs without Keras, in ONNX or TFLite.

Names are imported when they are first used: a network that is in the cache does not wait for Keras.
"""

from __future__ import annotations

import importlib

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


def __getattr__(name: str):
    if name not in _ORIGINS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_ORIGINS[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
