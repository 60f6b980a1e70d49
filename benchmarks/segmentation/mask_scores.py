"""Scores of segmented cases, from masks to metrics with their intervals and references."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from benchmarks.benchmark import ScoreOptions
from benchmarks.metrics.mask_metrics import HIGHER_IS_BETTER, score_masks
from benchmarks.segmentation.masked_volumes import CasePart
from benchmarks.segmentation.unet_reference import UNET, Reference
from benchmarks.statistics.metric_summary import summarise
from selip.records.metric_key import MetricKey, own_columns
from selip.records.record import Metric

METRICS = tuple(HIGHER_IS_BETTER)
MEDIAN = "median_hd95_mm"


@dataclass(frozen=True)
class Segmented:
    """The scored cases as a network segmented them.

    Attributes:
        scores: (n,) rows with the columns METRICS.
        predicted: (n, I, J, K) bool.
        history: What val saw and chose, in words.
    """

    scores: pd.DataFrame
    predicted: np.ndarray
    history: str


def pool_scores(
    pool: str, scored: CasePart, spacing_mm: tuple[float, float, float], options: ScoreOptions, outcome: Segmented,
    unet: Reference | None,
) -> tuple[pd.DataFrame, dict[str, Metric]]:  # fmt: skip
    """Per-item table of a pool, and its metrics with their intervals and references."""
    truth = scored.cases.masks[:, 0].numpy()
    tables = {"": outcome.scores, "/empty": score_masks(np.zeros_like(truth), truth, spacing_mm)}
    tables |= {f"/{UNET}": unet.scores} if unet else {}
    columns = {
        f"{name}{suffix}": table[name.removeprefix("median_")].to_numpy(np.float64)
        for name in (*METRICS, MEDIAN)
        for suffix, table in tables.items()
    }
    items = scored.items.copy()
    items.insert(0, "pool", pool)
    own = columns if options.keep_references else own_columns(columns)
    metrics = {
        f"{pool}/{name}": metric.model_copy(
            update={"higher_is_better": HIGHER_IS_BETTER[MetricKey.named(name).metric.removeprefix("median_")]}
        )
        for name, metric in summarise(items, columns, options, {MEDIAN}).items()
    }
    return pd.concat([items, pd.DataFrame(own)], axis=1), metrics
