"""What a machine can do at best."""

from __future__ import annotations

import pytest
import torch

from selip.experiments import machine_limits
from selip.experiments.machine_limits import copy_rate, matrix_product_rate, measure_ceilings

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def short(monkeypatch):
    monkeypatch.setattr(machine_limits, "SECONDS_A_SIZE", 0.01)


def test_the_best_size_counts(monkeypatch):
    monkeypatch.setattr(
        machine_limits, "_best_seconds", lambda statement, tensors: 8.0 if len(tensors["a"]) == 4 else 64.0
    )
    assert matrix_product_rate(CPU, torch.float32, (2, 4)) == 2 * 4**3 / 8
    assert matrix_product_rate(CPU, torch.float32, (4, 2)) == 2 * 4**3 / 8


def test_a_copy_reads_and_writes(monkeypatch):
    def seconds(statement, tensors):
        exec(statement, {}, tensors)
        assert torch.equal(tensors["target"], tensors["source"])
        assert tensors["target"].data_ptr() != tensors["source"].data_ptr()
        return 0.5

    monkeypatch.setattr(machine_limits, "_best_seconds", seconds)
    assert copy_rate(CPU, 1000) == 4000


def test_the_product_that_is_timed_is_one_in_the_type_asked_for(monkeypatch):
    def seconds(statement, tensors):
        a, b, c = tensors["a"], tensors["b"], tensors["c"]
        assert {a.dtype, b.dtype, c.dtype} == {torch.bfloat16}
        exec(statement, {"torch": torch}, tensors)
        torch.testing.assert_close(c, a @ b)
        return 1.0

    monkeypatch.setattr(machine_limits, "_best_seconds", seconds)
    assert matrix_product_rate(CPU, torch.bfloat16, (16,)) == 2 * 16**3


def test_a_real_machine_has_both(monkeypatch):
    monkeypatch.setattr(machine_limits, "EDGES", {"cpu": (8, 128)})
    monkeypatch.setattr(machine_limits, "COPY_BYTES", {"cpu": 2**20})
    found = measure_ceilings(CPU, torch.float32)
    assert found.dtype == "float32"
    assert found.flops_per_second > 1e6
    assert found.bytes_per_second > 1e6
