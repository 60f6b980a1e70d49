"""Scales: a drawing in a cell shows a value and its interval between the ends that its column shares."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from leaderboards.scores.tidy_table import Estimate
from leaderboards.tables.cells import DRAWN, Cell, PageTable
from selip.system.mappings import grouped

WIDTH, HEIGHT, EDGE = 84, 14, 2
"""Of a drawing, in CSS pixels; values lie between the edges."""


class Axis(NamedTuple):
    """Linear scale from units of the data to pixels."""

    low: float
    high: float

    def at(self, value: float) -> float:
        """Place of a value, to a tenth; in the middle where the axis has no length."""
        share = (value - self.low) / (self.high - self.low) if self.high > self.low else 0.5
        return round(EDGE + share * (WIDTH - 2 * EDGE), 1)


@dataclass(frozen=True)
class Scale:
    """The scale of a column: from values to pixels, and SVG path data of what they are read against, "" for nothing."""

    axis: Axis
    line: str

    @property
    def ends(self) -> tuple[str, str]:
        """The numbers at the ends of the scale."""
        return _short(self.axis.low), _short(self.axis.high)


def scales_of(table: PageTable) -> list[Scale | None]:
    """A scale for each column, None where there is nothing to draw."""
    facets = [*table.facets, *([None] * (len(table.columns) - len(table.facets)))]
    columns = [_estimates(table, place) for place in range(len(table.columns))]
    shared = grouped((facet, one) for facet, found in zip(facets, columns, strict=True) for one in found)
    return [
        scale_of(shared[facet] if facet else found, facet.level if facet else None) if found else None
        for facet, found in zip(facets, columns, strict=True)
    ]


def mark_of(cell: Cell, scale: Scale | None) -> str:
    """SVG path data of a cell: the interval as a box and the value as a line; "" for nothing to draw."""
    if cell.estimate is None or cell.form not in DRAWN or scale is None or not math.isfinite(cell.estimate.value):
        return ""
    value, lower, upper = (scale.axis.at(number) for number in _numbers(cell.estimate))
    box = f"M{lower:g} 4H{upper:g}V10H{lower:g}z" if upper > lower else ""
    return f"{box}M{value:g} 2V12"


def _estimates(table: PageTable, place: int) -> list[Estimate]:
    cells = [line.cells[place] for line in table.lines if not line.reason]
    return [
        cell.estimate for cell in cells if cell.estimate and cell.form in DRAWN and math.isfinite(cell.estimate.value)
    ]


def scale_of(estimates: Sequence[Estimate], level: float | None) -> Scale:
    """The scale that holds estimates, their bounds and the level that they are read against."""
    numbers = [number for estimate in estimates for number in _numbers(estimate)]
    numbers += [] if level is None else [level]
    axis = Axis(min(numbers), max(numbers))
    return Scale(axis, "" if level is None else f"M{axis.at(level):g} 0V{HEIGHT}")


def _numbers(estimate: Estimate) -> tuple[float, float, float]:
    """Value and bounds; the value again where there are no bounds."""
    value, lower, upper = estimate.value, estimate.lower, estimate.upper
    return (value, lower, upper) if math.isfinite(lower) and math.isfinite(upper) else (value, value, value)


def _short(value: float) -> str:
    """A few digits, enough to read a scale by."""
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.0f}"
