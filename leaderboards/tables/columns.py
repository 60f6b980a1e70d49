"""What the page draws of a table beyond its text: the numbers behind its cells, and what its columns are of."""

from __future__ import annotations

import math
from dataclasses import dataclass

from leaderboards.scores.benchmark_records import Board
from leaderboards.scores.families import STATISTICS, parts_of, words

LEVELS = ("chance", "empty")
"""References that a column of scores is read against, the first that is there."""


@dataclass(frozen=True)
class Estimate:
    """A number with its bounds, NaN where there are none."""

    value: float
    lower: float = math.nan
    upper: float = math.nan


@dataclass(frozen=True)
class Facet:
    """What a column of numbers is of, in words.

    Attributes:
        benchmark: Its benchmark.
        pool: Its pool.
        metric: Its statistic, without model and class.
        higher_is_better: Direction.
        level: What its numbers are read against: chance, or 0 of a difference; None for nothing.
    """

    benchmark: str = ""
    pool: str = ""
    metric: str = ""
    higher_is_better: bool = True
    level: float | None = None


DIFFERENCE = Facet(level=0.0)
"""A column of differences."""


def facet_of(board: Board, key: str) -> Facet:
    """The facet of a metric, `pool/metric`."""
    pool, metric = key.split("/", 1)
    statistic = parts_of(metric).statistic
    known = next((record.metrics[key] for record in board.records if key in record.metrics), None)
    levels = (board.reference(key, name) for name in LEVELS)
    return Facet(
        words(board.benchmark),
        words(pool),
        STATISTICS.get(statistic, words(statistic)),
        known is None or known.higher_is_better,
        next((level for level in levels if level is not None), None),
    )
