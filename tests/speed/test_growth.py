"""No stage but one costs more than n log n, none holds more than its share of memory: slopes at small sizes."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.speed
spec = importlib.util.spec_from_file_location("growth", Path(__file__).parent / "growth.py")
growth = sys.modules["growth"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(growth)

MOST_OF_MEMORY = 1.1


@pytest.mark.parametrize("name", growth.STAGES)
def test_cost_grows_no_faster_than_declared(benchmark, name):
    stage = growth.STAGES[name]
    found = benchmark.pedantic(growth.measured, (stage, stage.small), rounds=1)
    benchmark.extra_info |= {"exponent": found.exponent, "exponent_of_memory": found.memory_exponent}
    assert found.exponent < stage.most
    assert found.memory_exponent < MOST_OF_MEMORY


def test_a_square_is_seen_as_one():
    found = growth.Growth((10, 20, 40), (1.0, 4.0, 16.0), (100, 400, 1600))
    assert found.exponent == pytest.approx(2)
    assert found.memory_exponent == pytest.approx(2)
