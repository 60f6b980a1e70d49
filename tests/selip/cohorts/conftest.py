"""Tiny folders in the layouts of public sets."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The folder that `example` of the test's module writes."""
    return request.module.example(tmp_path)
