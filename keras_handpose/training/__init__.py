"""Training as the paper did, from a store of crops, or on rendered hands."""

from keras_handpose.training.data import TrainingData
from keras_handpose.training.distribution import Distribution
from keras_handpose.training.fitting import is_finished, train
from keras_handpose.training.folds import train_folds
from keras_handpose.training.recipe import FINETUNING, PAPER, RENDERED, Recipe, finetuning
from keras_handpose.training.rendered_hands import RenderedHands
from keras_handpose.training.stored_crops import StoredCrops

__all__ = [
    "Distribution",
    "FINETUNING",
    "PAPER",
    "RENDERED",
    "Recipe",
    "RenderedHands",
    "StoredCrops",
    "TrainingData",
    "finetuning",
    "is_finished",
    "train",
    "train_folds",
]
