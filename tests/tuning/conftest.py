"""What the tests of searches need."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def store(tmp_path_factory) -> Path:
    """A store of 18 crops of painted palms, of three subjects."""
    from tiny_searches import make_store

    path = tmp_path_factory.mktemp("store") / "palms.h5"
    make_store(path, frames=18).close()
    return path
