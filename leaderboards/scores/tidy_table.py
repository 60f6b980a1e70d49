"""The tidy frame of a benchmark, a line a method and metric: it is the CSV, and all tables and figures come from it.

Where there are several seeds, bounds come from as few passes over the resamples as there can be. Means of a pool are
one pass for all rows and metrics. A median or a metric of classification has no such short cut: it gets fewer
resamples, and of classification only the metrics that are tasks get bounds at all.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from benchmarks.statistics.table_intervals import row_intervals
from leaderboards.scores.benchmark_records import BenchmarkRecords
from leaderboards.scores.headlines import task_keys
from leaderboards.scores.method_rows import MethodRow
from leaderboards.scores.paired_differences import Standing
from selip.records.metric_key import MetricKey

TIDY_COLUMNS = (
    "method", "ablation", "seeds", "pool", "metric", "value", "lower", "upper", "n_items", "n_patients", "chance",
    "majority", "synthetic", "cohort", "split_fingerprint", "protocol_version", "case_lower", "case_upper", "seed_sd",
    "status", "reason",
)  # fmt: skip
KEY = "key"
"""Column of the frame, not of the CSV: `pool/metric`."""
TOO_SMALL = "n too small"
Bounds = dict[tuple[str, str], tuple[float, float]]
"""(label, metric key) -> lower and upper bound."""
_UNKNOWN = (math.nan, math.nan)
_FULL, _SHARE = 1000, 10


class Estimate(NamedTuple):
    """A number with its bounds, NaN where there are none."""

    value: float
    lower: float = math.nan
    upper: float = math.nan


def tidy(
    board: BenchmarkRecords, n_resamples: int, keys: Collection[str] | None = None, known: Sequence[Standing] = ()
) -> pd.DataFrame:
    """One line a complete row x metric, and one line without a number for each row with a hole.

    With one seed, value and interval are those of the record. With several, the value is the mean over seeds, `lower`
    and `upper` are over seeds and patients, `case_lower` and `case_upper` from patients alone with the seeds held, and
    `seed_sd` is that of the seeds' values alone. A metric of fewer items than its benchmark asks for has no number.

    `keys` are the metrics to keep, all where None. Metrics of the `known` standings need no second pass over resamples.
    """
    kept = {row.label: [k for k in row.metric_keys if keys is None or k in keys] for row in board.complete}
    both, case = both_bounds(board, kept, n_resamples, known), case_bounds(board, kept, n_resamples)
    lines = [line for row in board.rows for line in _lines(board, row, kept.get(row.label, []), both, case)]
    return pd.DataFrame(lines, columns=[*TIDY_COLUMNS, KEY]).assign(
        synthetic=board.synthetic,
        cohort=board.cohort_name,
        split_fingerprint=board.facts.split_fingerprint,
        protocol_version=board.facts.protocol_version,
    )


def estimate_of(frame: pd.DataFrame, row: MethodRow, key: str) -> Estimate:
    """Value and bounds of a complete row in a metric that it has."""
    here = (frame["method"] == row.method) & (frame["ablation"] == row.ablation) & (frame[KEY] == key)
    return Estimate(*frame.loc[here, list(Estimate._fields)].iloc[0].astype(float))


def to_csv(frame: pd.DataFrame) -> str:
    """The frame as CSV: full precision, empty where there is no number, the same line ends on every system."""
    return frame.drop(columns=KEY, errors="ignore").to_csv(index=False, lineterminator="\n")


def _lines(
    board: BenchmarkRecords, row: MethodRow, keys: Sequence[str], both: Bounds, case: Bounds
) -> list[dict[str, object]]:
    empty = dict.fromkeys(TIDY_COLUMNS, None) | {
        "method": row.method,
        "ablation": row.ablation,
        "seeds": len({record.run_id for record in row.scored}),
    }
    if row.hole:
        return [empty | {"status": "skipped" if row.skipped else "hole", "reason": row.hole}]
    lines = []
    for key in keys:
        name, first = MetricKey.parse(key), row.scored[0].metrics[key]
        about = {KEY: key, "pool": name.pool, "metric": name.metric, "status": "ok", "n_items": first.n_items}
        about |= {"n_patients": first.n_patients}
        about |= {level: board.reference(key, level) for level in ("chance", "majority")}
        if first.n_items < board.declared.fewest_items.get(name.metric, 0):
            about["reason"] = TOO_SMALL
        else:
            about |= _numbers(row, key, both.get((row.label, key), _UNKNOWN), case.get((row.label, key), _UNKNOWN))
        lines.append(empty | about)
    return lines


def _numbers(row: MethodRow, key: str, both: tuple[float, float], case: tuple[float, float]) -> dict[str, float]:
    """Value, bounds and spread; with one seed the record's own bounds."""
    values, spread, (lower, upper) = row.values(key), math.nan, both
    if len(values) > 1:
        spread = float(np.std(values, ddof=1))
    else:
        own = row.scored[0].metrics[key]
        lower, upper = (math.nan if bound is None else bound for bound in (own.lower, own.upper))
    numbers = {"value": float(np.mean(values)), "lower": lower, "upper": upper}
    return numbers | {"case_lower": case[0], "case_upper": case[1], "seed_sd": spread}


@dataclass(frozen=True)
class _Batch:
    """Rows and metrics of one pool and statistic that go through one pass."""

    keys: tuple[str, ...]
    statistic: str
    rows: Sequence[MethodRow]


def resamples_of(n_resamples: int) -> int:
    """Resamples of a statistic that is no mean and that no row is ranked by: a tenth, but 1,000 where there are."""
    return min(n_resamples, max(_FULL, n_resamples // _SHARE))


def both_bounds(
    board: BenchmarkRecords, kept: Mapping[str, Sequence[str]], n_resamples: int, known: Sequence[Standing] = ()
) -> Bounds:
    """Bounds over seeds and patients, of rows with several seeds.

    `kept` are metric keys by label; metrics of the `known` standings need no second pass.
    """
    done = {standing.key for standing in known}
    found: Bounds = {
        (label, standing.key): (interval.lower, interval.upper)
        for standing in known
        for label, interval in standing.intervals.items()
    }
    tasks = {*task_keys(board.records)}
    for batch in _batches(board, kept):
        if batch.statistic not in ("mean", "median"):
            batch = _Batch(tuple(key for key in batch.keys if key in tasks - done), batch.statistic, batch.rows)
        if batch.keys:
            count = n_resamples if batch.statistic == "mean" else resamples_of(n_resamples)
            frames = {row.label: board.frames(row, batch.keys[0]) for row in batch.rows}
            found = _bounds(batch, frames, count) | found
    return found


def case_bounds(board: BenchmarkRecords, kept: Mapping[str, Sequence[str]], n_resamples: int) -> Bounds:
    """Bounds over patients alone with the seeds held, of rows with several seeds and metrics that are means."""
    found: Bounds = {}
    for batch in _batches(board, kept):
        if batch.statistic == "mean":
            names = [MetricKey.parse(key).metric for key in batch.keys]
            frames = {row.label: [_mean_over_seeds(board.frames(row, batch.keys[0]), names)] for row in batch.rows}
            found |= _bounds(batch, frames, n_resamples)
    return found


def _batches(board: BenchmarkRecords, kept: Mapping[str, Sequence[str]]) -> list[_Batch]:
    """Rows with the same metrics of a pool and statistic together; without rows of one seed or without scores."""
    found: dict[tuple[tuple[str, ...], str], list[MethodRow]] = {}
    for row in board.complete:
        keys: dict[tuple[str, str], list[str]] = {}
        for key in kept[row.label] if len(row.scored) > 1 else ():
            if board.frames(row, key):
                keys.setdefault((MetricKey.parse(key).pool, row.scored[0].metrics[key].statistic), []).append(key)
        for (_, statistic), own in keys.items():
            found.setdefault((tuple(own), statistic), []).append(row)
    return [_Batch(keys, statistic, rows) for (keys, statistic), rows in found.items()]


def _bounds(batch: _Batch, frames: Mapping[str, Sequence[pd.DataFrame]], n_resamples: int) -> Bounds:
    names = {MetricKey.parse(key).metric: key for key in batch.keys}
    found = row_intervals(frames, list(names), (), n_resamples=n_resamples, statistic=batch.statistic)
    return {(label, names[name]): (one.lower, one.upper) for (label, name), one in found.intervals.items()}


def _mean_over_seeds(frames: Sequence[pd.DataFrame], names: Sequence[str]) -> pd.DataFrame:
    """One frame whose scores are the items' means over seeds."""
    first = frames[0]
    tables = [frame.set_index("item_id")[list(names)].loc[first["item_id"]].to_numpy(np.float64) for frame in frames]
    means = pd.DataFrame(np.mean(tables, axis=0), columns=list(names), index=first.index)
    return pd.concat([first[["patient_id", "weight"]], means], axis=1)
