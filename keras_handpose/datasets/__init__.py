"""The public datasets in their original files, and crops made of them: readers, writers, the crop store, batches."""

from keras_handpose.datasets.dataset import Dataset
from keras_handpose.datasets.frame import Frame

__all__ = ["Dataset", "Frame"]
