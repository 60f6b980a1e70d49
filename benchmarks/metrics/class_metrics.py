"""Metrics of predicted classes and of class scores, for all resamples of patients at once.

Accuracy, balanced accuracy, macro F1 and Matthews' correlation need three numbers a class: how often it is predicted
rightly, how often it is true, how often it is predicted. Each is a sum over patients, so all resamples are one matrix
product. The classes are those that occur among the drawn items, as in scikit-learn on those items.

Calibration needs sums in bins. Areas under curves are in `curve_metrics`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from benchmarks.metrics.resampling import Resampler, check_finite, patient_sums
from selip.system.arrays import FloatArray, IntArray
from selip.system.errors import InputError

Formula = Callable[[FloatArray, FloatArray, FloatArray], FloatArray]
"""Hits, truths and predictions of each class, (R, K) each, to the metric (R,)."""
_ROUNDING = 1e-12
N_BINS = 10
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
