"""Metrics of predicted classes and of class scores, for all resamples of patients at once.

Accuracy, balanced accuracy, macro F1 and Matthews' correlation need three numbers a class: how often it is predicted
rightly, how often it is true, how often it is predicted. Each is a sum over patients, so all resamples are one matrix
product. The classes are those that occur among the drawn items, as in scikit-learn on those items.

With c the counts of a resample, AUROC is a ratio of forms in c: the pairs of a positive and a negative item that are
ranked wrongly are summed for each pair of patients once, for all resamples. AUPRC needs the weight of positives and of
negatives at or above each distinct score of a positive, which are sums over patients. Calibration needs sums in bins.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from benchmarks.metrics.resampling import Resampler, check_finite, patient_sums
from selip.system.arrays import BoolArray, FloatArray, IntArray
from selip.system.errors import InputError

Formula = Callable[[FloatArray, FloatArray, FloatArray], FloatArray]
"""Hits, truths and predictions of each class, (R, K) each, to the metric (R,)."""
_ROUNDING = 1e-12
N_BINS = 10
FLOAT32_WHOLE = 2**24  # whole numbers up to here are float32s
_EDGES = np.arange(1, N_BINS) / N_BINS


def hard_resampler(
    truth: FloatArray, predicted: FloatArray, weights: FloatArray, codes: IntArray, formula: Formula
) -> Resampler:
    """A metric of predicted classes as a function of how often each patient is drawn, (R, P) to (R, 1).

    Args:
        truth: (n,) class numbers; items with NaN are left out.
        predicted: (n,) class numbers, finite where the truth is known.
        weights: (n,) weights > 0.
        codes: (n,) number of the patient of each item; each of 0..P-1 occurs.
        formula: One of the functions below.

    Raises:
        InputError: When a prediction is not finite where the truth is known.
    """
    known = np.isfinite(truth)
    check_finite(predicted[known], "predictions of a known truth")
    classes = np.unique(np.concatenate([truth[known], predicted[known]]))
    is_true, is_predicted = truth[:, None] == classes, (predicted[:, None] == classes) & known[:, None]
    events = np.concatenate([is_true & is_predicted, is_true, is_predicted], axis=1)
    sums = patient_sums(events * weights[:, None], codes)

    def statistic(counts: FloatArray) -> FloatArray:
        hits, truths, predictions = np.split(counts @ sums, 3, axis=1)
        return formula(hits, truths, predictions)[:, None]

    return statistic


def accuracy(hits: FloatArray, truths: FloatArray, predictions: FloatArray) -> FloatArray:
    """Share of items whose class is predicted."""
    return ratio(hits.sum(axis=1), truths.sum(axis=1))


def balanced_accuracy(hits: FloatArray, truths: FloatArray, predictions: FloatArray) -> FloatArray:
    """Mean recall of the classes that are true for some item (Brodersen et al. 2010, ICPR)."""
    return defined_mean(ratio(hits, truths))


def macro_f1(hits: FloatArray, truths: FloatArray, predictions: FloatArray) -> FloatArray:
    """Mean of 2 hits / (true + predicted) over the classes that are true or predicted for some item."""
    return defined_mean(ratio(2 * hits, truths + predictions))


def mcc(hits: FloatArray, truths: FloatArray, predictions: FloatArray) -> FloatArray:
    """Matthews' correlation of several classes (Gorodkin 2004, Comput. Biol. Chem. 28:367).

    0 when all items are of one class or are given one.
    """
    total = truths.sum(axis=1)
    covariance = hits.sum(axis=1) * total - (truths * predictions).sum(axis=1)
    spreads = [total**2 - (side**2).sum(axis=1) for side in (truths, predictions)]
    varies = (np.minimum(*spreads) > _ROUNDING * total**2) | (total == 0)
    return np.where(varies, ratio(covariance, np.sqrt(np.maximum(spreads[0] * spreads[1], 0.0))), 0.0)


def ratio(above: FloatArray, below: FloatArray) -> FloatArray:
    """Quotient, NaN where the divisor is 0."""
    return np.divide(above, below, out=np.full_like(below, np.nan), where=below > 0)


def defined_mean(columns: FloatArray) -> FloatArray:
    """(R,) mean over the columns (R, K) that are defined, NaN where none is."""
    known = np.isfinite(columns)
    return ratio(np.where(known, columns, 0.0).sum(axis=1), known.sum(axis=1).astype(np.float64))


class Ranking(NamedTuple):
    """Weights of one class by patient and threshold; the G thresholds are the distinct scores of its positives.

    Attributes:
        carriers: (P+,) patients that have a positive item.
        at: (P+, G) positives of a carrier with just this score.
        found: (P+, G) positives of a carrier with this score or more.
        false: (P, G) negatives with this score or more.
        lost: (P, G) negatives with more than this score, and half of those with just this score.
        masses: (P, 2) positives and negatives.
    """

    carriers: IntArray
    at: FloatArray
    found: FloatArray
    false: FloatArray
    lost: FloatArray
    masses: FloatArray


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
    """Sums of one class (n,) that rank metrics are made from.

    Raises:
        InputError: When a score is not finite where the truth is known.
    """
    check_finite(score[np.isfinite(truth)], "scores of a known truth")
    kinds = truth[:, None] == (1.0, 0.0)
    positive, negative = kinds.T
    thresholds = np.unique(score[positive])

    def passing(chosen: BoolArray, side: Literal["left", "right"]) -> FloatArray:
        """(P, G + 1) weight by the number of thresholds that an item reaches ("right") or exceeds ("left")."""
        passed = np.searchsorted(thresholds, score[chosen], side)
        sums = np.zeros((codes.max() + 1, len(thresholds) + 1))
        np.add.at(sums, (codes[chosen], passed), weights[chosen])
        return sums

    carriers = np.unique(codes[positive])
    found = passing(positive, "right")[carriers]
    false = _at_or_above(passing(negative, "right"))
    lost = (false + _at_or_above(passing(negative, "left"))) / 2
    masses = patient_sums(kinds * weights[:, None], codes)
    return Ranking(carriers, found[:, 1:], _at_or_above(found), false, lost, masses)


def _at_or_above(sums: FloatArray) -> FloatArray:
    return sums[:, ::-1].cumsum(axis=1)[:, ::-1][:, 1:]


def auroc(classes: Sequence[Ranking]) -> Resampler:
    """Area under the ROC curve, (R, P) to (R, K): how often a positive scores above a negative; a tie counts half.

    Mann and Whitney 1947, Ann. Math. Stat. 18:50; Hanley and McNeil 1982, Radiology 143:29. All classes are one matrix
    product, in single precision where that rounds nothing.
    """
    sums = np.concatenate([part for one in classes for part in (one.lost @ one.at.T, one.masses)], axis=1)
    (sums,), ends = _in_single(sums), np.cumsum([len(one.carriers) + 2 for one in classes])[:-1]

    def statistic(counts: FloatArray) -> FloatArray:
        parts = np.split(counts.astype(sums.dtype) @ sums, ends, axis=1)
        areas = [_area(part, counts.take(one.carriers, axis=1)) for part, one in zip(parts, classes, strict=True)]
        return np.stack(areas, axis=1)

    return statistic


def _area(sums: npt.NDArray[np.floating], own: FloatArray) -> FloatArray:
    """(R,) area from sums (R, C + 2) of what each carrier's positives lost, then of both masses, and counts (R, C)."""
    lost = np.einsum("rc,rc->r", sums[:, :-2], own, dtype=np.float64)
    return 1 - ratio(lost, sums[:, -2:].astype(np.float64).prod(axis=1))


def _are_few_halves(sums: FloatArray) -> bool:
    """True when float32 holds every sum of P rows of `sums` (P, C) without rounding."""
    doubled = 2 * sums
    return bool((doubled == np.rint(doubled)).all() and len(sums) * doubled.max(initial=0.0) < FLOAT32_WHOLE)


def auprc(classes: Sequence[Ranking]) -> Resampler:
    """Average precision, (R, P) to (R, K): mean over positives of the precision at their score, without interpolation.

    Davis and Goadrich 2006, ICML. Items of one score are retrieved together.
    """
    parts = [(one.carriers, _in_single(one.found, one.false, one.masses)) for one in classes]
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


def _in_single(*sums: FloatArray) -> list[npt.NDArray[np.floating]]:
    """The sums (P, C) in single precision if that rounds nothing."""
    kind = np.float32 if all(map(_are_few_halves, sums)) else np.float64
    return [one.astype(kind) for one in sums]


def ece_resampler(truths: FloatArray, scores: FloatArray, weights: FloatArray, codes: IntArray) -> Resampler:
    """Expected calibration error of the likeliest class, (R, P) to (R, 1) (Guo et al. 2017, arXiv:1706.04599, eq. 3).

    Ten bins of equal width, (0, .1], (.1, .2], ..., 0 in the first. The confidence is the highest score of an item, the
    first class in order where two tie, and it is right when the item is of that class; for one class alone this is the
    calibration of its probability. Items whose likeliest class has no known truth are left out. Arguments as in
    `rank_resampler`, the scores probabilities.

    Raises:
        InputError: When a score is no probability, or is missing where the truth is known.
    """
    check_finite(scores[np.isfinite(truths)], "scores of a known truth")
    outside = scores[(scores < 0) | (scores > 1)]
    if outside.size:
        raise InputError(f"got a score of {outside[0]:.3g} for ece, no probability; take a softmax")
    likeliest = np.where(np.isfinite(scores), scores, -1.0).argmax(axis=1)[:, None]
    confidence, right = (np.take_along_axis(table, likeliest, axis=1)[:, 0] for table in (scores, truths))
    known = np.isfinite(confidence) & np.isfinite(right)
    in_bin = np.eye(N_BINS)[np.searchsorted(_EDGES, confidence)] * (known * weights)[:, None]
    gaps = patient_sums(in_bin * np.where(known, confidence - right, 0.0)[:, None], codes)
    mass = patient_sums((known * weights)[:, None], codes)
    return lambda counts: ratio(np.abs(counts @ gaps).sum(axis=1, keepdims=True), counts @ mass)
