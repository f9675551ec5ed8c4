"""Names of a package that are imported when they are first used."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping

__all__ = ["lazily"]


def lazily(
    package: str, origins: Mapping[str, str], *, modules: Mapping[str, str] | None = None
) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """Return the ``__getattr__`` and ``__dir__`` of a package, which lists its names in ``__all__``.

    Args:
        package: Its name.
        origins: The module of the package that each name comes from.
        modules: Modules of the package, by the names that they have there.

    Example:
        >>> look_up, names = lazily("keras_handpose", {"CAMERAS": "cameras"}, modules={"weights": "models.weights"})
        >>> "CAMERAS" in names(), look_up("weights").__name__
        (True, 'keras_handpose.models.weights')
    """
    modules = modules or {}

    def look_up(name: str) -> object:
        if name in modules:
            return importlib.import_module(f"{package}.{modules[name]}")
        if name in origins:
            return getattr(importlib.import_module(f"{package}.{origins[name]}"), name)
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    return look_up, lambda: sorted(sys.modules[package].__all__)
