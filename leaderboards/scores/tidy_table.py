"""Tables: records to one tidy frame, which is the CSV and what every view and figure is made from."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

import numpy as np
import pandas as pd

from leaderboards.scores.benchmark_records import Board, Row
from leaderboards.scores.comparability import is_reference
from leaderboards.scores.paired_differences import Standing
from leaderboards.scores.seed_intervals import Bounds, both_bounds, case_bounds
from selip.records.record import Metric

COLUMNS = (
    "method", "ablation", "seeds", "pool", "metric", "value", "lower", "upper", "n_items", "n_patients", "chance",
    "majority", "synthetic", "cohort", "split_fingerprint", "protocol_version", "case_lower", "case_upper", "seed_sd",
    "status", "reason",
)  # fmt: skip
FEWEST_HARD = 10
TOO_SMALL = "n too small"
_UNKNOWN = (math.nan, math.nan)


def tidy(
    board: Board, n_resamples: int, keys: Collection[str] | None = None, known: Sequence[Standing] = ()
) -> pd.DataFrame:
    """One line a complete row x metric, and one line without a number for each row with a hole.

    With one seed, value and interval are those of the record. With several, the value is the mean over seeds, `lower`
    and `upper` are from the hierarchical bootstrap (seed, then patient), `case_lower` and `case_upper` from patients
    alone with the seeds held, and `seed_sd` is the spread of the seeds' values alone. Which metrics have no bounds, and
    which come from fewer resamples, `leaderboards.scores.seed_intervals` says. Hard negatives of fewer than
    FEWEST_HARD items have no number.

    Args:
        board: The records.
        n_resamples: Bootstrap resamples.
        keys: Metrics to keep, `pool/metric`; None for all.
        known: Standings on some metrics, so that their bounds need no second pass.
    """
    kept = {row.label: [k for k in metric_keys(row) if keys is None or k in keys] for row in board.complete}
    both, case = both_bounds(board, kept, n_resamples, known), case_bounds(board, kept, n_resamples)
    lines = [line for row in board.rows for line in _tidy_row(board, row, kept.get(row.label, []), both, case)]
    return pd.DataFrame(lines, columns=list(COLUMNS)).assign(
        synthetic=board.synthetic,
        cohort=board.cohort_name,
        split_fingerprint=board.facts.split_fingerprint,
        protocol_version=board.facts.protocol_version,
    )


def _tidy_row(board: Board, row: Row, keys: Sequence[str], both: Bounds, case: Bounds) -> list[dict[str, object]]:
    empty = dict.fromkeys(COLUMNS, None) | {"method": row.method, "ablation": row.ablation, "seeds": len(row.scored)}
    if row.hole:
        return [empty | {"status": "skipped" if row.skipped else "hole", "reason": row.hole}]
    lines = []
    for key in keys:
        pool, metric = key.split("/", 1)
        first = row.scored[0].metrics[key]
        about = {"pool": pool, "metric": metric, "status": "ok", "n_items": first.n_items}
        about |= {"n_patients": first.n_patients}
        about |= {level: board.reference(key, level) for level in ("chance", "majority")}
        if metric.startswith("hard_negative") and first.n_items < FEWEST_HARD:
            about["reason"] = TOO_SMALL
        else:
            about |= _numbers(row, key, both.get((row.label, key), _UNKNOWN), case.get((row.label, key), _UNKNOWN))
        lines.append(empty | about)
    return lines


def _numbers(row: Row, key: str, both: tuple[float, float], case: tuple[float, float]) -> dict[str, float]:
    """Value, bounds and spread; with one seed the record's own bounds."""
    values = [record.metrics[key].value for record in row.scored]
    lower, upper = both if len(values) > 1 else _own(row.scored[0].metrics[key])
    spread = float(np.std(values, ddof=1)) if len(values) > 1 else math.nan
    numbers = {"value": float(np.mean(values)), "lower": lower, "upper": upper}
    return numbers | {"case_lower": case[0], "case_upper": case[1], "seed_sd": spread}


def _own(metric: Metric) -> tuple[float, float]:
    return (math.nan if metric.lower is None else metric.lower, math.nan if metric.upper is None else metric.upper)


def metric_keys(row: Row) -> list[str]:
    """Metrics that every scored record of the row has, without the references beside them."""
    keys = set.intersection(*(set(record.metrics) for record in row.scored))
    return sorted(key for key in keys if not is_reference(key))


def entry_of(frame: pd.DataFrame, row: Row, key: str) -> pd.Series:
    """The line of a complete row and a metric that it has."""
    pool, metric = key.split("/", 1)
    here = (frame["method"] == row.method) & (frame["ablation"] == row.ablation)
    return frame[here & (frame["pool"] == pool) & (frame["metric"] == metric)].iloc[0]


def to_csv(frame: pd.DataFrame) -> str:
    """The frame as CSV: full precision, empty where there is no number, the same line ends on every system."""
    return frame.to_csv(index=False, lineterminator="\n")
