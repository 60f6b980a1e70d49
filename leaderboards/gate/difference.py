"""Candidate minus reference on one guarded metric: its variance by patients and by seeds.

Runs of another candidate are other runs, whatever their seeds: the seeds of a side are independent of the other side's,
apart from the share of their luck with single patients that both sides have in common. It is 1 for equal scores, so a
candidate that changes nothing differs by exactly 0, and about 0 for what was trained anew.

Three seeds hardly know their own spread. It is pooled over the rows of a benchmark and both sides, and steadied by the
packaged one, weighted by degrees of freedom (moderated t, Smyth 2004, Stat. Appl. Genet. Mol. Biol. 3:3), unless it is
clearly larger. With one seed the packaged one stands alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import f as fisher
from scipy.stats import t

from benchmarks.metrics.resampling import Replicates, Resampler, difference_of, mean_of, replicates_of
from benchmarks.statistics.intervals import Interval, pooled_df, shared_patients
from benchmarks.statistics.pool_statistics import resampler_for
from leaderboards.gate.comparison import RecordPair
from leaderboards.gate.margins import Margin
from selip.records.metric_key import MetricKey

CONFIDENCE = 0.95
_CLEARLY = 0.01
"""Level at which a spread is larger than the packaged one (F test)."""


class SeedSpread(NamedTuple):
    """Standard deviation of a metric over seeds, NaN where nothing is known of it, and its degrees of freedom."""

    sd: float
    df: float


@dataclass(frozen=True)
class Measured:
    """Candidate minus reference, turned so that more is better.

    Attributes:
        value: Of the means over seeds.
        patients: Variance over patients with the seeds held, less the seeds' luck with single patients.
        n_patients: Number of patients.
        runs: Number of seeds of the reference and of the candidate.
        own: Variance over the seeds of each side; 0 for one seed.
        shared: Share of the seeds' luck that both sides have in common.
    """

    value: float
    patients: float
    n_patients: int
    runs: tuple[int, int]
    own: tuple[float, float]
    shared: float


def measured(pair: RecordPair, keys: Sequence[str], n_resamples: int) -> Measured:
    """The mean of some metrics of one pair of rows on the same resamples of the patients."""
    reference, candidate = (_resamplers(pair, keys, side) for side in (0, 1))
    n_patients = len(shared_patients([frame for side in pair.frames(keys[0]) for frame in side]))
    ours, theirs = (replicates_of(side, n_patients, n_resamples, 0) for side in (reference, candidate))
    shared = 0.0
    if pair.seeds[0] == pair.seeds[1]:
        gaps = [difference_of(*both) for both in zip(candidate, reference, strict=True)]
        shared = _shared(replicates_of(gaps, n_patients, n_resamples, 0), float(ours.noise[0] + theirs.noise[0]))
    runs = len(reference), len(candidate)
    noise = (1 - shared) * float(ours.noise[0] / runs[0] + theirs.noise[0] / runs[1])
    cases = float(np.nanvar(theirs.cases - ours.cases)) if n_patients > 1 else math.nan
    own = tuple(float(side.values.var(ddof=1)) if len(side.values) > 1 else 0.0 for side in (ours, theirs))
    value = float(theirs.values.mean() - ours.values.mean())
    return Measured(value, max(cases - noise, 0.0), n_patients, runs, (own[0], own[1]), shared)


def _resamplers(pair: RecordPair, keys: Sequence[str], side: int) -> list[Resampler]:
    """Mean of the metrics of each seed of a side, more is better."""
    frames = zip(*(pair.frames(key)[side] for key in keys), strict=True)
    return [mean_of([_better(pair, key, frame) for key, frame in zip(keys, found, strict=True)]) for found in frames]


def _better(pair: RecordPair, key: str, frame: pd.DataFrame) -> Resampler:
    metric = pair.reference.scored[0].metrics[key]
    found = resampler_for(frame, MetricKey.parse(key).metric, metric.statistic)
    return found if metric.higher_is_better else lambda counts: -found(counts)


def _shared(gaps: Replicates, noise: float) -> float:
    """The share of both sides' luck that is gone from the difference of equal seeds."""
    if not (gaps.values.any() or np.nan_to_num(gaps.cases).any()):
        return 1.0
    return min(1.0, max(0.0, 1 - float(gaps.noise[0]) / noise)) if noise > 0 else 0.0


def pooled_spread(found: Sequence[Measured], margin: Margin) -> SeedSpread:
    """The spread of seeds of one metric over rows and sides, steadied by that of the margins file."""
    sides = [(n - 1, own) for one in found for n, own in zip(one.runs, one.own, strict=True)]
    df, squares = sum(n for n, _ in sides), sum(n * own for n, own in sides)
    known, packaged = df + margin.seed_df, margin.seed_sd**2
    if not known:
        return SeedSpread(math.nan, math.nan)
    if df and margin.seed_df and packaged > 0 and fisher.sf(squares / df / packaged, df, margin.seed_df) < _CLEARLY:
        return SeedSpread(math.sqrt(squares / df), df)
    return SeedSpread(math.sqrt((squares + margin.seed_df * packaged) / known), known)


def judged(one: Measured, spread: SeedSpread) -> tuple[Interval, float]:
    """The interval of a difference, and the one-sided p-value that nothing was lost.

    Over patients alone where nothing is known of the spread over seeds.
    """
    seeds = (1 - one.shared) * (0.0 if math.isnan(spread.sd) else spread.sd**2) * sum(1 / n for n in one.runs)
    error = math.sqrt(one.patients + seeds)
    if not error > 0:
        return Interval(one.value, one.value + 0 * error, one.value + 0 * error), float(one.value >= 0)
    df = pooled_df(np.array([one.patients]), np.array([seeds]), one.n_patients - 1, spread.df if seeds else 1.0)[0]
    reach = float(t.ppf((1 + CONFIDENCE) / 2, df)) * error
    return Interval(one.value, one.value - reach, one.value + reach), float(t.cdf(one.value / error, df))
