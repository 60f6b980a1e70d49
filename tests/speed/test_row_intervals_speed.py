"""Intervals of 20 methods and their 190 differences, 3 seeds and 4 metrics, against the one-at-a-time functions."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from bootstrap_oracles import paired_difference

from benchmarks.statistics.intervals import interval_over_seeds
from benchmarks.statistics.table_intervals import row_intervals

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


def one_at_a_time(frames, rows, pairs):
    """Interval of each row, and of each pair's difference."""
    return (
        [interval_over_seeds(frames[name], "R@10") for name in rows],
        [paired_difference(frames[a], frames[b], "R@10") for a, b in pairs],
    )


def test_all_rows_and_pairs_take_less_than_5_seconds(benchmark, against):
    frames = board()
    rows, pairs = list(frames)[:2], list(itertools.combinations(frames, 2))[::10]
    found, (some_rows, some_pairs), ratio = against(
        "one_at_a_time",
        lambda: row_intervals(frames, METRICS),
        lambda: one_at_a_time(frames, rows, pairs),
        N_METHODS / len(rows) * len(METRICS),
    )
    assert len(found.differences) / len(pairs) == len(found.intervals) / len(rows), "the scale of both"
    for name, row in zip(rows, some_rows, strict=True):
        np.testing.assert_allclose(found.intervals[name, "R@10"], row, rtol=1e-9)
    for (a, b), pair in zip(pairs, some_pairs, strict=True):
        np.testing.assert_allclose(found.differences[a, b, "R@10"], pair, rtol=1e-9, atol=1e-12)
    assert len(found.differences) == 190 * len(METRICS)
    assert benchmark.stats.stats.min < 5
    assert ratio > 20
