"""Encoding a batch in chunks: the same numbers, less memory."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
import torch

from selip.data.cohort import Cohort
from selip.training.gradients import split

spec = importlib.util.spec_from_file_location("shared_batch", Path(__file__).with_name("shared_batch.py"))
shared = importlib.util.module_from_spec(spec)
spec.loader.exec_module(shared)


class Held:
    """Bytes that autograd holds for the backward, and their peak."""

    def __init__(self):
        self.now = self.peak = 0

    def pack(self, tensor):
        self.now += tensor.nbytes
        self.peak = max(self.peak, self.now)
        return tensor

    def unpack(self, tensor):
        self.now -= tensor.nbytes
        return tensor


def three_steps(name, cohort: Cohort, *overrides):
    held = Held()
    with torch.autograd.graph.saved_tensors_hooks(held.pack, held.unpack):
        found = shared.three_steps(name, cohort, shared.config(*shared.BARE, *overrides))
    return found, held.peak


@pytest.mark.parametrize("name", ["selip", "gloria", "mae", "simclr", "siglip"])
def test_chunks_are_the_whole_batch(name, small_cohort):
    with shared.norms_in_eval_mode(), shared.prepared_once():
        whole, held = three_steps(name, small_cohort)
        chunked, less = three_steps(name, small_cohort, "training.micro_batch=3")
    shared.assert_same_course(chunked, whole)
    assert less < held * 0.6


def test_running_statistics_follow_the_second_pass_alone(small_cohort):
    with shared.prepared_once():
        found, _ = three_steps("selip", small_cohort, "training.micro_batch=2")
    counts = [value.item() for name, value in found["weights"].items() if name.endswith("num_batches_tracked")]
    assert set(counts) == {3 * 4}, "three steps of four chunks"


def test_a_chunk_as_large_as_the_batch_is_no_chunk(small_cohort):
    with shared.prepared_once():
        found, expected = (three_steps("selip", small_cohort, *more)[0] for more in ((), ("training.micro_batch=8",)))
    torch.testing.assert_close(found, expected, rtol=0, atol=0)


def test_split():
    assert split(slice(4, 8), None) == [slice(4, 8)]
    assert split(slice(4, 9), 2) == [slice(4, 6), slice(6, 8), slice(8, 9)]
    assert split(slice(0, 3), 5) == [slice(0, 3)]
