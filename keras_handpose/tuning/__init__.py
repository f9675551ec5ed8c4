"""Searching for networks with KerasTuner, within a budget of arithmetic, size and time.

Names are imported when they are first used: the spaces are there without KerasTuner.
"""

from __future__ import annotations

import importlib

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


def __getattr__(name: str):
    if name not in _ORIGINS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_ORIGINS[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
