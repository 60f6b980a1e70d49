"""From the per-item table of a classification task to metrics with intervals over patients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.benchmark import ScoreOptions
from benchmarks.metrics.class_columns import classes_of
from benchmarks.metrics.resampling import joined
from benchmarks.statistics.intervals import intervals_of
from benchmarks.statistics.metric_summary import metric_of
from benchmarks.statistics.pool_statistics import known_items, resampler_for
from selip.records.declaration import Declared
from selip.records.metric_key import MetricKey
from selip.records.record import Metric

POLICIES: Mapping[str, str] = {
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


def declared_classification(label: str, place: int, **changes: Any) -> Declared:  # noqa: ANN401 (fields of many types)
    """Declares a benchmark of classification: its tasks are pools, ranked by their macro AUROC.

    Args:
        label: Its name in words.
        place: Its place on the page of classification, from 10.
        changes: Fields of `Declared` in which it differs.
    """
    about: dict[str, Any] = {
        "headline": ("*/macro_auroc",),
        "pools": ("lesion_type", "abnormal", "lobe", "side", "glioma_grade"),
        "transfer_pools": ("glioma_grade",),
        "floors": {"chance": "chance", "majority": "majority", "metadata": "metadata only"},
        "words": {
            "macro_auroc": "macro AUROC", "macro_auprc": "macro AUPRC", "macro_f1": "macro F1", "mcc": "MCC",
            "ece": "ECE", "auroc": "AUROC", "auprc": "AUPRC",
        },
    }  # fmt: skip
    return Declared(family="classification", label=label, place=place, **about | changes)


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
        kinds: see `one_sided_classes`.

    Raises:
        InputError: When a name does not end in its statistic, or the table lacks what it needs.
    """
    if not metrics:
        return {}
    statistic = joined([resampler_for(frame, name, kind) for name, kind in metrics.items()])
    intervals, _ = intervals_of([statistic], frame["patient_id"].nunique(), **options.resampling)
    found = {}
    for (name, kind), interval in zip(metrics.items(), intervals, strict=True):
        if np.isfinite(interval.value):
            patients = frame["patient_id"][known_items(frame, name, kind)]
            found[name] = metric_of(interval, patients, kind, has_interval=not MetricKey.named(name).reference)
    return found


def one_sided_classes(frame: pd.DataFrame) -> list[str]:
    """Classes of a pool without both kinds, which AUROC, AUPRC and their macro means leave out; for the notes."""
    return [name for name in classes_of(frame) if frame[f"truth:{name}"].dropna().nunique() < 2]
