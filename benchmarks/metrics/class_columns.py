"""Columns of the per-item table that a metric of classification is computed from, found by the metric's name.

A metric is named `[MODEL_]STATISTIC[:CLASS][/REFERENCE]`: "macro_auroc", "auroc:infarct", "linear_10pct_mcc",
"linear_macro_auroc/metadata". MODEL tells several models of one pool apart; REFERENCE names the model that is read
beside it, and takes MODEL's place. The table of a pool holds:

- `truth`: number of the item's class, NaN where unknown; shared by all models;
- `[MODEL_]predicted`: number of the class that the model answers;
- `truth:CLASS`: 1 where the item is of the class, 0 where not, NaN where unknown; one column a class, one column alone
  for a binary task; a class that is unknown for every item of the pool is none of its classes;
- `[MODEL_]score:CLASS`: how much the model holds the item to be of the class; a probability where calibration is asked.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from selip.records.metric_key import MetricKey
from selip.system.arrays import FloatArray
from selip.system.errors import InputError

_TRUTH, _PREDICTED, _SCORE = "truth", "predicted", "score"


class Stem(NamedTuple):
    """Parts of a metric's name: prefix of its columns, "" or ending in "_"; its class, "" for all."""

    prefix: str
    one_class: str


def stem_of(metric: str, statistic: str) -> Stem:
    """Parts of the name of a metric.

    Raises:
        InputError: When the name does not end in the statistic.
    """
    key = MetricKey.named(metric, statistics=(statistic,))
    if key.statistic != statistic:
        raise InputError(
            f"got metric {metric!r} with statistic {statistic}, not [MODEL_]{statistic}[:CLASS][/REFERENCE]; "
            "rename one of the two"
        )
    model = key.reference or key.model
    return Stem(f"{model}_" if model else "", key.one_class)


def classes_of(frame: pd.DataFrame) -> list[str]:
    """Classes of a pool, in the order of the columns.

    Raises:
        InputError: When a class has a name that would break the key of a metric.
    """
    named = [column for column in map(str, frame.columns) if column.startswith(f"{_TRUTH}:")]
    found = [column.partition(":")[2] for column in named if frame[column].notna().any()]
    broken = [name for name in found if "/" in name or not name]
    if broken:
        raise InputError(f"got class {broken[0]!r}; write it with a space or a hyphen")
    return found


def answers_of(frame: pd.DataFrame, metric: str, statistic: str) -> tuple[FloatArray, FloatArray]:
    """Class numbers: truth (n,) with NaN where unknown, and prediction (n,), known wherever the truth is.

    Raises:
        InputError: When a column is not there, a prediction is missing, or the metric asks for one class.
    """
    prefix, one_class = stem_of(metric, statistic)
    if one_class:
        raise InputError(f"got metric {metric!r}; leave out :{one_class}")
    truth, predicted = _columns(frame, [_TRUTH])[:, 0], _columns(frame, [f"{prefix}{_PREDICTED}"])[:, 0]
    _check_finite(predicted[np.isfinite(truth)], f"{prefix}{_PREDICTED}")
    return truth, predicted


def scores_of(frame: pd.DataFrame, metric: str, statistic: str) -> tuple[FloatArray, FloatArray]:
    """Truths (n, K) in {0, 1, NaN} and scores (n, K), finite wherever the truth is known, of the metric's classes.

    Raises:
        InputError: When a column or the class is not there, a truth is no truth, or a score is missing.
    """
    prefix, one_class = stem_of(metric, statistic)
    classes = [one_class] if one_class else classes_of(frame)
    if not classes:
        raise InputError(f"got no class with a known truth for {metric!r}; write columns truth:CLASS")
    truths = _columns(frame, [f"{_TRUTH}:{name}" for name in classes])
    scores = _columns(frame, [f"{prefix}{_SCORE}:{name}" for name in classes])
    known = np.isfinite(truths)
    if not np.isin(truths[known], (0.0, 1.0)).all():
        raise InputError(f"got truths beside 0 and 1 for {metric!r}; allowed: 0, 1 and NaN; write one column a class")
    _check_finite(scores[known], f"{prefix}{_SCORE}:{'|'.join(classes)}")
    return truths, scores


def _columns(frame: pd.DataFrame, names: list[str]) -> FloatArray:
    missing = [name for name in names if name not in frame]
    if missing:
        raise InputError(f"got no column {', '.join(missing)} in a frame; score it there")
    return np.column_stack([frame[name].to_numpy(np.float64) for name in names])  # a list as index takes far longer


def _check_finite(values: FloatArray, column: str) -> None:
    lost = values.size - int(np.isfinite(values).sum())
    if lost:
        raise InputError(f"got {lost} values in {column} that are not finite; score every item")
