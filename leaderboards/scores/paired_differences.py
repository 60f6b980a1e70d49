"""Paired differences between methods, the contrasts fixed before any run, and groups that the data can separate."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from string import ascii_lowercase

from benchmarks.statistics.intervals import Difference, Interval, holm
from benchmarks.statistics.significance import rank_groups, sign_flip, smallest_detectable_difference
from benchmarks.statistics.table_intervals import hierarchical_columns
from leaderboards.scores.benchmark_records import Board, Row

PRIMARY = "abnormal/image_to_text_R@10"
COMPARED = (PRIMARY, "abnormal/text_to_image_R@10", "abnormal/image_to_text_nDCG@10")
SEEDS_FOR_A_TEST = 6
ALPHA = 0.05


@dataclass(frozen=True)
class Comparison:
    """Row a minus row b on one metric.

    Attributes:
        a: Label of the first row.
        b: Label of the row that is subtracted.
        key: Metric, `pool/metric`.
        difference: Paired difference with interval and bootstrap p-value.
        p_holm: p-value adjusted over the declared contrasts of this family of metrics; NaN outside them.
        p_seeds: p-value of the sign-flip test over seeds; NaN with fewer than SEEDS_FOR_A_TEST of them.
        benchmark: Benchmark of the metric.
    """

    a: str
    b: str
    key: str
    difference: Difference
    p_holm: float = math.nan
    p_seeds: float = math.nan
    benchmark: str = "retrieval"

    @property
    def known(self) -> bool:
        """Whether there is an interval: with fewer than two patients there is none."""
        return math.isfinite(self.difference.lower)

    @property
    def separates(self) -> bool:
        """Whether the interval leaves out 0."""
        return self.difference.lower > 0 or self.difference.upper < 0

    @property
    def differs(self) -> bool:
        """Whether the interval leaves out 0 and Holm's adjustment agrees."""
        return self.separates and self.p_holm <= ALPHA

    @property
    def smallest(self) -> float:
        """True difference that is found with 80 % power at the level .05; NaN without an interval."""
        return smallest_detectable_difference(self.difference)

    @property
    def turned(self) -> Comparison:
        """Row b minus row a."""
        value, lower, upper, p_value = self.difference
        return replace(self, a=self.b, b=self.a, difference=Difference(-value, -upper, -lower, p_value))


@dataclass(frozen=True)
class Standing:
    """Every complete row on one metric, and every pair of them, from the same resamples.

    Attributes:
        key: Metric, `pool/metric`.
        ranking: Labels, best first.
        intervals: By label; over seeds and patients. Without rows that lack per-item scores.
        comparisons: (better, worse) label -> better minus worse. Without rows that lack per-item scores.
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
        """Group letters by label as in `separable_groups`."""
        found = list(self.comparisons.values())
        if len(found) < math.comb(len(self.ranking), 2) or not all(comparison.known for comparison in found):
            return {}
        return group_letters(self.ranking, [(c.a, c.b) for c in found if c.separates])

    def declared(self, contrasts: Sequence[tuple[str, str]]) -> list[Comparison]:
        """The contrasts fixed before any run that are there, without Holm's adjustment."""
        found = (self.between(a, b) for a, b in contrasts)
        return [comparison for comparison in found if comparison]


def standing_of(board: Board, key: str, n_resamples: int) -> Standing:
    """Every complete row and every pair of them on metric `key`, in one pass."""
    rows = {row.label: row for row in ranked(board, key)}
    frames = {label: found for label, row in rows.items() if (found := board.frames(row, key))}
    if not frames:
        return Standing(key, tuple(rows), {}, {})
    metric, statistic = key.split("/", 1)[1], next(iter(rows.values())).scored[0].metrics[key].statistic
    passed = hierarchical_columns(frames, [metric], n_resamples=n_resamples, statistic=statistic)
    intervals = {label: interval for (label, _), interval in passed.intervals.items()}
    comparisons = {
        (a, b): Comparison(a, b, key, difference, math.nan, _over_seeds(rows[a], rows[b], key), board.benchmark)
        for (a, b, _), difference in passed.differences.items()
    }
    return Standing(key, tuple(rows), intervals, comparisons)


def _over_seeds(a: Row, b: Row, key: str) -> float:
    """Sign-flip p-value of row a minus row b over seeds; NaN with too few of them for p < .05."""
    if len(a.scored) < SEEDS_FOR_A_TEST:
        return math.nan
    values = [[record.metrics[key].value for record in row.scored] for row in (a, b)]
    return sign_flip([one - other for one, other in zip(*values, strict=True)])


def compare(board: Board, a: Row, b: Row, key: str, n_resamples: int) -> Comparison | None:
    """Row a minus row b; None when one of them has no per-item scores of this metric."""
    return next(iter(compare_pairs(board, [(a, b)], key, n_resamples)), None)


def compare_pairs(board: Board, pairs: Sequence[tuple[Row, Row]], key: str, n_resamples: int) -> list[Comparison]:
    """Row a minus row b for each pair, in order, without pairs that lack per-item scores of this metric."""
    rows = {row.label: row for pair in pairs for row in pair if board.frames(row, key)}
    kept = [(a.label, b.label) for a, b in pairs if a.label in rows and b.label in rows]
    if not kept:
        return []
    metric, statistic = key.split("/", 1)[1], next(iter(rows.values())).scored[0].metrics[key].statistic
    frames = {label: board.frames(row, key) for label, row in rows.items()}
    found = hierarchical_columns(frames, [metric], kept, n_resamples=n_resamples, statistic=statistic).differences
    return [
        Comparison(a, b, key, found[a, b, metric], math.nan, _over_seeds(rows[a], rows[b], key), board.benchmark)
        for a, b in kept
    ]


def adjusted(comparisons: Sequence[Comparison], family: int = 0) -> list[Comparison]:
    """The comparisons with Holm's adjustment over those of them that have a p-value.

    Args:
        comparisons: Comparisons of one metric.
        family: Number of comparisons that were planned; those without a result count with p = 1.
    """
    known = [comparison for comparison in comparisons if comparison.known]
    unknown = [1.0] * max(0, family - len(known))
    p_values = dict(zip(known, holm([*(c.difference.p_value for c in known), *unknown]), strict=False))
    return [replace(comparison, p_holm=p_values.get(comparison, math.nan)) for comparison in comparisons]


def declared_contrasts(board: Board, key: str, n_resamples: int) -> list[Comparison]:
    """The contrasts fixed before any run whose two methods are complete, with Holm's adjustment over them."""
    rows = [(board.row(first), board.row(second)) for first, second in board.contrasts]
    return adjusted(compare_pairs(board, [(a, b) for a, b in rows if a and b], key, n_resamples))


def differences_to(board: Board, reference: Row, key: str, n_resamples: int) -> list[Comparison]:
    """Every other complete row minus `reference`, largest first."""
    pairs = [(row, reference) for row in board.complete if row != reference]
    return sorted(compare_pairs(board, pairs, key, n_resamples), key=lambda c: (-c.difference.value, c.a))


def ranked(board: Board, key: str = PRIMARY) -> list[Row]:
    """Complete rows that have the metric, best mean over seeds first; ties by label."""

    def cost(row: Row) -> float:
        mean = sum(record.metrics[key].value for record in row.scored) / len(row.scored)
        return -mean if row.scored[0].metrics[key].higher_is_better else mean

    rows = [row for row in board.complete if all(key in record.metrics for record in row.scored)]
    return sorted(rows, key=lambda row: (cost(row), row.label))


def separable_groups(board: Board, key: str, n_resamples: int) -> dict[str, str]:
    """Group letters of the ranked rows, by label: two rows share a letter exactly when no interval separates them.

    Empty when a pair has no interval: then nothing is known of what the data can separate.
    """
    return standing_of(board, key, n_resamples).groups


def group_letters(ranking: Sequence[str], separated: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Compact letter display: two labels share a letter exactly when they are not a separated pair.

    Args:
        ranking: Labels, best first; groups are lettered in this order.
        separated: Pairs of labels that may not share a letter.
    """
    groups = rank_groups(ranking, separated)
    letters = [ascii_lowercase[i % 26] * (1 + i // 26) for i in range(len(groups))]
    return {
        label: "".join(letter for letter, group in zip(letters, groups, strict=True) if label in group)
        for label in ranking
    }
