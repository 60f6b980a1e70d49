"""Agreement of two boards on the order of methods: does the ranking on simulated patients predict that on real ones?

For a task that both boards have, Spearman's rank correlation over the methods that both scored; over all tasks its
mean. The interval draws methods anew, the same for every task; a method's score is its mean over seeds and patients.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.metrics.rank_correlation import spearman_resampler
from benchmarks.metrics.resampling import Resampler
from leaderboards.scores.benchmark_scores import BenchmarkScores, tasks_of
from leaderboards.scores.tidy_table import KEY, Estimate
from selip.system.arrays import FloatArray

FEWEST_METHODS = 5
"""Of fewer a rank correlation says nothing: there are 24 orders of four."""
_BOUNDS = (2.5, 97.5)


@dataclass(frozen=True)
class Pair:
    """Scores of one method on one task, on the one board and on the other."""

    method: str
    one: float
    other: float
    trained: bool


@dataclass(frozen=True)
class RankAgreement:
    """Rank correlation of two boards.

    Attributes:
        pairs: Task in words to the methods that both boards have, sorted.
        tasks: Task to its rank correlation over all methods, with bounds.
        mean: Mean over tasks.
        trained: Mean over tasks among trained methods alone: that untrained ones are worst is no news. NaN where there
            are too few.
        left_out: Task to the reason why it has no number.
    """

    pairs: Mapping[str, Sequence[Pair]]
    tasks: Mapping[str, Estimate]
    mean: Estimate
    trained: Estimate
    left_out: Mapping[str, str]


def rank_agreement(
    sheets: Iterable[BenchmarkScores], others: Iterable[BenchmarkScores], n_resamples: int
) -> RankAgreement:
    """Agreement on the tasks that sheets of two boards share."""
    beside = {sheet.name: sheet for sheet in others}
    pairs = {
        task.name: _pairs(sheet, beside[sheet.name], task.key)
        for sheet in sheets
        if sheet.name in beside
        for task in tasks_of(sheet)
        if task.key in {one.key for one in tasks_of(beside[sheet.name])}
    }
    known = {name: found for name, found in pairs.items() if len(found) >= FEWEST_METHODS}
    reason = "fewer than {} methods that both boards have: {}"
    lost = {name: reason.format(FEWEST_METHODS, len(found)) for name, found in pairs.items() if name not in known}
    trained = {name: [pair for pair in found if pair.trained] for name, found in known.items()}
    enough = {name: found for name, found in trained.items() if len(found) >= FEWEST_METHODS}
    tasks, mean = correlations(known, n_resamples)
    return RankAgreement(known, tasks, mean, correlations(enough, n_resamples)[1], lost)


def correlations(pairs: Mapping[str, Sequence[Pair]], n_resamples: int) -> tuple[dict[str, Estimate], Estimate]:
    """Rank correlation of each task, and the mean over tasks, with bounds of resampled methods.

    A draw in which a task has one score alone, as of a single method, does not count for that task.
    """
    methods = sorted({pair.method for found in pairs.values() for pair in found})
    if not methods:
        return {}, Estimate(np.nan)
    draws = np.random.default_rng(0).multinomial(len(methods), [1 / len(methods)] * len(methods), n_resamples)
    counts = np.concatenate([np.ones((1, len(methods))), draws.astype(np.float64)])
    found = {name: _statistic(own, methods)(counts)[:, 0] for name, own in pairs.items()}
    with np.errstate(invalid="ignore"):
        table = np.stack([*found.values()])
        known = np.isfinite(table)
        mean = np.where(known, table, 0).sum(axis=0) / np.where(known.any(axis=0), known.sum(axis=0), np.nan)
    return {name: _estimate(values) for name, values in found.items()}, _estimate(mean)


def _statistic(pairs: Sequence[Pair], methods: Sequence[str]) -> Resampler:
    one, other = (np.array([getattr(pair, side) for pair in pairs], dtype=np.float64) for side in ("one", "other"))
    codes = np.array([methods.index(pair.method) for pair in pairs], dtype=np.intp)
    return spearman_resampler(one, other, np.ones(len(pairs)), codes)


def _estimate(values: FloatArray) -> Estimate:
    """The first is the value, the others are resamples."""
    drawn = values[1:][np.isfinite(values[1:])]
    lower, upper = np.percentile(drawn, _BOUNDS) if len(drawn) else (np.nan, np.nan)
    return Estimate(float(values[0]), float(lower), float(upper))


def _pairs(one: BenchmarkScores, other: BenchmarkScores, key: str) -> list[Pair]:
    ours, theirs = _values(one, key), _values(other, key)
    return [Pair(name, ours[name][0], theirs[name][0], ours[name][1]) for name in sorted({*ours} & {*theirs})]


def _values(sheet: BenchmarkScores, key: str) -> dict[str, tuple[float, bool]]:
    """Method to its score in a metric, mean over seeds, and whether it is trained; of complete rows."""
    frame = sheet.frame[(sheet.frame[KEY] == key) & sheet.frame["value"].notna()]
    values = {(line.method, line.ablation): float(line.value) for line in frame.itertuples()}
    rows = [row for row in sheet.board.complete if not row.external and (row.method, row.ablation) in values]
    return {row.label: (values[row.method, row.ablation], row.is_trained) for row in rows}
