"""Intervals of many rows of a table and of their differences, from the same draws of patients.

One row at a time, `benchmarks.statistics.intervals` draws and multiplies anew for every method, metric and pair. Here
all methods, metrics and differences are columns of one table for each seed, so the draws are made once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from benchmarks.metrics.resampling import Resampler, joined, replicates_of, side_by_side
from benchmarks.statistics.intervals import Difference, Interval, differences_of, shared_patients
from benchmarks.statistics.pool_statistics import PER_ITEM, limits_of, resampler_for, table_of
from selip.system.arrays import FloatArray
from selip.system.errors import InputError

_ROUNDING = 1e-12


@dataclass(frozen=True)
class RowIntervals:
    """Intervals of rows and of pairs of rows.

    Attributes:
        intervals: By (row, metric).
        differences: By (a, b, metric): row a minus row b.
    """

    intervals: Mapping[tuple[str, str], Interval]
    differences: Mapping[tuple[str, str, str], Difference]


def row_intervals(
    frames_by_row: Mapping[str, Sequence[pd.DataFrame]],
    metrics: Sequence[str],
    pairs: Sequence[tuple[str, str]] | None = None,
    n_resamples: int = 10_000,
    seed: int = 0,
    statistic: str = "mean",
    confidence: float = 0.95,
) -> RowIntervals:
    """`interval_over_seeds` of every row, and of the difference of every pair on the same draws, in one pass.

    Each result is that of one row or pair at a time with the same seed, to rounding. Two resampled values that differ
    by less than 1e-12 of their size are equal here, since the columns of one matrix product need not round alike.

    Args:
        frames_by_row: Per-item scores of one pool, one frame a seed, for each row, with the columns that
            `interval_over_seeds` asks for. The k-th frames of all rows are of one seed; their items may differ,
            their patients not.
        metrics: Metrics to summarise, all by the same statistic.
        pairs: Rows (a, b) to subtract, a - b; None for every pair, in the order of the rows.
        n_resamples: Number of resamples.
        seed: Seed of the resamples.
        statistic: One of `benchmarks.statistics.pool_statistics.STATISTICS`, within a seed.
        confidence: Coverage in (0, 1).

    Raises:
        InputError: When the rows differ in seeds or patients, or a metric or the row of a pair is not there.
    """
    pairs = list(combinations(frames_by_row, 2)) if pairs is None else list(pairs)
    _check(frames_by_row, pairs)
    patients = shared_patients([frame for frames in frames_by_row.values() for frame in frames])
    places = {row: place * len(metrics) for place, row in enumerate(frames_by_row)}
    subtracted = [(places[a] + column, places[b] + column) for a, b in pairs for column in range(len(metrics))]
    resamplers = [_with_gaps(one, subtracted) for one in _resampler_by_seed(frames_by_row, metrics, statistic)]
    found = differences_of(replicates_of(resamplers, len(patients), n_resamples, seed), len(patients), confidence)
    names = [(row, metric) for row in frames_by_row for metric in metrics]
    gaps = [(a, b, metric) for a, b in pairs for metric in metrics]
    limits = [limits_of(frames_by_row[row], metric, statistic) for row, metric in names]
    intervals = (Interval(*one[:3]).within(*ends) for one, ends in zip(found, limits, strict=False))
    return RowIntervals(dict(zip(names, intervals, strict=True)), dict(zip(gaps, found[len(names) :], strict=True)))


def _resampler_by_seed(
    frames_by_row: Mapping[str, Sequence[pd.DataFrame]], metrics: Sequence[str], statistic: str
) -> list[Resampler]:
    """One resampler a seed, whose columns are row by row the metrics."""
    by_seed = zip(*frames_by_row.values(), strict=True)
    if statistic in PER_ITEM:
        return [side_by_side([table_of(frame, metrics) for frame in frames], statistic) for frames in by_seed]
    return [
        joined([resampler_for(frame, name, statistic) for frame in frames for name in metrics]) for frames in by_seed
    ]


def _with_gaps(resampler: Resampler, subtracted: Sequence[tuple[int, int]]) -> Resampler:
    """The columns of a statistic, then the differences of some of them; what is equal to rounding differs by 0."""
    first, second = np.array(subtracted, dtype=np.intp).reshape(-1, 2).T

    def statistic(counts: FloatArray) -> FloatArray:
        columns = resampler(counts)
        gaps = columns[:, first] - columns[:, second]
        gaps[np.abs(gaps) <= _ROUNDING * np.abs(columns[:, first])] = 0.0
        return np.concatenate([columns, gaps], axis=1)

    return statistic


def _check(frames_by_row: Mapping[str, Sequence[pd.DataFrame]], pairs: Sequence[tuple[str, str]]) -> None:
    seeds = {row: len(frames) for row, frames in frames_by_row.items()}
    if len(set(seeds.values())) != 1 or 0 in seeds.values():
        raise InputError(f"got seeds by row {seeds}; run the missing ones")
    unknown = {row for pair in pairs for row in pair} - set(frames_by_row)
    if unknown:
        allowed = ", ".join(frames_by_row)
        raise InputError(f"got pairs with {', '.join(sorted(unknown))}; allowed: {allowed}; name two of these rows")
