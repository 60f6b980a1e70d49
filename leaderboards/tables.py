"""Tables: records to one tidy frame, which is the CSV and what every view and figure is made from."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

import numpy as np
import pandas as pd

from benchmarks.intervals import bootstrap_columns
from benchmarks.row_intervals import hierarchical_columns
from leaderboards.board import Board, Row, is_reference

COLUMNS = (
    "method", "ablation", "seeds", "pool", "metric", "value", "lower", "upper", "n_items", "n_patients", "chance",
    "majority", "synthetic", "cohort", "split_fingerprint", "protocol_version", "case_lower", "case_upper", "seed_sd",
    "status", "reason",
)  # fmt: skip


def tidy(board: Board, n_resamples: int, keys: Collection[str] | None = None) -> pd.DataFrame:
    """One line a complete row x metric, and one line without a number for each row with a hole.

    With one seed, value and interval are those of the record. With several, the value is the mean over seeds, `lower`
    and `upper` are from the hierarchical bootstrap (seed, then patient), `case_lower` and `case_upper` from patients
    alone with the seeds held, and `seed_sd` is the spread of the seeds' values alone.

    Args:
        board: The records.
        n_resamples: Bootstrap resamples.
        keys: Metrics to keep, `pool/metric`; None for all.
    """
    kept = {row.label: [k for k in metric_keys(row) if keys is None or k in keys] for row in board.complete}
    bounds = _intervals(board, kept, n_resamples)
    lines = [line for row in board.rows for line in _tidy_row(board, row, n_resamples, kept, bounds)]
    return pd.DataFrame(lines, columns=list(COLUMNS)).assign(
        synthetic=board.synthetic,
        cohort=board.cohort_name,
        split_fingerprint=board.facts.split_fingerprint,
        protocol_version=board.facts.protocol_version,
    )


def _tidy_row(
    board: Board,
    row: Row,
    n_resamples: int,
    kept: dict[str, list[str]],
    bounds: dict[tuple[str, str], tuple[float, float]],
) -> list[dict[str, object]]:
    name = {"method": row.method, "ablation": row.ablation, "seeds": len(row.scored)}
    empty = dict.fromkeys(COLUMNS, None) | name
    if row.hole:
        return [empty | {"status": "skipped" if row.skipped else "hole", "reason": row.hole}]
    lines = []
    case = _case_intervals(board, row, kept[row.label], n_resamples)
    for key in kept[row.label]:
        pool, metric = key.split("/", 1)
        first, values = row.scored[0].metrics[key], [record.metrics[key].value for record in row.scored]
        lower, upper = _interval(row, key, bounds)
        case_lower, case_upper = case.get(key, (math.nan, math.nan))
        numbers = {
            "value": float(np.mean(values)),
            "lower": lower,
            "upper": upper,
            "n_items": first.n_items,
            "n_patients": first.n_patients,
            "chance": board.reference(key, "chance"),
            "majority": board.reference(key, "majority"),
            "case_lower": case_lower,
            "case_upper": case_upper,
            "seed_sd": float(np.std(values, ddof=1)) if len(values) > 1 else math.nan,
        }
        lines.append(empty | {"pool": pool, "metric": metric, "status": "ok"} | numbers)
    return lines


def metric_keys(row: Row) -> list[str]:
    """Metrics that every scored record of the row has, without the references beside them."""
    keys = set.intersection(*(set(record.metrics) for record in row.scored))
    return sorted(key for key in keys if not is_reference(key))


def _intervals(
    board: Board, kept: dict[str, list[str]], n_resamples: int
) -> dict[tuple[str, str], tuple[float, float]]:
    """(label, key) -> bounds over seeds and patients, rows with the same metrics in one pass; `kept` by label."""
    tables: dict[tuple[str, str, tuple[str, ...]], list[Row]] = {}
    for row in board.complete:
        for pool, statistic in {(_pool(key), row.scored[0].metrics[key].statistic) for key in kept[row.label]}:
            keys = (k for k in kept[row.label] if _pool(k) == pool and row.scored[0].metrics[k].statistic == statistic)
            found = tuple(key for key in keys if board.frames(row, key))
            if found and len(row.scored) > 1:
                tables.setdefault((pool, statistic, found), []).append(row)
    bounds = {}
    for (_, statistic, keys), rows in tables.items():
        frames = {row.label: board.frames(row, keys[0]) for row in rows}
        names = {key.split("/", 1)[1]: key for key in keys}
        found = hierarchical_columns(frames, list(names), (), n_resamples=n_resamples, statistic=statistic)
        for (label, name), interval in found.intervals.items():
            bounds[label, names[name]] = (interval.lower, interval.upper)
    return bounds


def _pool(key: str) -> str:
    return key.split("/", 1)[0]


def _interval(row: Row, key: str, bounds: dict[tuple[str, str], tuple[float, float]]) -> tuple[float, float]:
    """Bounds over patients and seeds; the record's own where there is one seed."""
    metric = row.scored[0].metrics[key]
    if len(row.scored) == 1:
        return (math.nan if metric.lower is None else metric.lower, math.nan if metric.upper is None else metric.upper)
    return bounds.get((row.label, key), (math.nan, math.nan))


def _case_intervals(board: Board, row: Row, kept: Sequence[str], n_resamples: int) -> dict[str, tuple[float, float]]:
    """Bounds over patients alone, by metric, for metrics that are means; empty for one seed or no scores."""
    if len(row.scored) < 2:
        return {}
    pools: dict[str, list[str]] = {}
    for key in kept:
        if row.scored[0].metrics[key].statistic == "mean" and board.frames(row, key):
            pools.setdefault(key.split("/", 1)[0], []).append(key)
    found: dict[str, tuple[float, float]] = {}
    for keys in pools.values():
        items = pd.concat(board.frames(row, keys[0]))
        values = items[[key.split("/", 1)[1] for key in keys]]
        bounds = bootstrap_columns(values, items["weight"], items["patient_id"], n_resamples=n_resamples)
        found |= {key: (bound.lower, bound.upper) for key, bound in zip(keys, bounds, strict=True)}
    return found


def to_csv(frame: pd.DataFrame) -> str:
    """The frame as CSV: full precision, empty where there is no number, the same line ends on every system."""
    return frame.to_csv(index=False, lineterminator="\n")
