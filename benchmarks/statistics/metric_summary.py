"""From per-item scores to metrics with intervals."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import cast

import numpy as np
import pandas as pd

from benchmarks.benchmark import ScoreOptions
from benchmarks.metrics.resampling import joined
from benchmarks.statistics.intervals import Interval, bootstrap_columns, intervals_of
from benchmarks.statistics.pool_statistics import LOWER_IS_BETTER, known_items, resampler_for
from selip.records.metric_key import MetricKey, own_columns
from selip.records.record import Metric, Statistic
from selip.system.arrays import FloatArray

CLASS_POLICIES: Mapping[str, str] = {
    "AUROC": "a tie counts half; one class against the rest",
    "AUPRC": "average precision, not interpolated; equal scores have the share of positives",
    "macro": "AUROC and AUPRC: mean over the classes that have both kinds; F1: over the classes that are true or "
    "predicted for some item; balanced accuracy: mean recall of the classes that are true for some item",
    "MCC": "of all classes (Gorodkin 2004); 0 when all items are of one class or are given one",
    "ECE": "10 bins of equal width, (0, .1] to (.9, 1]; probability of the likeliest class against how often it is "
    "right (arXiv:1706.04599); of the one class where there is one; lower is better",
    "interval": "percentile bootstrap over patients with all their items, the metric computed anew in each resample; a "
    "class that a resample does not draw in both kinds is left out of its macro mean",
}


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


def summarise_pool(
    pool: str, items: pd.DataFrame, columns: Mapping[str, FloatArray], options: ScoreOptions
) -> tuple[dict[str, Metric], pd.DataFrame]:
    """Means of the columns as `POOL/NAME`, and the per-item table of the pool.

    Args:
        pool: Name of the pool.
        items: (n,) rows with volume_id, patient_id, contrast, site and text; each has the same weight.
        columns: As of `summarise`; references are kept in the table where the options ask for them.
        options: How the intervals are made.
    """
    table = items.rename(columns={"volume_id": "item_id"})
    table = table[["item_id", "patient_id", "contrast", "site", "text"]].reset_index(drop=True).assign(weight=1.0)
    table.insert(0, "pool", pool)
    found = summarise(table, columns, options)
    kept = columns if options.keep_references else own_columns(columns)
    frame = pd.concat([table, pd.DataFrame(dict(kept))], axis=1)
    return {f"{pool}/{name}": metric for name, metric in found.items()}, frame


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


def summarise_classification(
    frame: pd.DataFrame, metrics: Mapping[str, str], options: ScoreOptions
) -> dict[str, Metric]:
    """Metrics of one pool with their intervals over patients, all from the same resamples.

    Args:
        frame: (n,) items of one pool: columns patient_id, weight and those of `benchmarks.metrics.class_columns`.
        metrics: Name to statistic, as {"linear_macro_auroc": "macro_auroc", "linear_auroc:infarct": "auroc",
            "linear_macro_auroc/metadata": "macro_auroc"}. A name with a slash is a reference and gets no interval; it
            is computed from the columns of the model behind the slash ("metadata_score:infarct"), which the per-item
            table of the record need not keep.
        options: How the intervals are made.

    Returns:
        A metric for each name that is defined, in the order given. AUROC and AUPRC are not where no class has both
        kinds.

    Raises:
        InputError: When a name does not end in its statistic, or the table lacks what it needs.
    """
    if not metrics:
        return {}
    statistic = joined([resampler_for(frame, name, kind) for name, kind in metrics.items()])
    intervals = intervals_of([statistic], frame["patient_id"].nunique(), **options.resampling)
    found = {}
    for (name, kind), interval in zip(metrics.items(), intervals, strict=True):
        if np.isfinite(interval.value):
            patients = frame["patient_id"][known_items(frame, name, kind)]
            found[name] = metric_of(interval, patients, kind, has_interval=not MetricKey.named(name).reference)
    return found
