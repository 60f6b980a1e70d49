"""Uncertainty of a metric: over patients by bootstrap, over seeds by the spread of their values.

The unit of resampling is the patient with all their items. Every seed of training is tested on the same patients, so
the mean over K seeds and P patients is that of a crossed layout with random seeds and patients:

    variance = patients + seeds,    patients = cases - noise / K,    seeds = s^2 / K

`cases` is the bootstrap variance of the mean with the seeds held, s the standard deviation of the seeds' values, and
`noise` what both hold of a seed's own luck with single patients (Searle, Casella & McCulloch 1992, Variance Components,
ch. 4). Drawing seeds with replacement instead has (K - 1) / K of their variance, never leaves their range, and counts
the noise thrice (McCullagh 2000, Bernoulli 6:285; Owen 2007, Ann. Appl. Stat. 1:386): with three seeds its 95 %
intervals held .77 to .95.

The interval has the quantile of Student's t, on each side as far as the percentiles of the patients are skew, with

    1 / df = share / (K - 1) + (1 - share) / (P - 1),    share = seeds / variance.

Satterthwaite (1946, Biometrics Bull. 2:110) squares the shares; with three seeds that holds .92 where seeds prevail.
Simulated, ours holds .94 to .965 from three seeds on, whatever the shares (tests/oracles/seed_simulation.py).

One or two seeds are held: they describe runs, and their interval is the percentile bootstrap over patients alone. With
fewer than two patients nothing is known of the spread: the bounds are NaN, not the value.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import chi2, norm, t

from benchmarks.metrics.resampling import (
    Replicates,
    Resampler,
    percentile_bounds,
    replicates_of,
    resampler_of,
)
from benchmarks.statistics.pool_statistics import limits_of, resampler_for
from selip.system.arrays import FloatArray
from selip.system.errors import InputError

SEEDS_FOR_A_SPREAD = 3
"""Fewer seeds describe runs: they are held, and nothing is claimed of other seeds."""
_STEPS = 2000


class Interval(NamedTuple):
    """A value with the bounds of its interval, NaN where the spread is unknown."""

    value: float
    lower: float
    upper: float

    def within(self, low: float, high: float) -> Interval:
        """The interval without what lies beyond the limits of its metric; NaN stays."""
        known = math.isfinite(self.lower)
        return self._replace(lower=max(low, self.lower), upper=min(high, self.upper)) if known else self


class Difference(NamedTuple):
    """A paired difference, its interval, two-sided p-value, and standard error with its degrees of freedom.

    The last three are NaN under three seeds, which are tested against nothing.
    """

    value: float
    lower: float
    upper: float
    p_value: float
    error: float = math.nan
    df: float = math.nan

    @property
    def negated(self) -> Difference:
        """The difference the other way round."""
        return self._replace(value=-self.value, lower=-self.upper, upper=-self.lower)


class Precision(NamedTuple):
    """Variances (C,) of the mean over seeds, by source, and the degrees of freedom of their sum.

    NaN where they are unknown: that of the seeds under three of them, both for one patient.
    """

    patients: FloatArray
    seeds: FloatArray
    df: FloatArray

    @property
    def error(self) -> FloatArray:
        """(C,) standard error."""
        return np.sqrt(self.patients + self.seeds)


def bootstrap_columns(
    values: npt.ArrayLike,
    weights: npt.ArrayLike,
    patients: npt.ArrayLike,
    n_resamples: int = 10_000,
    seed: int = 0,
    statistic: str = "mean",
    confidence: float = 0.95,
) -> list[Interval]:
    """Weighted mean or median of columns with their intervals over patients, with the same resamples for each.

    Args:
        values: (n, C) scores; NaN is left out.
        weights: (n,) weights > 0.
        patients: (n,) patient of each item.
        n_resamples: Number of resamples.
        seed: Seed of the resamples.
        statistic: "mean" or "median".
        confidence: Coverage in (0, 1).
    """
    names, codes = np.unique(np.asarray(patients), return_inverse=True)
    resampler = resampler_of(np.asarray(values, np.float64), np.asarray(weights, np.float64), codes, statistic)
    return intervals_of([resampler], len(names), n_resamples, seed, confidence)


def interval_over_seeds(
    frames: Sequence[pd.DataFrame],
    metric: str,
    n_resamples: int = 10_000,
    seed: int = 0,
    statistic: str = "mean",
    confidence: float = 0.95,
) -> Interval:
    """Mean over seeds of a metric, with an interval over seeds and patients; over patients alone under three seeds.

    Args:
        frames: Per-item scores of one pool, one frame a seed: columns patient_id, weight, and `metric` for a mean or
            median or those of `benchmarks.metrics.class_columns` for a metric of classification.
        metric: Metric to summarise.
        n_resamples: Number of resamples.
        seed: Seed of the resamples.
        statistic: One of `benchmarks.statistics.pool_statistics.STATISTICS`, within a seed.
        confidence: Coverage in (0, 1).

    Raises:
        InputError: When the frames are of different patients.
    """
    patients = shared_patients(frames)
    resamplers = [resampler_for(frame, metric, statistic) for frame in frames]
    found = intervals_of(resamplers, len(patients), n_resamples, seed, confidence)[0]
    return found.within(*limits_of(frames, metric, statistic))


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjustment (Holm 1979, Scand. J. Statist. 6:65), in the order given."""
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(stepped, 1.0)
    return [float(value) for value in adjusted]


def intervals_of(
    resamplers: Sequence[Resampler], n_patients: int, n_resamples: int, seed: int, confidence: float
) -> list[Interval]:
    """Mean over seeds of each column with its interval.

    Arguments as in `benchmarks.metrics.resampling.replicates_of`.
    """
    found = replicates_of(resamplers, n_patients, n_resamples, seed)
    return [Interval(*one[:3]) for one in differences_of(found, n_patients, confidence)]


def differences_of(found: Replicates, n_patients: int, confidence: float) -> list[Difference]:
    """Mean over seeds of each column with all that is known of its spread; see the docstring of the module."""
    values, precision = found.values.mean(axis=0), precision_of(found, n_patients)
    bounds = percentile_bounds(found.cases, n_patients, confidence)
    p_values = np.full(len(values), np.nan)
    if len(found.values) >= SEEDS_FOR_A_SPREAD:
        bounds = widened(bounds, values, found, precision, confidence)
        p_values = mixed_p_values(values, precision, len(found.values))
    return [
        Difference(*map(float, row))
        for row in zip(values, *bounds, p_values, precision.error, precision.df, strict=True)
    ]


def precision_of(found: Replicates, n_patients: int) -> Precision:
    """Variances of the mean over seeds, by source."""
    n_seeds, n_columns = found.values.shape
    cases = np.full(n_columns, np.nan)
    known = np.isfinite(found.cases).any(axis=0)
    if n_patients > 1:
        cases[known] = np.nanvar(found.cases[:, known], axis=0)
    if n_seeds < SEEDS_FOR_A_SPREAD:
        return Precision(cases, np.full(n_columns, np.nan), np.full(n_columns, np.nan))
    seeds = found.values.var(axis=0, ddof=1) / n_seeds
    patients = np.maximum(cases - found.noise / n_seeds, 0.0)
    return Precision(patients, seeds, pooled_df(patients, seeds, n_patients - 1, n_seeds - 1))


def pooled_df(patients: FloatArray, seeds: FloatArray, of_patients: float, of_seeds: float) -> FloatArray:
    """Degrees of freedom of a sum of two variances: 1 / df is the mean of theirs, weighted by their shares."""
    total = patients + seeds
    share = np.divide(seeds, total, out=np.zeros_like(total), where=total > 0)
    return 1 / (share / of_seeds + (1 - share) / max(1.0, of_patients))


def widened(
    bounds: FloatArray, values: FloatArray, found: Replicates, precision: Precision, confidence: float
) -> FloatArray:
    """(2, C) percentile bounds over patients with the spread of the seeds in the place of their noise."""
    z, quantile = norm.ppf((1 + confidence) / 2), t.ppf((1 + confidence) / 2, precision.df)
    signs = np.array([[-1.0], [1.0]])
    reach = np.maximum(signs * (bounds - values), 0.0) ** 2 - z**2 * found.noise / len(found.values)
    return values + signs * quantile / z * np.sqrt(np.maximum(reach, 0.0) + z**2 * precision.seeds)


def mixed_p_values(values: FloatArray, precision: Precision, n_seeds: int) -> FloatArray:
    """(C,) two-sided p-values: chance that a normal of the patients' and a Student's t of the seeds' spread is as far.

    The distribution of Behrens and Fisher (Fisher 1935, Ann. Eugen. 6:391), by the middle of _STEPS equal parts of the
    chi-square of the seeds. Holm's steps ask for tails further out than the interval's quantile holds, and there it is
    the one that does not err too often. 1 for no difference without spread, NaN where the spread is unknown.
    """
    parts = chi2.ppf((np.arange(_STEPS) + 0.5) / _STEPS, n_seeds - 1)[:, None]
    error = np.sqrt(precision.patients + precision.seeds * (n_seeds - 1) / parts)
    ratio = np.divide(np.abs(values), error, out=np.where(values == 0, 0.0, np.inf) + 0 * error, where=error != 0)
    return 2 * norm.sf(ratio).mean(axis=0)


def shared_patients(frames: Sequence[pd.DataFrame]) -> list[str]:
    """The patients of the frames, sorted.

    Raises:
        InputError: When the frames are of different patients.
    """
    found = {tuple(sorted(set(frame["patient_id"]))) for frame in frames}
    if len(found) != 1:
        raise InputError(f"got {len(found)} different sets of patients; use one split")
    return list(found.pop())
