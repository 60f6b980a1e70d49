"""From per-item scores to metrics with intervals."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import cast

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmarks.benchmark import ScoreOptions
from benchmarks.statistics.intervals import Interval, bootstrap_columns
from benchmarks.statistics.pool_statistics import LOWER_IS_BETTER
from selip.records.metric_key import MetricKey
from selip.records.record import Metric, Statistic

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
        names = [name for name in defined if (MetricKey.named(name).metric in medians) == (statistic == "median")]
        if not names:
            continue
        table = np.column_stack([columns[name] for name in names])
        intervals = bootstrap_columns(
            table, items["weight"], items["patient_id"], statistic=statistic, **options.resampling
        )
        for name, interval in zip(names, intervals, strict=True):
            patients = items["patient_id"][np.isfinite(columns[name])]
            metrics[name] = metric_of(interval, patients, statistic, has_interval=not MetricKey.named(name).reference)
    return {name: metrics[name] for name in defined}


def metric_of(interval: Interval, patients: pd.Series, statistic: str, has_interval: bool) -> Metric:
    """A metric as records keep it.

    Args:
        interval: Value and bounds.
        patients: Patient of each item that the metric counts.
        statistic: One of `benchmarks.statistics.pool_statistics.STATISTICS`, which decides the direction.
        has_interval: Whether to keep the bounds; those that are not known are left out anyway.
    """
    bounded = has_interval and np.isfinite(interval.lower)
    return Metric(
        value=interval.value,
        lower=interval.lower if bounded else None,
        upper=interval.upper if bounded else None,
        n_patients=int(patients.nunique()),
        n_items=len(patients),
        higher_is_better=statistic not in LOWER_IS_BETTER,
        statistic=cast(Statistic, statistic),
    )
