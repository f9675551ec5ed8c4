"""The public datasets in their original files, and crops made of them: readers, writers, the crop store, batches."""

from keras_handpose.datasets.augmentation import Augmentation, recrop
from keras_handpose.datasets.batches import iterate_batches, steps_per_epoch
from keras_handpose.datasets.chirality import chirality
from keras_handpose.datasets.crops import CropSource, LabelledCrops
from keras_handpose.datasets.dataset import Dataset
from keras_handpose.datasets.frame import Frame
from keras_handpose.datasets.labelled import LabelledFrames, write_labelled
from keras_handpose.datasets.msra15 import MSRA15, write_msra15

__all__ = [
    "Augmentation",
    "CropSource",
    "Dataset",
    "Frame",
    "LabelledCrops",
    "LabelledFrames",
    "MSRA15",
    "chirality",
    "iterate_batches",
    "recrop",
    "steps_per_epoch",
    "write_labelled",
    "write_msra15",
]
