"""Paired differences between methods, the contrasts fixed before any run, and groups that the data can separate."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from string import ascii_lowercase

from benchmarks.statistics.intervals import Difference, Interval, holm
from benchmarks.statistics.significance import rank_groups, sign_flip, smallest_detectable_difference
from benchmarks.statistics.table_intervals import row_intervals
from leaderboards.scores.benchmark_records import BenchmarkRecords
from leaderboards.scores.headlines import full_name
from leaderboards.scores.method_rows import MethodRow
from selip.records.metric_key import MetricKey

SEEDS_FOR_A_TEST = 8
"""Eight seeds of one sign have p = .0078, which is .039 after Holm over five contrasts; six have .031 and .16."""
ALPHA = 0.05
MATTERS = 0.03
"""The smallest difference of a score in [0, 1] that a study is to see, and that would matter."""


@dataclass(frozen=True)
class Comparison:
    """Row a minus row b on one metric (`pool/metric`), paired, with interval, and p-value from three seeds on.

    `p_holm` is adjusted over the declared contrasts of the family, NaN outside them; `p_seeds` is of the sign-flip test
    over seeds, NaN with fewer than SEEDS_FOR_A_TEST. `label` and `metric` are benchmark and metric in words.
    """

    a: str
    b: str
    key: str
    difference: Difference
    p_holm: float = math.nan
    p_seeds: float = math.nan
    benchmark: str = ""
    label: str = ""
    metric: str = ""
    higher_is_better: bool = True

    @property
    def name(self) -> str:
        """Its two rows."""
        return f"{self.a} − {self.b}"

    @property
    def known(self) -> bool:
        """True where there is an interval: with fewer than two patients there is none."""
        return math.isfinite(self.difference.lower)

    @property
    def is_tested(self) -> bool:
        """True where there are seeds enough to say anything of others."""
        return math.isfinite(self.difference.p_value)

    @property
    def separates(self) -> bool:
        """True where the interval of a tested difference leaves out 0."""
        return self.is_tested and (self.difference.lower > 0 or self.difference.upper < 0)

    @property
    def differs(self) -> bool:
        """True where the interval leaves out 0 and Holm's adjustment agrees."""
        return self.separates and self.p_holm <= ALPHA

    @property
    def is_negligible(self) -> bool:
        """True where the whole interval lies nearer to 0 than a difference that matters; never of errors and ranks."""
        return self.is_tested and self.higher_is_better and max(map(abs, self.difference[1:3])) < MATTERS

    @property
    def gain(self) -> Difference:
        """The difference turned so that more is better."""
        return self.difference if self.higher_is_better else self.difference.negated

    @property
    def smallest(self) -> float:
        """True difference that is found with 80 % power at the level .05; NaN where it is not tested."""
        return smallest_detectable_difference(self.difference)

    @property
    def turned(self) -> Comparison:
        """Row b minus row a."""
        return replace(self, a=self.b, b=self.a, difference=self.difference.negated)


@dataclass(frozen=True)
class Standing:
    """Every complete row on one metric, best first, and every pair (better, worse), from the same resamples.

    Intervals are over seeds and patients; rows without per-item scores have none, and no comparison.
    """

    key: str
    ranking: tuple[str, ...]
    intervals: Mapping[str, Interval]
    comparisons: Mapping[tuple[str, str], Comparison]

    def between(self, a: str, b: str) -> Comparison | None:
        """Row a minus row b, None when one of them has no per-item scores or is not complete."""
        if (a, b) in self.comparisons:
            return self.comparisons[a, b]
        found = self.comparisons.get((b, a))
        return found.turned if found else None

    @property
    def groups(self) -> dict[str, str]:
        """Group letters by label: two rows share one exactly when no interval separates them.

        Empty when a pair is not tested: then nothing is known of what the data can separate.
        """
        found = list(self.comparisons.values())
        if len(found) < math.comb(len(self.ranking), 2) or not all(comparison.is_tested for comparison in found):
            return {}
        return group_letters(self.ranking, [(c.a, c.b) for c in found if c.separates])

    def declared(self, contrasts: Sequence[tuple[str, str]]) -> list[Comparison]:
        """The contrasts fixed before any run that are there, without Holm's adjustment."""
        found = (self.between(a, b) for a, b in contrasts)
        return [comparison for comparison in found if comparison]


def standing_of(board: BenchmarkRecords, key: str, n_resamples: int) -> Standing:
    """Every complete row and every pair of them on metric `key`, in one pass."""
    rows = {row.label: row for row in ranked(board, key)}
    frames = {label: found for label, row in rows.items() if (found := board.frames(row, key))}
    if not frames:
        return Standing(key, tuple(rows), {}, {})
    metric, statistic = MetricKey.parse(key).metric, next(iter(rows.values())).scored[0].metrics[key].statistic
    passed = row_intervals(frames, [metric], n_resamples=n_resamples, statistic=statistic)
    intervals = {label: interval for (label, _), interval in passed.intervals.items()}
    comparisons = {
        (a, b): _comparison(board, rows[a], rows[b], key, difference)
        for (a, b, _), difference in passed.differences.items()
    }
    return Standing(key, tuple(rows), intervals, comparisons)


def compare_pairs(
    board: BenchmarkRecords, pairs: Sequence[tuple[MethodRow, MethodRow]], key: str, n_resamples: int
) -> list[Comparison]:
    """Row a minus row b for each pair, in order, without pairs that lack per-item scores of this metric."""
    rows = {row.label: row for pair in pairs for row in pair if board.frames(row, key)}
    kept = [(a.label, b.label) for a, b in pairs if a.label in rows and b.label in rows]
    if not kept:
        return []
    metric, statistic = MetricKey.parse(key).metric, next(iter(rows.values())).scored[0].metrics[key].statistic
    frames = {label: board.frames(row, key) for label, row in rows.items()}
    found = row_intervals(frames, [metric], kept, n_resamples=n_resamples, statistic=statistic).differences
    return [_comparison(board, rows[a], rows[b], key, found[a, b, metric]) for a, b in kept]


def _comparison(board: BenchmarkRecords, a: MethodRow, b: MethodRow, key: str, difference: Difference) -> Comparison:
    p_seeds, declared = math.nan, board.declared
    if len(a.scored) >= SEEDS_FOR_A_TEST:
        p_seeds = sign_flip([one - other for one, other in zip(a.values(key), b.values(key), strict=True)])
    return Comparison(
        a.label, b.label, key, difference, p_seeds=p_seeds, benchmark=board.benchmark, label=declared.label,
        metric=full_name(declared, key), higher_is_better=board.is_higher_better(key),
    )  # fmt: skip


def adjusted(comparisons: Sequence[Comparison], family: int = 0) -> list[Comparison]:
    """The comparisons with Holm's adjustment over those of them that have a p-value.

    Of the `family` of comparisons that were planned, those without a result count with p = 1.
    """
    known = [comparison for comparison in comparisons if comparison.is_tested]
    unknown = [1.0] * max(0, family - len(known))
    p_values = dict(zip(known, holm([*(c.difference.p_value for c in known), *unknown]), strict=False))
    return [replace(comparison, p_holm=p_values.get(comparison, math.nan)) for comparison in comparisons]


def declared_contrasts(board: BenchmarkRecords, key: str, n_resamples: int) -> list[Comparison]:
    """The contrasts fixed before any run whose two methods are complete; Holm over all, run or not."""
    rows = [(board.row(first), board.row(second)) for first, second in board.contrasts]
    found = compare_pairs(board, [(a, b) for a, b in rows if a and b], key, n_resamples)
    return adjusted(found, family=len(board.contrasts))


def differences_to(board: BenchmarkRecords, reference: MethodRow, key: str, n_resamples: int) -> list[Comparison]:
    """Every other complete row minus `reference`, best first."""
    pairs = [(row, reference) for row in board.complete if row != reference]
    return sorted(compare_pairs(board, pairs, key, n_resamples), key=lambda c: (-c.gain.value, c.a))


def ranked(board: BenchmarkRecords, key: str) -> list[MethodRow]:
    """Complete rows that have the metric, best mean over seeds first; ties by label."""
    sign = -1 if board.is_higher_better(key) else 1
    rows = [row for row in board.complete if all(key in record.metrics for record in row.scored)]
    return sorted(rows, key=lambda row: (sign * sum(row.values(key)) / len(row.scored), row.label))


def group_letters(ranking: Sequence[str], separated: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Compact letter display: two labels share a letter exactly when they are not a separated pair.

    Groups are lettered in the order of the ranking, best first.
    """
    groups = rank_groups(ranking, separated)
    letters = [ascii_lowercase[i % 26] * (1 + i // 26) for i in range(len(groups))]
    return {
        label: "".join(letter for letter, group in zip(letters, groups, strict=True) if label in group)
        for label in ranking
    }
