"""Intervals of 20 methods and their 190 differences, 3 seeds and 4 metrics, against the one-at-a-time functions."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
import pytest
from bootstrap_oracles import paired_difference

from benchmarks.statistics.intervals import hierarchical_bootstrap
from benchmarks.statistics.table_intervals import hierarchical_columns

pytestmark = pytest.mark.speed

N_ITEMS, N_PATIENTS, N_METHODS, N_SEEDS, METRICS = 2000, 800, 20, 3, ("R@1", "R@5", "R@10", "MRR")


def board():
    rng = np.random.default_rng(0)
    patients = np.r_[np.arange(N_PATIENTS), rng.integers(0, N_PATIENTS, N_ITEMS - N_PATIENTS)]
    names = np.array([f"p{n:04d}" for n in patients])
    shared = rng.normal(size=(N_ITEMS, len(METRICS)))
    return {
        f"method_{n}": [
            pd.DataFrame(shared + rng.normal(size=shared.shape), columns=METRICS).assign(patient_id=names, weight=1.0)
            for _ in range(N_SEEDS)
        ]
        for n in range(N_METHODS)
    }


def test_all_rows_and_pairs_take_less_than_5_seconds(benchmark):
    frames = board()
    found = benchmark.pedantic(hierarchical_columns, (frames, METRICS), rounds=3, warmup_rounds=1)
    some = [("method_0", "method_1"), ("method_7", "method_19")]
    start = time.perf_counter()
    rows = [hierarchical_bootstrap(frames[a], "R@10") for a, _ in some]
    between = time.perf_counter()
    pairs = [paired_difference(frames[a], frames[b], "R@10") for a, b in some]
    end = time.perf_counter()
    seconds = (between - start) / 2 * len(found.intervals) + (end - between) / 2 * len(found.differences)
    for (a, b), row, pair in zip(some, rows, pairs, strict=True):
        np.testing.assert_allclose(found.intervals[a, "R@10"], row, rtol=1e-9)
        np.testing.assert_allclose(found.differences[a, b, "R@10"], pair, rtol=1e-9, atol=1e-12)
    benchmark.extra_info["times_faster_than_one_at_a_time"] = seconds / benchmark.stats.stats.min
    benchmark.extra_info["seconds_one_at_a_time"] = seconds
    assert len(found.differences) == 190 * len(METRICS)
    assert benchmark.stats.stats.min < 5
    assert seconds > 20 * benchmark.stats.stats.min
