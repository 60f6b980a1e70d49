"""The bootstrap of one column, and of one pair of methods, at a time: the judges of those of whole tables."""

from __future__ import annotations

import numpy as np

from benchmarks.metrics.resampling import difference_of, replicates_of
from benchmarks.statistics.intervals import bootstrap_columns, differences_of, shared_patients
from benchmarks.statistics.pool_statistics import resampler_for


def patient_bootstrap(values, weights, patients, n_resamples=10_000, seed=0, statistic="mean", confidence=0.95):
    """Weighted mean or median of one column (n,) with its interval over patients."""
    column = np.asarray(values, dtype=np.float64)[:, None]
    return bootstrap_columns(column, weights, patients, n_resamples, seed, statistic, confidence)[0]


def paired_difference(a_frames, b_frames, metric, n_resamples=10_000, seed=0, statistic="mean", confidence=0.95):
    """Mean over seeds of metric(a) - metric(b), paired: the same patients are drawn for both."""
    patients = shared_patients([*a_frames, *b_frames])
    a, b = ([resampler_for(frame, metric, statistic) for frame in frames] for frames in (a_frames, b_frames))
    paired = [difference_of(*pair) for pair in zip(a, b, strict=True)]
    return differences_of(replicates_of(paired, len(patients), n_resamples, seed), len(patients), confidence)[0]
