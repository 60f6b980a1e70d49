"""The figure of the question: a method minus each of what it was declared to be compared with."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from leaderboards.figures.charts import Axis
from leaderboards.scores.benchmark_scores import BenchmarkScores
from leaderboards.scores.headlines import metric_words
from leaderboards.scores.paired_differences import Comparison

LEFT, RIGHT = 128, 388
"""Ends of the axis, in units of the view box."""


@dataclass(frozen=True)
class Forest:
    """Differences below each other: title, and per row name, text, and places of value, bounds and what is missed."""

    method: str
    title: str
    zero: float
    ends: tuple[str, str]
    rows: Sequence[tuple[str, str, Sequence[float], tuple[float, float] | None]]


def forests_of(sheets: Iterable[BenchmarkScores], keys: Collection[str]) -> list[Forest]:
    """The contrasts of the first declared method on metrics of the first benchmark that has some, on one axis."""
    for sheet in sheets:
        found: dict[str, list[Comparison]] = {}
        for c in (*sheet.contrasts, *sheet.beside):
            if c.known and c.key in keys and c.a == sheet.board.contrasts[0][0]:
                found.setdefault(metric_words(sheet.declared, c.key), []).append(c)
        if found:
            return _drawn(found)
    return []


def _drawn(found: Mapping[str, Sequence[Comparison]]) -> list[Forest]:
    """One axis for all, so that they can be read together."""
    most = max(_reach(c for ones in found.values() for c in ones))
    axis = Axis(-most, most, LEFT, RIGHT)
    ends = (f"{-most:+.2f}", f"{most:+.2f}")
    return [
        Forest(ones[0].a, metric, axis.at(0), ends, [_row(c, axis) for c in ones]) for metric, ones in found.items()
    ]


def _reach(found: Iterable[Comparison]) -> list[float]:
    numbers = [abs(n) for c in found for n in (*c.difference[:3], c.smallest)]
    return [n for n in numbers if math.isfinite(n)]


def _row(c: Comparison, axis: Axis) -> tuple[str, str, Sequence[float], tuple[float, float] | None]:
    value, lower, upper = c.difference[:3]
    seen = (axis.at(-c.smallest), axis.at(c.smallest)) if math.isfinite(c.smallest) else None
    text = f"{value:+.3f} [{lower:+.3f}, {upper:+.3f}]"
    return c.b, text, [axis.at(one) for one in (value, lower, upper)], seen
