"""What a search needs beyond the library, said before it starts: KerasTuner notices when a trial fails."""

from __future__ import annotations

import importlib.util
import os

__all__ = ["require_exporter", "require_tuner"]


def require_tuner(*, backend: str | None = None, tuner: str | None = None) -> None:
    """See that KerasTuner is installed, with what it needs and does not declare.

    Args:
        backend: Keras's backend. On TensorFlow, KerasTuner imports tensorboard in every trial.
        tuner: Which search; "bayesian" needs scikit-learn.

    Raises:
        ImportError: A package is missing.
    """
    needs = {"keras-tuner": "keras_tuner", "six": "six"}
    if backend == "tensorflow":
        needs["tensorboard"] = "tensorboard"
    if tuner == "bayesian":
        needs["scikit-learn"] = "sklearn"
    _require(needs, "A search", "tuner")


def require_exporter() -> None:
    """See that a network's time can be measured.

    Raises:
        ImportError: A package is missing.
    """
    _require({"tf2onnx": "tf2onnx", "onnx": "onnx", "onnxruntime": "onnxruntime"}, "A limit in ms", "export")


def is_member() -> bool:
    """Say whether this process is the chief or a worker of a search in several processes."""
    return "KERASTUNER_ORACLE_IP" in os.environ


def is_worker() -> bool:
    """Say whether this process asks a chief for its trials."""
    return is_member() and "chief" not in os.environ.get("KERASTUNER_TUNER_ID", "")


def _require(needs: dict[str, str], what: str, extra: str) -> None:
    missing = [package for package, module in needs.items() if importlib.util.find_spec(module) is None]
    if missing:
        raise ImportError(
            f"{what} needs {', '.join(missing)}, which {'is' if len(missing) == 1 else 'are'} not installed. "
            f'Install it with `pip install "keras-handpose[{extra}]"`.'
        )
