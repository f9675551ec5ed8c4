"""The public datasets in their original files, and crops made of them: readers, writers, the crop store, batches."""

from keras_handpose.datasets.crops import CropSource, LabelledCrops
from keras_handpose.datasets.dataset import Dataset
from keras_handpose.datasets.frame import Frame

__all__ = ["CropSource", "Dataset", "Frame", "LabelledCrops"]
