"""The public datasets in their original files, and crops made of them: readers, writers, the crop store, batches."""

from keras_handpose.datasets.augmentation import Augmentation, recrop
from keras_handpose.datasets.batches import iterate_batches, steps_per_epoch
from keras_handpose.datasets.centres import (
    CENTRE_FORMATS,
    CENTRE_FORMATS_OF,
    CENTRES,
    CUSTOMARY_CUBES,
    find_centre,
    read_centres,
)
from keras_handpose.datasets.chirality import chirality
from keras_handpose.datasets.crops import CropSource, LabelledCrops
from keras_handpose.datasets.dataset import Dataset
from keras_handpose.datasets.frame import Frame
from keras_handpose.datasets.icvl import ICVL, write_icvl
from keras_handpose.datasets.labelled import LabelledFrames, write_labelled
from keras_handpose.datasets.msra15 import MSRA15, write_msra15
from keras_handpose.datasets.nyu import NYU, write_nyu
from keras_handpose.datasets.preparation import prepare
from keras_handpose.datasets.registry import DATASETS, open_dataset
from keras_handpose.datasets.store import CropStore

__all__ = [
    "Augmentation",
    "CENTRES",
    "CENTRE_FORMATS",
    "CENTRE_FORMATS_OF",
    "CUSTOMARY_CUBES",
    "CropSource",
    "CropStore",
    "DATASETS",
    "Dataset",
    "Frame",
    "ICVL",
    "LabelledCrops",
    "LabelledFrames",
    "MSRA15",
    "NYU",
    "chirality",
    "find_centre",
    "iterate_batches",
    "open_dataset",
    "prepare",
    "read_centres",
    "recrop",
    "steps_per_epoch",
    "write_icvl",
    "write_labelled",
    "write_msra15",
    "write_nyu",
]
