"""Paired differences between methods, the contrasts fixed before any run, and groups that the data can separate."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from string import ascii_lowercase

from benchmarks.intervals import Difference, holm, paired_difference
from leaderboards.board import Board, Row

PRIMARY = "abnormal/image_to_text_R@10"
COMPARED = (PRIMARY, "abnormal/text_to_image_R@10", "abnormal/image_to_text_nDCG@10")
CONTROLS = ("clip_x2", "label_smoothing", "shuffled_selip")
DECLARED = tuple(("selip", other) for other in ("clip", *CONTROLS, "sentence_targets"))
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
        p_holm: p-value adjusted over the declared contrasts of this metric; NaN outside them.
    """

    a: str
    b: str
    key: str
    difference: Difference
    p_holm: float = math.nan

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
        """Half the interval's width: about the smallest difference that this comparison could have separated."""
        return (self.difference.upper - self.difference.lower) / 2


def compare(board: Board, a: Row, b: Row, key: str, n_resamples: int) -> Comparison | None:
    """Row a minus row b; None when one of them has no per-item scores of this metric."""
    return next(iter(compare_pairs(board, [(a, b)], key, n_resamples)), None)


def compare_pairs(board: Board, pairs: Sequence[tuple[Row, Row]], key: str, n_resamples: int) -> list[Comparison]:
    """Row a minus row b for each pair, in order, without pairs that lack per-item scores of this metric."""
    found = []
    for a, b in pairs:
        ours, theirs = board.frames(a, key), board.frames(b, key)
        if ours and theirs:
            metric, statistic = key.split("/", 1)[1], a.scored[0].metrics[key].statistic
            difference = paired_difference(ours, theirs, metric, n_resamples=n_resamples, statistic=statistic)
            found.append(Comparison(a.label, b.label, key, difference))
    return found


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
    rows = [(board.row(first), board.row(second)) for first, second in DECLARED]
    return adjusted(compare_pairs(board, [(a, b) for a, b in rows if a and b], key, n_resamples))


def differences_to(board: Board, reference: Row, key: str, n_resamples: int) -> list[Comparison]:
    """Every other complete row minus `reference`, largest first."""
    pairs = [(row, reference) for row in board.complete if row != reference]
    return sorted(compare_pairs(board, pairs, key, n_resamples), key=lambda c: (-c.difference.value, c.a))


def ranked(board: Board, key: str = PRIMARY) -> list[Row]:
    """Complete rows that have the metric, best mean over seeds first; ties by label."""

    def mean(row: Row) -> float:
        return sum(record.metrics[key].value for record in row.scored) / len(row.scored)

    rows = [row for row in board.complete if all(key in record.metrics for record in row.scored)]
    return sorted(rows, key=lambda row: (-mean(row), row.label))


def separable_groups(board: Board, key: str, n_resamples: int) -> dict[str, str]:
    """Group letters of the ranked rows, by label: two rows share a letter exactly when no interval separates them.

    Empty when a pair has no interval: then nothing is known of what the data can separate.
    """
    rows = ranked(board, key)
    pairs = list(combinations(rows, 2))
    found = compare_pairs(board, pairs, key, n_resamples)
    if len(found) < len(pairs) or not all(comparison.known for comparison in found):
        return {}
    return group_letters([row.label for row in rows], [(c.a, c.b) for c in found if c.separates])


def group_letters(ranking: Sequence[str], separated: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Compact letter display by insertion and absorption (Piepho 2004, J. Comput. Graph. Stat. 13:456).

    Args:
        ranking: Labels, best first; groups are lettered in this order.
        separated: Pairs of labels that may not share a letter.
    """
    groups = [frozenset(ranking)]
    for a, b in separated:
        parts = {group - {lost} for group in groups for lost in ((a, b) if {a, b} <= group else ("",))}
        groups = [group for group in parts if not any(group < other for other in parts)]
    places = sorted(groups, key=lambda group: sorted(ranking.index(label) for label in group))
    letters = [ascii_lowercase[i % 26] * (1 + i // 26) for i in range(len(places))]
    return {
        label: "".join(letter for letter, group in zip(letters, places, strict=True) if label in group)
        for label in ranking
    }
