"""Resamples of patients, evaluated all at once.

A resample is a row of counts: how often each patient was drawn. A statistic of all resamples and all columns of a
table is then a matrix product of counts and per-patient sums.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from selip.system.arrays import FloatArray, IntArray
from selip.system.errors import InputError

Resampler = Callable[[FloatArray], FloatArray]
"""Counts (R, P) of the patients in each resample to the statistic (R, C) of each column."""


class Table(NamedTuple):
    """Scores of some items: values (n, C), NaN left out; weights (n,) > 0; codes (n,) number of each item's patient."""

    values: FloatArray
    weights: FloatArray
    codes: IntArray


_CHUNK_ENTRIES = 2**21
FEW_VALUES = 200
_STATISTICS = ("mean", "median")


def resampler_of(values: FloatArray, weights: FloatArray, codes: IntArray, statistic: str) -> Resampler:
    """The statistic of a table as a function of how often each patient is drawn.

    Args:
        values: (n, C) scores; NaN is left out.
        weights: (n,) weights > 0.
        codes: (n,) number of the patient of each item; each of 0..P-1 occurs.
        statistic: "mean" or "median", weighted.

    Raises:
        InputError: When there is no such statistic, or a score is infinite.
    """
    if statistic not in _STATISTICS:
        raise InputError(f"got statistic {statistic!r}; allowed: {', '.join(_STATISTICS)}; choose one of them")
    make = _mean_resampler if statistic == "mean" else _median_resampler
    return make(values, weights, codes)


def _mean_resampler(values: FloatArray, weights: FloatArray, codes: IntArray) -> Resampler:
    """Weighted mean of each column: a ratio of two matrix products."""
    sums, masses = _sums_and_masses(values, weights, codes)

    def statistic(counts: FloatArray) -> FloatArray:
        mass = counts @ masses
        return np.divide(counts @ sums, mass, out=np.full_like(mass, np.nan), where=mass > 0)

    return statistic


def _median_resampler(values: FloatArray, weights: FloatArray, codes: IntArray) -> Resampler:
    """Lower weighted median of each column: the smallest value that half of the weight does not exceed."""
    check_no_infinity(values, "scores")
    known = [np.isfinite(column) for column in values.T]
    tables = [_weight_up_to(column[own], weights[own], codes[own]) for column, own in zip(values.T, known, strict=True)]
    return lambda counts: np.stack([_median_of(places, reached(counts)) for places, reached in tables], axis=1)


def _weight_up_to(column: FloatArray, weights: FloatArray, codes: IntArray) -> tuple[FloatArray, Resampler]:
    """Rising values (V,) of a column (n,), and counts (R, P) to the weight (R, V) on each and those before it.

    Few distinct values are a matrix product with the weight of each patient up to each of them; of many, as of ranks,
    adding up the items in order is sooner done.
    """
    distinct, place = np.unique(column, return_inverse=True)
    if len(distinct) <= FEW_VALUES:
        spread = np.zeros((codes.max(initial=-1) + 1, len(distinct)))
        np.add.at(spread, (codes, place), weights)
        cumulated = spread.cumsum(axis=1)
        return distinct, lambda counts: counts[:, : len(cumulated)] @ cumulated
    order = np.argsort(column, kind="stable")
    own, weight = codes[order], weights[order]
    return column[order], lambda counts: (counts.take(own, axis=1) * weight).cumsum(axis=1)


def _median_of(places: FloatArray, reached: FloatArray) -> FloatArray:
    if not len(places):
        return np.full(len(reached), np.nan)
    total = reached[:, -1:]
    # Weights such as 1/3 do not add up exactly; without the slack the median would hang on their rounding.
    median = places[(reached >= 0.5 * total * (1 - 1e-9)).argmax(axis=1)]
    return np.where(total[:, 0] > 0, median, np.nan)


def difference_of(a: Resampler, b: Resampler) -> Resampler:
    """Paired difference: both statistics of the same counts."""
    return lambda counts: a(counts) - b(counts)


def mean_of(resamplers: Sequence[Resampler]) -> Resampler:
    """Mean of several statistics of the same counts, as one a seed of training."""
    return lambda counts: np.mean([resampler(counts) for resampler in resamplers], axis=0)


def joined(resamplers: Sequence[Resampler]) -> Resampler:
    """The columns of several statistics of the same patients, one after the other."""
    return lambda counts: np.concatenate([resampler(counts) for resampler in resamplers], axis=1)


def side_by_side(tables: Sequence[Table], statistic: str) -> Resampler:
    """The columns of several tables of the same patients, one after the other.

    Means of all tables are one matrix product; columns that miss the same items share their divisor.

    Args:
        tables: One or more, whose codes number the same patients.
        statistic: "mean" or "median", weighted.

    Raises:
        InputError: When there is no such statistic, or a score is infinite.
    """
    if statistic != "mean":
        return joined([resampler_of(*table, statistic) for table in tables])
    parts = [_sums_and_masses(*table) for table in tables]
    sums, masses = (np.concatenate(side, axis=1) for side in zip(*parts, strict=True))
    distinct, place = np.unique(masses, axis=1, return_inverse=True)

    def means(counts: FloatArray) -> FloatArray:
        mass = (counts @ distinct)[:, place]
        return np.divide(counts @ sums, mass, out=np.full_like(mass, np.nan), where=mass > 0)

    return means


def _sums_and_masses(values: FloatArray, weights: FloatArray, codes: IntArray) -> tuple[FloatArray, FloatArray]:
    """(P, C) weighted sum of each patient's known scores, and (P, C) their weight."""
    check_no_infinity(values, "scores")
    known = np.isfinite(values)
    sums = patient_sums(np.where(known, values, 0.0) * weights[:, None], codes)
    return sums, patient_sums(known * weights[:, None], codes)


def patient_sums(columns: FloatArray, codes: IntArray) -> FloatArray:
    """(P, C) sum of the items' columns (n, C) for each patient; codes (n,) number the patients from 0."""
    sums = np.zeros((codes.max() + 1, columns.shape[1]))
    np.add.at(sums, codes, columns)
    return sums


class Replicates(NamedTuple):
    """Statistics of some seeds of training on the same patients, and how they move when the patients are drawn anew.

    Attributes:
        values: (K, C) of each seed on all patients.
        cases: (R, C) mean over the seeds in each resample of the patients.
        noise: (C,) variance, over those resamples, of one seed's statistic less the mean over seeds; 0 for one seed.
    """

    values: FloatArray
    cases: FloatArray
    noise: FloatArray


def replicates_of(resamplers: Sequence[Resampler], n_patients: int, n_resamples: int, seed: int) -> Replicates:
    """Statistics of every seed of training on the same draws of the patients.

    Resamples in which a column is not defined add nothing to its noise.

    Args:
        resamplers: One for each seed of training.
        n_patients: Number of patients, the same for every seed of training.
        n_resamples: Number R of resamples.
        seed: Seed of the resamples.
    """
    values = np.stack([resampler(np.ones((1, n_patients)))[0] for resampler in resamplers])
    own, parts, squares = values - values.mean(axis=0), [], np.zeros(values.shape[1])
    for counts in _draws(n_patients, values.size, n_resamples, seed):
        drawn = np.stack([resampler(counts) for resampler in resamplers])
        parts.append(drawn.mean(axis=0))
        squares += np.nansum((drawn - parts[-1] - own[:, None]) ** 2, axis=(0, 1))
    return Replicates(values, np.concatenate(parts), squares / n_resamples / max(1, len(values) - 1))


def _draws(n_patients: int, n_values: int, n_resamples: int, seed: int) -> Iterator[FloatArray]:
    """Counts of patients (r, P) in each resample, in chunks whose `n_values` a resample fit a bounded memory."""
    rng = np.random.default_rng(seed).spawn(1)[0]
    chunk = max(1, _CHUNK_ENTRIES // max(n_patients, n_values))
    for start in range(0, n_resamples, chunk):
        yield _counts(rng, min(chunk, n_resamples - start), n_patients)


def _counts(rng: np.random.Generator, n_rows: int, n_units: int) -> FloatArray:
    """(n_rows, n_units) how often each unit is among n_units draws with replacement."""
    drawn = rng.integers(0, n_units, (n_rows, n_units)) + n_units * np.arange(n_rows)[:, None]
    counts = np.bincount(drawn.ravel(), minlength=n_rows * n_units)
    return counts.reshape(n_rows, n_units).astype(np.float64)


def percentile_bounds(replicates: FloatArray, n_patients: int, confidence: float) -> FloatArray:
    """(2, C) percentile bounds of replicates (R, C); resamples in which a column has no known item are left out.

    NaN with fewer than two patients: then nothing is known of the spread.
    """
    bounds = np.full((2, replicates.shape[1]), np.nan)
    known = np.isfinite(replicates).any(axis=0)
    if n_patients > 1 and known.any():
        tail = (1 - confidence) / 2
        bounds[:, known] = np.nanquantile(replicates[:, known], [tail, 1 - tail], axis=0)
    return bounds


def check_finite(values: npt.ArrayLike, name: str) -> None:
    """Refuses values that are not finite.

    Args:
        values: Any shape.
        name: The values in the user's words, as "scores".

    Raises:
        InputError: When one is NaN or infinite.
    """
    numbers = np.asarray(values)
    lost = numbers.size - np.count_nonzero(np.isfinite(numbers))
    if lost:
        raise InputError(f"got {lost} of {numbers.size} {name} that are not finite; score every item, then try again")


def check_no_infinity(values: npt.ArrayLike, name: str) -> None:
    """Refuses infinite values where NaN stands for one that is not defined.

    Raises:
        InputError: When one is infinite.
    """
    numbers = np.asarray(values)
    lost = np.count_nonzero(np.isinf(numbers))
    if lost:
        raise InputError(f"got {lost} of {numbers.size} {name} that are infinite; allowed: NaN where undefined")
