"""The contract of a benchmark: a subject goes in, a score comes out. Methods never score themselves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.settings import ProbeConfig, SegmentationConfig
from selip.models.scored_model import Subject
from selip.records.declaration import Declared
from selip.records.record import Metric


@dataclass(frozen=True)
class ScoreOptions:
    """Settings of scoring, of its bootstrap intervals above all.

    Attributes:
        n_resamples: Bootstrap resamples of the patients.
        seed: Seed of the resamples; the same for every method, so that differences are paired.
        confidence: Coverage of the percentile interval, in (0, 1).
        probe: Settings of classification.
        segmentation: Settings of segmentation.
        keep_references: Whether the per-item table keeps what references answered, in columns COLUMN/REFERENCE, so that
            tables of several folds can be pooled.
    """

    n_resamples: int = 10_000
    seed: int = 0
    confidence: float = 0.95
    probe: ProbeConfig = field(default_factory=ProbeConfig)
    segmentation: SegmentationConfig = field(default_factory=SegmentationConfig)
    keep_references: bool = False

    @property
    def resampling(self) -> dict[str, Any]:
        """The keyword arguments of the bootstraps in benchmarks.statistics.intervals."""
        return {"n_resamples": self.n_resamples, "seed": self.seed, "confidence": self.confidence}


@dataclass(frozen=True)
class CasePicture:
    """One axial slice of a case, to be drawn with the outlines of truth and prediction.

    Attributes:
        pool: Pool of the metrics.
        rank: "best", "median" or "worst" of it.
        item_id: Volume.
        caption: What the case is and how it scored.
        voxels: (I, J) uint8; axis 0 grows to the patient's right, axis 1 to the front.
        truth: (I, J) bool.
        predicted: (I, J) bool.
        spacing_mm: Voxel edges along I and J.
    """

    pool: str
    rank: str
    item_id: str
    caption: str
    voxels: np.ndarray
    truth: np.ndarray
    predicted: np.ndarray
    spacing_mm: tuple[float, float]


@dataclass(frozen=True)
class Score:
    """Metrics of one model on one benchmark, with the per-item table that they come from.

    Attributes:
        metrics: `pool/metric` to its number, as `abnormal/image_to_text_R@10`, with `.../chance` and `.../majority`.
        per_item: Long table, one row a pool and item: pool, item_id, patient_id, contrast, site, text, weight and one
            float column a metric, NaN where it is not defined.
        notes: Policies that are printed with the table, by subject.
        pictures: Cases worth a look.
    """

    metrics: Mapping[str, Metric]
    per_item: pd.DataFrame
    notes: Mapping[str, str] = field(default_factory=dict)
    pictures: tuple[CasePicture, ...] = ()


@dataclass(frozen=True)
class Benchmark:
    """A task that models are scored on.

    Attributes:
        name: Name in the registry.
        summary: One line for `selip list benchmarks`.
        protocol_version: Grows whenever the same model would score otherwise; versions are never mixed in a table.
        source: Paper or protocol that it follows.
        score: The scoring itself.
        declared: What its records say of it to those who rank, show and guard them.
        needs_text: Whether it asks the text tower; a method that trains none is then skipped.
        sizes: Settings that decide how much memory it takes.
    """

    name: str
    summary: str
    protocol_version: str
    source: str
    score: Callable[[Subject, ScoreOptions], Score]
    declared: Declared
    needs_text: bool = True
    sizes: tuple[str, ...] = ()
