"""Uncertainty of a metric: bootstrap over patients, and over seeds and patients.

The unit of resampling is the patient with all their items.

Over seeds the bootstrap is hierarchical: seeds are drawn, then patients. Every seed is tested on the same patients, so
one draw of patients serves all drawn seeds. Drawing afresh within each seed would treat the same patients as new ones
and shrink their share of the variance by the number of seeds.

With fewer than two patients nothing is known of the spread: the bounds are NaN, not the value.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmarks.resampling import FloatArray, Resampler, difference_of, replicates_of, resampler_of
from selip.errors import InputError


class Interval(NamedTuple):
    """A value with the bounds of its percentile interval, NaN where the spread is unknown."""

    value: float
    lower: float
    upper: float


class Difference(NamedTuple):
    """A paired difference, its interval, and the two-sided bootstrap p-value, at least 2 / (R + 1)."""

    value: float
    lower: float
    upper: float
    p_value: float


def patient_bootstrap(
    values: npt.ArrayLike,
    weights: npt.ArrayLike,
    patients: npt.ArrayLike,
    n_resamples: int = 10_000,
    seed: int = 0,
    statistic: str = "mean",
    confidence: float = 0.95,
) -> Interval:
    """Weighted mean or median of one column with its interval over patients.

    Args:
        values: (n,) scores; NaN is left out.
        weights: (n,) weights > 0.
        patients: (n,) patient of each item.
        n_resamples: Number of resamples.
        seed: Seed of the resamples.
        statistic: "mean" or "median".
        confidence: Coverage in (0, 1).
    """
    column = np.asarray(values, dtype=np.float64)[:, None]
    return bootstrap_columns(column, weights, patients, n_resamples, seed, statistic, confidence)[0]


def bootstrap_columns(
    values: npt.ArrayLike,
    weights: npt.ArrayLike,
    patients: npt.ArrayLike,
    n_resamples: int = 10_000,
    seed: int = 0,
    statistic: str = "mean",
    confidence: float = 0.95,
) -> list[Interval]:
    """`patient_bootstrap` of all columns (n, C) at once, with the same resamples for each."""
    names, codes = np.unique(np.asarray(patients), return_inverse=True)
    resampler = resampler_of(np.asarray(values, np.float64), np.asarray(weights, np.float64), codes, statistic)
    values_at = resampler(np.ones((1, len(names))))[0]
    lower, upper = _bounds(replicates_of([resampler], len(names), n_resamples, seed), len(names), confidence)
    return [Interval(*map(float, row)) for row in zip(values_at, lower, upper, strict=True)]


def hierarchical_bootstrap(
    frames: Sequence[pd.DataFrame],
    metric: str,
    n_resamples: int = 10_000,
    seed: int = 0,
    statistic: str = "mean",
    confidence: float = 0.95,
) -> Interval:
    """Mean over seeds of a metric, with an interval over seeds and patients.

    Args:
        frames: Per-item scores of one pool, one frame a seed: columns patient_id, weight and `metric`.
        metric: Column to summarise.
        n_resamples: Number of resamples.
        seed: Seed of the resamples.
        statistic: "mean" or "median", within a seed.
        confidence: Coverage in (0, 1).

    Raises:
        InputError: When the frames are of different patients.
    """
    patients = _shared_patients(frames)
    resamplers = [_frame_resampler(frame, metric, patients, statistic) for frame in frames]
    lower, upper = _bounds(replicates_of(resamplers, len(patients), n_resamples, seed), len(patients), confidence)
    return Interval(_mean_value(resamplers, len(patients)), float(lower[0]), float(upper[0]))


def paired_difference(
    a_frames: Sequence[pd.DataFrame],
    b_frames: Sequence[pd.DataFrame],
    metric: str,
    n_resamples: int = 10_000,
    seed: int = 0,
    statistic: str = "mean",
    confidence: float = 0.95,
) -> Difference:
    """Mean over seeds of metric(a) - metric(b), paired: the same seeds and patients are drawn for both.

    Args:
        a_frames: Per-item scores as in `hierarchical_bootstrap`; a_frames[k] and b_frames[k] are of one seed.
        b_frames: The same for the method that is subtracted.
        metric: Column to compare.
        n_resamples: Number of resamples.
        seed: Seed of the resamples.
        statistic: "mean" or "median", within a seed.
        confidence: Coverage in (0, 1).

    Raises:
        InputError: When the seeds or the patients of the two differ.
    """
    if len(a_frames) != len(b_frames):
        raise InputError(
            f"got {len(a_frames)} and {len(b_frames)} seeds; allowed: the same seeds; run the missing ones"
        )
    patients = _shared_patients([*a_frames, *b_frames])
    a, b = ([_frame_resampler(f, metric, patients, statistic) for f in frames] for frames in (a_frames, b_frames))
    paired = [difference_of(*pair) for pair in zip(a, b, strict=True)]
    replicates = replicates_of(paired, len(patients), n_resamples, seed)
    lower, upper = _bounds(replicates, len(patients), confidence)
    p_value = _p_value(replicates[:, 0]) if len(patients) > 1 else float("nan")
    return Difference(_mean_value(paired, len(patients)), float(lower[0]), float(upper[0]), p_value)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjustment (Holm 1979, Scand. J. Statist. 6:65), in the order given."""
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(stepped, 1.0)
    return [float(value) for value in adjusted]


def _bounds(replicates: FloatArray, n_patients: int, confidence: float) -> FloatArray:
    """(2, C) percentile bounds; resamples in which a column has no known item are left out."""
    n_columns = replicates.shape[1]
    bounds = np.full((2, n_columns), np.nan)
    known = np.isfinite(replicates).any(axis=0)
    if n_patients > 1 and known.any():
        tail = (1 - confidence) / 2
        bounds[:, known] = np.nanquantile(replicates[:, known], [tail, 1 - tail], axis=0)
    return bounds


def _p_value(replicates: FloatArray) -> float:
    below, above = np.count_nonzero(replicates <= 0), np.count_nonzero(replicates >= 0)
    return float(min(1.0, 2 * (min(below, above) + 1) / (len(replicates) + 1)))


def _mean_value(resamplers: Sequence[Resampler], n_patients: int) -> float:
    once = np.ones((1, n_patients))
    return float(np.mean([resampler(once)[0, 0] for resampler in resamplers]))


def _shared_patients(frames: Sequence[pd.DataFrame]) -> list[str]:
    found = {tuple(sorted(set(frame["patient_id"]))) for frame in frames}
    if len(found) != 1:
        raise InputError(
            f"got {len(found)} different sets of patients; allowed: the same in every frame; use one split"
        )
    return list(found.pop())


def _frame_resampler(frame: pd.DataFrame, metric: str, patients: Sequence[str], statistic: str) -> Resampler:
    codes = pd.Index(patients).get_indexer(frame["patient_id"])
    values = frame[[metric]].to_numpy(np.float64)
    return resampler_of(values, frame["weight"].to_numpy(np.float64), codes, statistic)
