"""Ratios that a busy machine leaves alone: CPU seconds of one thread, both sides in turns, each at its best."""

from __future__ import annotations

import itertools
import time

import pytest
import torch
from threadpoolctl import threadpool_limits

REFERENCES = 3


@pytest.fixture(autouse=True)
def cpu_seconds_of_one_thread(request):
    """Of a test without a GPU: its clock, and the threads of torch and of the BLAS."""
    if request.node.get_closest_marker("gpu"):
        yield
        return
    request.node.add_marker(pytest.mark.benchmark(timer=time.process_time))
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with threadpool_limits(1):
        yield
    torch.set_num_threads(before)


@pytest.fixture
def against(benchmark):
    """against(name, ours, reference, scale, rounds): what both sides give, and how many times faster ours is.

    The reference does the part 1 / `scale` of the work. Ours runs `rounds` times after one that does not count, and
    the reference takes at most REFERENCES turns in between.
    """

    def measure(name, ours, reference, scale=1.0, rounds=3):
        seconds, given, turns = [], [], itertools.count()

        def turn():
            if next(turns) % max(1, rounds // REFERENCES):
                return
            began = time.process_time()
            given[:] = [reference()]
            seconds.append(time.process_time() - began)

        ours()
        found = benchmark.pedantic(ours, rounds=rounds, setup=turn)
        ratio = scale * min(seconds) / benchmark.stats.stats.min
        benchmark.extra_info[f"times_faster_than_{name}"] = ratio
        return found, given[0], ratio

    return measure
