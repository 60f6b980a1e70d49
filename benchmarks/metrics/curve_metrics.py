"""Areas under the ROC and the precision-recall curve, for all resamples of patients at once.

With c the counts of a resample, AUROC is a ratio of forms in c: the pairs of a positive and a negative item that are
ranked wrongly are summed for each pair of patients once, for all resamples. AUPRC needs the weight of positives and of
negatives at or above each distinct score of a positive, which are sums over patients.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from benchmarks.metrics.class_metrics import defined_mean, ratio
from benchmarks.metrics.resampling import Resampler, check_finite, patient_sums
from selip.system.arrays import BoolArray, FloatArray, IntArray

FLOAT32_WHOLE = 2**24  # whole numbers up to here are float32s


@dataclass(frozen=True)
class Ranking:
    """Items (n,) of one class, whose G thresholds are the distinct scores of its positives.

    Attributes:
        positive: Positive items.
        negative: Negative items; neither where the truth is unknown.
        score: Scores, finite where the truth is known.
        weights: Weights > 0.
        codes: Number of the patient of each item, of P.
    """

    positive: BoolArray
    negative: BoolArray
    score: FloatArray
    weights: FloatArray
    codes: IntArray

    @property
    def is_counted(self) -> bool:
        """True where the weights are whole numbers."""
        return bool((self.weights == np.rint(self.weights)).all())

    @cached_property
    def thresholds(self) -> FloatArray:
        """(G,) distinct scores of positives, from the lowest."""
        return np.unique(self.score[self.positive])

    @cached_property
    def carriers(self) -> IntArray:
        """(P+,) patients that have a positive item."""
        return np.unique(self.codes[self.positive])

    @property
    def masses(self) -> FloatArray:
        """(P, 2) positives and negatives."""
        return patient_sums(np.column_stack([self.positive, self.negative]) * self.weights[:, None], self.codes)

    @property
    def at(self) -> csr_array:
        """(P+, G) positives of a carrier with just this score."""
        rows = np.searchsorted(self.carriers, self.codes[self.positive])
        columns = np.searchsorted(self.thresholds, self.score[self.positive])
        shape = len(self.carriers), len(self.thresholds)
        return csr_array((self.weights[self.positive], (rows, columns)), shape=shape)

    @property
    def found(self) -> FloatArray:
        """(P+, G) positives of a carrier with this score or more."""
        return self._at_or_above(self.positive, "right")[self.carriers]

    @property
    def false(self) -> FloatArray:
        """(P, G) negatives with this score or more."""
        return self._at_or_above(self.negative, "right")

    @property
    def lost(self) -> FloatArray:
        """(P, G) negatives with more than this score, and half of those with just this score."""
        return (self.false + self._at_or_above(self.negative, "left")) / 2

    def _at_or_above(self, chosen: BoolArray, side: Literal["left", "right"]) -> FloatArray:
        """(P, G) weight of the chosen items that reach ("right") or exceed ("left") each threshold."""
        passed = np.searchsorted(self.thresholds, self.score[chosen], side)
        sums = np.zeros((self.codes.max() + 1, len(self.thresholds) + 1))
        np.add.at(sums, (self.codes[chosen], passed), self.weights[chosen])
        return sums[:, ::-1].cumsum(axis=1)[:, ::-1][:, 1:]


ByClass = Callable[[Sequence[Ranking]], Resampler]
"""Sums of K classes to counts (R, P) to the metric (R, K) of each."""


def rank_resampler(
    truths: FloatArray, scores: FloatArray, weights: FloatArray, codes: IntArray, metric: ByClass
) -> Resampler:
    """Mean over classes of a rank metric as a function of how often each patient is drawn, (R, P) to (R, 1).

    A class without both kinds among the drawn items is left out of the mean; NaN where every class is. Weights, codes
    are those of `hard_resampler`; truths (n, K) in {0, 1} are NaN where unknown, scores (n, K) finite elsewhere.

    Raises:
        InputError: When a score is not finite where the truth is known.
    """
    by_class = metric([ranking(truth, score, weights, codes) for truth, score in zip(truths.T, scores.T, strict=True)])
    return lambda counts: defined_mean(by_class(counts))[:, None]


def ranking(truth: FloatArray, score: FloatArray, weights: FloatArray, codes: IntArray) -> Ranking:
    """The items (n,) of one class that rank metrics are made from.

    Raises:
        InputError: When a score is not finite where the truth is known.
    """
    check_finite(score[np.isfinite(truth)], "scores of a known truth")
    return Ranking(truth == 1, truth == 0, score, weights, codes)


def auroc(classes: Sequence[Ranking]) -> Resampler:
    """Area under the ROC curve, (R, P) to (R, K): how often a positive scores above a negative; a tie counts half.

    Mann and Whitney 1947, Ann. Math. Stat. 18:50; Hanley and McNeil 1982, Radiology 143:29. All classes are one matrix
    product, in single precision where that rounds nothing.
    """
    sums = np.concatenate([part for one in classes for part in ((one.at @ one.lost.T).T, one.masses)], axis=1)
    (sums,), ends = _in_single(classes, sums), np.cumsum([len(one.carriers) + 2 for one in classes])[:-1]

    def statistic(counts: FloatArray) -> FloatArray:
        parts = np.split(counts.astype(sums.dtype) @ sums, ends, axis=1)
        areas = [_area(part, counts.take(one.carriers, axis=1)) for part, one in zip(parts, classes, strict=True)]
        return np.stack(areas, axis=1)

    return statistic


def _area(sums: npt.NDArray[np.floating], own: FloatArray) -> FloatArray:
    """(R,) area from sums (R, C + 2) of what each carrier's positives lost, then of both masses, and counts (R, C)."""
    lost = np.einsum("rc,rc->r", sums[:, :-2], own, dtype=np.float64)
    return 1 - ratio(lost, sums[:, -2:].astype(np.float64).prod(axis=1))


def auprc(classes: Sequence[Ranking]) -> Resampler:
    """Average precision, (R, P) to (R, K): mean over positives of the precision at their score, without interpolation.

    Davis and Goadrich 2006, ICML. Items of one score are retrieved together.
    """
    parts = [(one.carriers, _in_single([one], one.found, one.false, one.masses)) for one in classes]
    return lambda counts: np.stack([_average_precision(counts, *one) for one in parts], axis=1)


def _average_precision(counts: FloatArray, carriers: IntArray, sums: Sequence[npt.NDArray]) -> FloatArray:
    """(R,) average precision of one class; sums: found, false and masses of `Ranking`."""
    found, false, masses = sums
    drawn = counts.astype(found.dtype)
    reached, lost = ((own @ one).astype(np.float64) for own, one in ((drawn[:, carriers], found), (drawn, false)))
    at = reached.copy()
    at[:, :-1] -= reached[:, 1:]
    at *= reached / np.maximum(reached + lost, np.finfo(np.float64).tiny)  # 0 where nothing is found
    positives, negatives = (drawn @ masses).astype(np.float64).T
    return np.where(negatives > 0, ratio(at.sum(axis=1), positives), np.nan)


def _in_single(classes: Sequence[Ranking], *sums: FloatArray) -> list[npt.NDArray[np.floating]]:
    """The sums (P, C) of items or of halves of them, in single precision where that rounds no sum of P rows."""
    small = all(2 * len(one) * one.max(initial=0.0) < FLOAT32_WHOLE for one in sums)
    kind = np.float32 if small and all(one.is_counted for one in classes) else np.float64
    return [one.astype(kind) for one in sums]
