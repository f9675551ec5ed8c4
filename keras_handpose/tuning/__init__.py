"""Searching for networks with KerasTuner, within a budget of arithmetic, size and time.

Names are imported when they are first used: the spaces are there without KerasTuner.
"""

from __future__ import annotations

from keras_handpose.lazy_names import lazily

_ORIGINS = {
    "Budget": "budget",
    "Cost": "budget",
    "HyperResidualAttention": "hyper_model",
    "Outcome": "outcome",
    "SPACES": "spaces",
    "Space": "spaces",
    "Span": "parameters",
    "TrialRecord": "records",
    "plot_trials": "figure",
    "tune": "search",
}

__all__ = list(_ORIGINS)

__getattr__, __dir__ = lazily(__name__, _ORIGINS)
