"""From per-item scores to metrics with intervals."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmarks.benchmark import ScoreOptions
from benchmarks.intervals import Interval, bootstrap_columns
from selip.records import Metric

FloatArray = npt.NDArray[np.float64]


def summarise(
    items: pd.DataFrame, columns: Mapping[str, FloatArray], options: ScoreOptions, medians: Collection[str] = ()
) -> dict[str, Metric]:
    """Weighted mean or median of each column, with its interval over patients.

    Args:
        items: (n,) rows with patient_id and weight.
        columns: Name to (n,) scores, NaN where not defined. A name with a slash is a reference ("R@10/chance") and gets
            no interval.
        options: How the intervals are made.
        medians: Names, without their reference part, whose statistic is the median; for these lower is better.

    Returns:
        A metric for each column that is defined somewhere, in the order of the columns.
    """
    metrics: dict[str, Metric] = {}
    defined = [name for name, values in columns.items() if np.isfinite(values).any()]
    for statistic in ("mean", "median"):
        names = [name for name in defined if (name.split("/")[0] in medians) == (statistic == "median")]
        if not names:
            continue
        table = np.column_stack([columns[name] for name in names])
        intervals = bootstrap_columns(
            table, items["weight"], items["patient_id"], statistic=statistic, **options.resampling
        )
        for name, interval in zip(names, intervals, strict=True):
            metrics[name] = _metric(items, columns[name], interval, statistic, has_interval="/" not in name)
    return {name: metrics[name] for name in defined}


def _metric(items: pd.DataFrame, values: FloatArray, interval: Interval, statistic: str, has_interval: bool) -> Metric:
    known = np.isfinite(values)
    bounded = has_interval and np.isfinite(interval.lower)
    return Metric(
        value=interval.value,
        lower=interval.lower if bounded else None,
        upper=interval.upper if bounded else None,
        n_patients=int(items["patient_id"][known].nunique()),
        n_items=int(known.sum()),
        higher_is_better=statistic == "mean",
        statistic="mean" if statistic == "mean" else "median",
    )
