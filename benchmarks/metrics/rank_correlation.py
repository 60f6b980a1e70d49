"""Spearman's rank correlation as a function of how often each patient is drawn."""

from __future__ import annotations

import numpy as np

from benchmarks.metrics.resampling import Resampler
from selip.system.arrays import FloatArray, IntArray


def spearman_resampler(one: FloatArray, other: FloatArray, weights: FloatArray, codes: IntArray) -> Resampler:
    """Pearson correlation of mid-ranks, each item as often as its patient is drawn; NaN where either is constant.

    Args:
        one: (n,) numbers; an item where either is NaN does not count.
        other: (n,) numbers.
        weights: (n,) weights > 0.
        codes: (n,) number of the patient of each item.
    """
    known = np.isfinite(one) & np.isfinite(other)
    one, other, weights, codes = one[known], other[known], weights[known], codes[known]

    def statistic(counts: FloatArray) -> FloatArray:
        if not known.any():
            return np.full((len(counts), 1), np.nan)
        mass = counts[:, codes] * weights
        ranks = [mid_ranks(values, mass) for values in (one, other)]
        total = mass.sum(axis=1, keepdims=True)
        centred = [rank - (mass * rank).sum(axis=1, keepdims=True) / total for rank in ranks]
        spreads = [np.sqrt((mass * each**2).sum(axis=1)) for each in centred]
        both, scale = (mass * centred[0] * centred[1]).sum(axis=1), spreads[0] * spreads[1]
        flat = scale <= 1e-9 * total[:, 0] ** 3
        return np.where(flat, np.nan, both / np.where(flat, 1.0, scale))[:, None]

    return statistic


def mid_ranks(values: FloatArray, mass: FloatArray) -> FloatArray:
    """(R, n) ranks of values (n,) in each resample, whose item i occurs mass[r, i] times; equal values share a rank."""
    _, group = np.unique(values, return_inverse=True)
    sizes = mass @ np.eye(group.max() + 1)[group]
    middle = sizes.cumsum(axis=1) - sizes / 2
    ranks: FloatArray = middle[:, group]
    return ranks
