"""Quantisation of exported files: fewer bits where they cost no millimetres.

What is quantised is the body of the network, found by its shape, not by names (see `body`): all of its
convolutions but the first two on any way from the crop, all of its dense layers but the last linear ones. The rest
stays float32: pre- and post-processing, those first convolutions, the pose's code and the prior.

| mode | weights of the body | its arithmetic |
|---|---|---|
| ``"float16"`` | float16, widened when the file is loaded | float32 |
| ``"dynamic"`` | int8, a step for each channel | TFLite: int8, with ranges measured as it runs; ONNX: float32 |
| ``"int8"`` | int8, a step for each channel | int8, ranges from calibration |
"""

from keras_handpose.exporting.quantisation.quantise import quantise

__all__ = ["quantise"]
