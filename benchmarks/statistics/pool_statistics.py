"""Statistics by name: from the per-item table of one pool to a function of how often each patient is drawn.

A mean of per-item scores and an AUROC, which is none, are alike in this: a resample of the patients decides them. So
both get their value, interval and paired differences from the same bootstrap, and from the records alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd

from benchmarks.metrics import class_metrics, curve_metrics
from benchmarks.metrics.class_columns import answers_of, scores_of
from benchmarks.metrics.rank_correlation import spearman_resampler
from benchmarks.metrics.resampling import Resampler, Table, resampler_of
from selip.system.arrays import BoolArray, IntArray
from selip.system.errors import InputError

Maker = Callable[[pd.DataFrame, str], Resampler]
"""Per-item table of a pool (patient_id, weight and the metric's columns) and name of a metric to its statistic."""
PER_ITEM = ("mean", "median")
LOWER_IS_BETTER = frozenset({"median", "ece", "mae"})


def limits_of(frames: Sequence[pd.DataFrame], metric: str, statistic: str) -> tuple[float, float]:
    """Lowest and highest value that a metric can have: an interval by Student's t may not reach beyond them.

    Args:
        frames: Per-item scores.
        metric: The metric; one whose name ends in "_mm" has no highest value.
        statistic: One of STATISTICS. A mean or median of items has the limits of shares where all items are shares.
    """
    if statistic not in PER_ITEM:
        return (-1.0 if statistic in {"mcc", "spearman"} else 0.0), np.inf if statistic == "mae" else 1.0
    values = np.concatenate([frame[metric].to_numpy(np.float64) for frame in frames])
    low = 0.0 if not (values < 0).any() else -np.inf
    return low, 1.0 if low == 0 and not (values > 1).any() and not metric.endswith("_mm") else np.inf


def resampler_for(frame: pd.DataFrame, metric: str, statistic: str) -> Resampler:
    """The statistic (R, 1) of one metric; the counts that it takes are of the patients in sorted order.

    Args:
        frame: Per-item scores of one pool: columns patient_id, weight, and `metric` for a mean or median or those of
            `benchmarks.metrics.class_columns` for a metric of classification.
        metric: Name of the metric.
        statistic: One of STATISTICS.

    Raises:
        InputError: When there is no such statistic, or the table cannot give it.
    """
    if statistic not in STATISTICS:
        raise InputError(f"got statistic {statistic!r}; allowed: {', '.join(STATISTICS)}; choose one of them")
    return STATISTICS[statistic](frame, metric)


def known_items(frame: pd.DataFrame, metric: str, statistic: str) -> BoolArray:
    """(n,) whether an item has what the metric counts: a score for a mean or median, else the truth of some class."""
    if statistic in PER_ITEM:
        return np.isfinite(table_of(frame, [metric]).values[:, 0])
    if statistic in (*_HARD, "spearman", "mae"):
        return np.isfinite(answers_of(frame, metric, statistic)[0])
    return np.any(np.isfinite(scores_of(frame, metric, statistic)[0]), axis=1)


def table_of(frame: pd.DataFrame, metrics: Sequence[str]) -> Table:
    """Per-item scores of some metrics, with the place of each item's patient among the sorted patients.

    Raises:
        InputError: When the frame has no column of that name.
    """
    missing = [metric for metric in metrics if metric not in frame]
    if missing:
        raise InputError(f"got no column {', '.join(missing)} in a frame; score it there")
    return Table(frame[list(metrics)].to_numpy(np.float64), frame["weight"].to_numpy(np.float64), _codes(frame))


def _codes(frame: pd.DataFrame) -> IntArray:
    return pd.factorize(frame["patient_id"].to_numpy(object), sort=True)[0]


def _per_item(statistic: str) -> Maker:
    return lambda frame, metric: resampler_of(*table_of(frame, [metric]), statistic)


def _hard(statistic: str, formula: class_metrics.Formula) -> Maker:
    def make(frame: pd.DataFrame, metric: str) -> Resampler:
        weights = frame["weight"].to_numpy(np.float64)
        return class_metrics.hard_resampler(*answers_of(frame, metric, statistic), weights, _codes(frame), formula)

    return make


def _ranked(statistic: str, by_class: curve_metrics.ByClass, is_macro: bool) -> Maker:
    def make(frame: pd.DataFrame, metric: str) -> Resampler:
        truths, scores = scores_of(frame, metric, statistic)
        if not is_macro and truths.shape[1] > 1:
            raise InputError(
                f"got {metric!r} in a pool of {truths.shape[1]} classes; "
                f"name it as {statistic}:CLASS or take macro_{statistic}"
            )
        weights = frame["weight"].to_numpy(np.float64)
        return curve_metrics.rank_resampler(truths, scores, weights, _codes(frame), by_class)

    return make


def _ece(frame: pd.DataFrame, metric: str) -> Resampler:
    weights = frame["weight"].to_numpy(np.float64)
    return class_metrics.ece_resampler(*scores_of(frame, metric, "ece"), weights, _codes(frame))


def _spearman(frame: pd.DataFrame, metric: str) -> Resampler:
    weights = frame["weight"].to_numpy(np.float64)
    return spearman_resampler(*answers_of(frame, metric, "spearman"), weights, _codes(frame))


def _mae(frame: pd.DataFrame, metric: str) -> Resampler:
    truth, predicted = answers_of(frame, metric, "mae")
    weights = frame["weight"].to_numpy(np.float64)
    return resampler_of(np.abs(predicted - truth)[:, None], weights, _codes(frame), "mean")


_HARD: Mapping[str, class_metrics.Formula] = {
    "accuracy": class_metrics.accuracy,
    "balanced_accuracy": class_metrics.balanced_accuracy,
    "macro_f1": class_metrics.macro_f1,
    "mcc": class_metrics.mcc,
}
STATISTICS: Mapping[str, Maker] = {
    **{name: _per_item(name) for name in PER_ITEM},
    "auroc": _ranked("auroc", curve_metrics.auroc, is_macro=False),
    "auprc": _ranked("auprc", curve_metrics.auprc, is_macro=False),
    "macro_auroc": _ranked("macro_auroc", curve_metrics.auroc, is_macro=True),
    "macro_auprc": _ranked("macro_auprc", curve_metrics.auprc, is_macro=True),
    **{name: _hard(name, formula) for name, formula in _HARD.items()},
    "ece": _ece,
    "spearman": _spearman,
    "mae": _mae,
}
