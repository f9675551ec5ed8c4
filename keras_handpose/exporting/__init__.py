"""From a Keras model to one file that runs without Keras, in ONNX or TFLite."""

from keras_handpose.exporting.cache import cached_export
from keras_handpose.exporting.calibration import calibration_crops, held_out_crops
from keras_handpose.exporting.comparison import Comparison, ExportError
from keras_handpose.exporting.exports import Export, export

__all__ = ["Comparison", "Export", "ExportError", "cached_export", "calibration_crops", "export", "held_out_crops"]
