"""The quality gate: is a candidate worse than its reference by more than a margin, on the same patients?

The difference is candidate minus reference, turned so that more is better, with the 95 % percentile interval of a
paired bootstrap over patients with all their volumes. Against the margin m = max(absolute, relative x reference):

    pass            lower bound >= -m
    regress         upper bound < -m, and Holm's adjustment over all lines of the comparison agrees
    inconclusive    anything else: the interval straddles -m

so "the lower bound is under -m" alone is not yet a regression, it is one when the whole interval is. A comparison
passes when all its lines pass: each is tested at its own level, and that needs no adjustment (intersection-union test,
Berger 1982, Technometrics 24:295). It regresses when one line does, and with many lines one would by chance, so those
p-values are adjusted by Holm.

Seeds: with the same several seeds on both sides, seeds are drawn too (hierarchical bootstrap), the k-th seed of one
side paired with that of the other. Otherwise each side is the mean over its own seeds and patients alone are drawn; the
interval then holds no spread between seeds, and the margin has to allow for it, as the packaged ones do.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from benchmarks.metrics.resampling import Resampler, difference_of, mean_of
from benchmarks.statistics.intervals import Interval, holm, intervals_of, shared_patients
from benchmarks.statistics.pool_statistics import resampler_for
from leaderboards.gate.comparison import Pair, Side, pairs_of
from leaderboards.gate.margins import Margin, Margins, guarded_metrics
from leaderboards.scores.benchmark_records import MethodRow
from selip.records.metric_key import MetricKey
from selip.system.arrays import FloatArray
from selip.system.errors import InputError

GateOutcome = Literal["pass", "regress", "inconclusive"]
EXIT_CODES: Mapping[GateOutcome, int] = {"pass": 0, "regress": 1, "inconclusive": 3}
N_RESAMPLES = 10_000
CONFIDENCE = 0.95
LEVEL = (1 - CONFIDENCE) / 2
"""One-sided level at which a line regresses: that of one bound of the interval."""
_ROUNDING = 1e-5  # per-item scores are kept as float32
_RESAMPLES_PER_LINE = 100
"""So that Holm's first step, 1 / (R + 1) times the number of lines, stays well under LEVEL."""


@dataclass(frozen=True)
class GateLine:
    """One guarded metric (`pool/metric`) of one method: its mean over seeds on both sides.

    The difference is candidate minus reference, turned so that more is better; `margin` >= 0 is what it may lose;
    `p_value` is the one-sided bootstrap's that the loss is no larger, `p_holm` the same, adjusted over the lines of the
    comparison.
    """

    pair: Pair
    key: str
    reference: float
    candidate: float
    difference: Interval
    margin: float
    p_value: float
    p_holm: float = math.nan

    @property
    def outcome(self) -> GateOutcome:
        """The verdict that follows from the interval; inconclusive where there is none."""
        if self.difference.lower >= -self.margin:
            return "pass"
        return "regress" if self.difference.upper < -self.margin and self.p_holm <= LEVEL else "inconclusive"


@dataclass(frozen=True)
class Gate:
    """A comparison: a line a method, benchmark and guarded metric; rows that are not guarded, with the reason."""

    reference: Side
    candidate: Side
    lines: tuple[GateLine, ...]
    left_out: tuple[str, ...]
    n_resamples: int

    @property
    def outcome(self) -> GateOutcome:
        """Regress when a line does, else inconclusive when one is, else pass."""
        found = {line.outcome for line in self.lines}
        return "regress" if "regress" in found else "inconclusive" if "inconclusive" in found else "pass"

    @property
    def exit_code(self) -> int:
        """0 pass, 1 regress, 3 inconclusive."""
        return EXIT_CODES[self.outcome]


def compare(
    reference: Side,
    candidate: Side,
    own: Margins,
    n_resamples: int = N_RESAMPLES,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Gate:
    """Compares a candidate to its reference; see the module's docstring.

    Args:
        reference: What is compared to.
        candidate: What is compared.
        own: Margins beside the packaged ones.
        n_resamples: Bootstrap resamples; raised to 100 a line where there are many lines.
        progress: Called with (lines done, lines in all).

    Raises:
        InputError: When the two may not be compared, or there is nothing to guard.
    """
    pairs, left_out = pairs_of(reference, candidate)
    margins = guarded_metrics(reference.boards, own)
    wanted = [(pair, key, margin) for pair in pairs for key, margin in margins[pair.benchmark].items()]
    planned = [(pair, key, margin) for pair, key, margin in wanted if key in pair.reference.scored[0].metrics]
    left_out += [
        f"{pair.label} on {pair.benchmark}: has no {key}"
        for pair, key, _ in wanted
        if key not in pair.reference.scored[0].metrics
    ]
    if not planned:
        raise InputError(
            f"got nothing to guard in {reference.path} ({'; '.join(left_out)}); allowed: records of trained methods "
            "with a score; name others"
        )
    n_resamples = max(n_resamples, _RESAMPLES_PER_LINE * len(planned))
    lines = []
    for pair, key, margin in planned:
        lines.append(_line(pair, key, margin, n_resamples))
        progress(len(lines), len(planned))
    return Gate(reference, candidate, _adjusted(lines), tuple(left_out), n_resamples)


def seed_policy(reference: Sequence[int], candidate: Sequence[int]) -> str:
    """The treatment of the seeds of both sides, in words."""
    if _paired(reference, candidate):
        return f"the same {len(reference)} seeds on both sides: drawn with the patients, seed paired with seed"
    ours, theirs = (", ".join(map(str, seeds)) for seeds in (reference, candidate))
    return (
        f"{ours} in the reference, {theirs} in the candidate: mean over the seeds of each side, patients alone are "
        "drawn, so the intervals hold no spread between seeds"
    )


def _paired(reference: Sequence[int], candidate: Sequence[int]) -> bool:
    return len(reference) > 1 and list(reference) == list(candidate)


def _line(pair: Pair, key: str, margin: Margin, n_resamples: int) -> GateLine:
    frames = pair.frames(key)
    n_patients = len(shared_patients([*frames[0], *frames[1]]))
    reference, candidate = (_value(row, key) for row in (pair.reference, pair.candidate))
    intervals, replicates = intervals_of(_differences(pair, key), n_patients, n_resamples, 0, CONFIDENCE)
    _check_scores(pair, key, intervals[0].value, reference, candidate)
    allowed = margin.of(reference)
    p_value = _share_within(replicates[:, 0], allowed) if n_patients > 1 else 1.0
    return GateLine(pair, key, reference, candidate, intervals[0], allowed, p_value)


def _check_scores(pair: Pair, key: str, found: float, reference: float, candidate: float) -> None:
    """Refuses per-item scores that are not those of the records' values."""
    recorded = candidate - reference
    if not pair.reference.scored[0].metrics[key].higher_is_better:
        recorded = -recorded
    if not math.isclose(found, recorded, abs_tol=_ROUNDING * max(1.0, abs(reference))):
        raise InputError(
            f"got per-item scores of {pair.label} on {pair.benchmark} whose {key} differ by {found:+.6f} where the "
            f"records say {recorded:+.6f} (more is better); allowed: the Parquet files written with "
            "the records; run it again"
        )


def _value(row: MethodRow, key: str) -> float:
    return sum(row.values(key)) / len(row.scored)


def _differences(pair: Pair, key: str) -> list[Resampler]:
    """Candidate minus reference as functions of the patients drawn, more is better: one a seed, or one of the means."""
    metric = pair.reference.scored[0].metrics[key]
    name = MetricKey.parse(key).metric
    sides = [[resampler_for(frame, name, metric.statistic) for frame in frames] for frames in pair.frames(key)]
    better, worse = reversed(sides) if metric.higher_is_better else sides
    if _paired(*pair.seeds):
        return [difference_of(*both) for both in zip(better, worse, strict=True)]
    return [difference_of(mean_of(better), mean_of(worse))]


def _share_within(replicates: FloatArray, margin: float) -> float:
    """Share of replicates (R,) whose loss is within the margin, the sample itself counted; 1 where none is defined."""
    known = replicates[np.isfinite(replicates)]
    return float((np.count_nonzero(known >= -margin) + 1) / (len(known) + 1))


def _adjusted(lines: Sequence[GateLine]) -> tuple[GateLine, ...]:
    adjusted = holm([line.p_value for line in lines])
    return tuple(replace(line, p_holm=p_holm) for line, p_holm in zip(lines, adjusted, strict=True))
