"""The quality gate: is a candidate worse than its reference by more than a margin, on the same patients?

The difference is candidate minus reference, turned so that more is better, of the mean of the co-primary metrics of a
benchmark, or of the metric that ranks it. Its 95 % interval is over patients with all their volumes and over seeds
(`leaderboards.gate.difference`). Against the margin m = max(absolute, relative x reference):

    pass            lower bound >= -m
    regress         value < -m, and that anything was lost at all is sure: one-sided p <= .01, Holm over the benchmark
    inconclusive    anything else

so an unchanged candidate is an alarm once in a hundred comparisons at most, and no small loss is one however sure it
is. A comparison passes when all its lines pass (intersection-union test, Berger 1982, Technometrics 24:295) and
regresses when one line does. Measured: docs/pages/how-to/gate.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from statistics import fmean
from typing import Literal

from benchmarks.statistics.intervals import Interval, holm
from leaderboards.gate.comparison import RecordPair, Side, pairs_of
from leaderboards.gate.difference import Measured, SeedSpread, judged, measured, pooled_spread
from leaderboards.gate.margins import Guarded, Margins, guarded_metrics
from leaderboards.scores.method_rows import MethodRow
from selip.system.errors import InputError
from selip.system.mappings import grouped

GateOutcome = Literal["pass", "regress", "inconclusive"]
EXIT_CODES: Mapping[GateOutcome, int] = {"pass": 0, "regress": 1, "inconclusive": 3}
N_RESAMPLES = 2000
"""Enough for a variance over patients."""
LEVEL = 0.01
"""One-sided level at which anything was lost: so often at most an unchanged candidate is called regressed."""
_ROUNDING = 1e-5  # per-item scores are kept as float32


@dataclass(frozen=True)
class GateLine:
    """The guarded metrics of one method: their mean, over seeds too, on both sides.

    The difference is candidate minus reference, turned so that more is better; `spread` is that over seeds, of which
    its interval is made; `p_holm` is the one-sided p-value that nothing was lost, adjusted over the benchmark's lines.
    """

    pair: RecordPair
    guarded: Guarded
    reference: float
    candidate: float
    difference: Interval
    spread: SeedSpread
    p_holm: float

    @property
    def margin(self) -> float:
        """The loss that is allowed, >= 0."""
        return self.guarded.margin.of(self.reference)

    @property
    def outcome(self) -> GateOutcome:
        """The verdict; inconclusive where there is no interval."""
        if self.difference.lower >= -self.margin:
            return "pass"
        return "regress" if self.difference.value < -self.margin and self.p_holm <= LEVEL else "inconclusive"


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
        n_resamples: Resamples of the patients.
        progress: Called with (lines done, lines in all).

    Raises:
        InputError: When the two may not be compared, or there is nothing to guard.
    """
    pairs, left_out = pairs_of(reference, candidate)
    margins = guarded_metrics(reference.boards, own)
    wanted = [(pair, guarded) for pair in pairs for guarded in margins[pair.benchmark]]
    planned = [(pair, guarded) for pair, guarded in wanted if not guarded.lacking(pair)]
    left_out += [
        f"{p.label} on {p.benchmark}: has no {guarded.lacking(p)}" for p, guarded in wanted if guarded.lacking(p)
    ]
    if not planned:
        raise InputError(
            f"got nothing to guard in {reference.path} ({'; '.join(left_out)}); allowed: records of trained methods "
            "with a score; name others"
        )
    found = []
    for pair, guarded in planned:
        found.append((pair, guarded, measured(pair, guarded.keys, n_resamples)))
        progress(len(found), len(planned))
    families = groupby(found, key=lambda one: one[0].benchmark)
    lines = tuple(line for _, family in families for line in _lines(list(family)))
    return Gate(reference, candidate, lines, tuple(left_out), n_resamples)


def seed_policy(lines: Sequence[GateLine]) -> list[str]:
    """The spread over seeds that each metric was judged with, in words."""
    found = []
    for line in lines:
        runs = " and ".join(str(len(side)) for side in line.pair.seeds)
        known = f"SD {line.spread.sd:.3f} with {line.spread.df:.0f} degrees of freedom"
        if math.isnan(line.spread.sd):
            known = "nothing is known of their spread, and the interval holds none of it"
        found.append(f"{line.pair.benchmark} {line.guarded.name}: {runs} seeds, {known}")
    return list(dict.fromkeys(found))


def _lines(family: Sequence[tuple[RecordPair, Guarded, Measured]]) -> list[GateLine]:
    """The lines of one benchmark: spreads pooled by metric, p-values adjusted over all."""
    pools = grouped((guarded, one) for _, guarded, one in family)
    spreads = {guarded: pooled_spread(found, guarded.margin) for guarded, found in pools.items()}
    verdicts = [judged(one, spreads[guarded]) for _, guarded, one in family]
    adjusted = holm([p_value for _, p_value in verdicts])
    return [
        _line(pair, guarded, difference, spreads[guarded], p_holm)
        for (pair, guarded, _), (difference, _), p_holm in zip(family, verdicts, adjusted, strict=True)
    ]


def _line(pair: RecordPair, guarded: Guarded, difference: Interval, spread: SeedSpread, p_holm: float) -> GateLine:
    reference, candidate = (_value(row, guarded) for row in (pair.reference, pair.candidate))
    _check_scores(pair, guarded, difference.value, reference, candidate)
    return GateLine(pair, guarded, reference, candidate, difference, spread, p_holm)


def _check_scores(pair: RecordPair, guarded: Guarded, found: float, reference: float, candidate: float) -> None:
    """Refuses per-item scores that are not those of the records' values."""
    recorded = candidate - reference
    if not pair.reference.scored[0].metrics[guarded.keys[0]].higher_is_better:
        recorded = -recorded
    if not math.isclose(found, recorded, abs_tol=_ROUNDING * max(1.0, abs(reference))):
        raise InputError(
            f"got per-item scores of {pair.label} on {pair.benchmark} whose {guarded.name} differ by {found:+.6f} "
            f"where the records say {recorded:+.6f} (more is better); allowed: the Parquet files written with "
            "the records; run it again"
        )


def _value(row: MethodRow, guarded: Guarded) -> float:
    return fmean(value for key in guarded.keys for value in row.values(key))
