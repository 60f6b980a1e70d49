"""Bounds of every row and metric where there are several seeds, with as few passes over the resamples as there can be.

Means of a pool are one pass for all rows and metrics. A median or a metric of classification has no such short cut: it
gets fewer resamples, and of classification only the metrics that are tasks get bounds at all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from benchmarks.statistics.table_intervals import hierarchical_columns
from leaderboards.scores.benchmark_records import Board, Row
from leaderboards.scores.families import task_keys
from leaderboards.scores.paired_differences import Standing

Bounds = dict[tuple[str, str], tuple[float, float]]
"""(label, metric key) -> lower and upper bound."""
_FULL, _SHARE = 1000, 10


@dataclass(frozen=True)
class _Batch:
    """Rows and metrics of one pool and statistic that go through one pass."""

    keys: tuple[str, ...]
    statistic: str
    rows: Sequence[Row]


def resamples_of(n_resamples: int) -> int:
    """Resamples of a statistic that is no mean and that no row is ranked by: a tenth, but 1,000 where there are."""
    return min(n_resamples, max(_FULL, n_resamples // _SHARE))


def both_bounds(
    board: Board, kept: Mapping[str, Sequence[str]], n_resamples: int, known: Sequence[Standing] = ()
) -> Bounds:
    """Bounds over seeds and patients, of rows with several seeds.

    Args:
        board: The records.
        kept: Label to metric keys.
        n_resamples: Bootstrap resamples of means.
        known: What needs no second pass.
    """
    done = {standing.key for standing in known}
    found: Bounds = {
        (label, standing.key): (interval.lower, interval.upper)
        for standing in known
        for label, interval in standing.intervals.items()
    }
    tasks = {*task_keys(board)}
    for batch in _batches(board, kept):
        if batch.statistic not in ("mean", "median"):
            batch = _Batch(tuple(key for key in batch.keys if key in tasks - done), batch.statistic, batch.rows)
        if batch.keys:
            count = n_resamples if batch.statistic == "mean" else resamples_of(n_resamples)
            frames = {row.label: board.frames(row, batch.keys[0]) for row in batch.rows}
            found = _bounds(batch, frames, count) | found
    return found


def case_bounds(board: Board, kept: Mapping[str, Sequence[str]], n_resamples: int) -> Bounds:
    """Bounds over patients alone with the seeds held, of rows with several seeds and metrics that are means."""
    found: Bounds = {}
    for batch in _batches(board, kept):
        if batch.statistic == "mean":
            names = [_metric(key) for key in batch.keys]
            frames = {row.label: [_mean_over_seeds(board.frames(row, batch.keys[0]), names)] for row in batch.rows}
            found |= _bounds(batch, frames, n_resamples)
    return found


def _batches(board: Board, kept: Mapping[str, Sequence[str]]) -> list[_Batch]:
    """Rows with the same metrics of a pool and statistic together; without rows of one seed or without scores."""
    found: dict[tuple[tuple[str, ...], str], list[Row]] = {}
    for row in board.complete:
        keys: dict[tuple[str, str], list[str]] = {}
        for key in kept[row.label] if len(row.scored) > 1 else ():
            if board.frames(row, key):
                keys.setdefault((key.split("/", 1)[0], row.scored[0].metrics[key].statistic), []).append(key)
        for (_, statistic), own in keys.items():
            found.setdefault((tuple(own), statistic), []).append(row)
    return [_Batch(keys, statistic, rows) for (keys, statistic), rows in found.items()]


def _bounds(batch: _Batch, frames: Mapping[str, Sequence[pd.DataFrame]], n_resamples: int) -> Bounds:
    names = {_metric(key): key for key in batch.keys}
    found = hierarchical_columns(frames, list(names), (), n_resamples=n_resamples, statistic=batch.statistic)
    return {(label, names[name]): (one.lower, one.upper) for (label, name), one in found.intervals.items()}


def _mean_over_seeds(frames: Sequence[pd.DataFrame], names: Sequence[str]) -> pd.DataFrame:
    """One frame whose scores are the items' means over seeds."""
    first = frames[0]
    tables = [frame.set_index("item_id")[list(names)].loc[first["item_id"]].to_numpy(np.float64) for frame in frames]
    means = pd.DataFrame(np.mean(tables, axis=0), columns=list(names), index=first.index)
    return pd.concat([first[["patient_id", "weight"]], means], axis=1)


def _metric(key: str) -> str:
    return key.split("/", 1)[1]
