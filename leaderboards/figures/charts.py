"""Charts as positions, shades and words, which a template draws in the colours of the page: lines and heat maps."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.ticker import MaxNLocator

WIDTH, HEIGHT = 360.0, 220.0
LEFT, RIGHT, TOP, BOTTOM = 34.0, 350.0, 26.0, 182.0
"""Edges of the plotting area in the view box."""
SHADES = 6
COLOURS = 10
"""Number of series that differ by colour and dash; more repeat them."""


class Point(NamedTuple):
    """A point in units of the data, with bounds where it has an interval."""

    x: float
    y: float
    lower: float | None = None
    upper: float | None = None


@dataclass(frozen=True)
class Curve:
    """A named curve: a line a seed, and the points of them that stand out."""

    label: str
    lines: Sequence[Sequence[Point]]
    dots: Sequence[Point] = ()


class Tick(NamedTuple):
    """A place on an axis, in units of the view box, and what stands there."""

    at: float
    text: str


@dataclass(frozen=True)
class Series:
    """A curve as drawn: its style's number (None: in the background), SVG path data, dots as (x, y)."""

    label: str
    style: int | None
    path: str
    dots: Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Chart:
    """A line chart as drawn."""

    x_label: str
    y_label: str
    x_ticks: Sequence[Tick]
    y_ticks: Sequence[Tick]
    series: Sequence[Series]
    level: Tick | None
    template: str = "chart.html.j2"

    @property
    def legend(self) -> list[Series]:
        """The series, coloured ones first."""
        return sorted(self.series, key=lambda one: (one.style is None, one.style or 0))


class Axis(NamedTuple):
    """Linear scale from units of the data to units of the view box."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        """Place of a value, to a tenth; in the middle where the axis has no length."""
        share = (value - self.low) / (self.high - self.low) if self.high > self.low else 0.5
        return round(self.start + share * (self.end - self.start), 1)


def chart_of(
    curves: Sequence[Curve],
    x_label: str,
    y_label: str,
    highlighted: Iterable[str],
    level: tuple[float, str] | None = None,
    x_ticks: Sequence[float] | None = None,
) -> Chart:
    """Lays a chart out.

    `highlighted` labels have a colour, in the order of the colours; the others are grey and behind. `level` is a
    horizontal line and its name. Ticks of x are round values where none are given.
    """
    points = [point for curve in curves for line in curve.lines for point in line]
    heights = [value for point in points for value in point[1:] if value is not None]
    places = _round(0.0, max(point.x for point in points)) if x_ticks is None else x_ticks
    values = _round(*_ends([*heights, *(level[:1] if level else ())]))
    x = Axis(*_ends([*places, *(point.x for point in points)]), LEFT + 4, RIGHT - 4)
    y = Axis(*_ends(values), BOTTOM, TOP)
    styles = {label: number % COLOURS for number, label in enumerate(highlighted)}
    series = [_series(curve, styles.get(curve.label), x, y) for curve in curves]
    return Chart(
        x_label,
        y_label,
        [Tick(x.at(value), f"{value:g}") for value in places],
        [Tick(y.at(value), f"{value:.6g}") for value in values],
        sorted(series, key=lambda one: one.style is not None),
        Tick(y.at(level[0]), level[1]) if level else None,
    )


def _series(curve: Curve, style: int | None, x: Axis, y: Axis) -> Series:
    lines = [_line([(x.at(point.x), y.at(point.y)) for point in line]) for line in curve.lines]
    spans = [
        f"M{x.at(point.x):g} {y.at(point.lower):g}V{y.at(point.upper):g}"
        for point in chain.from_iterable(curve.lines)
        if point.lower is not None and point.upper is not None
    ]
    dots = [(x.at(point.x), y.at(point.y)) for point in curve.dots]
    return Series(curve.label, style, "".join([*lines, *spans]), dots)


def _line(places: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x:g} {y:g}" for x, y in places)


def _ends(values: Sequence[float]) -> tuple[float, float]:
    return min(values), max(values)


def _round(low: float, high: float) -> list[float]:
    """A few round numbers that hold low and high between them."""
    return [float(value) for value in MaxNLocator(4).tick_values(low, high)]


class Shaded(NamedTuple):
    """A cell: what it says and its shade from 0 to SHADES - 1, None for a cell without number."""

    text: str
    shade: int | None


@dataclass(frozen=True)
class HeatMap:
    """A heat map: what rows and columns are, heads of the columns, head and cells of each row, a note beside it."""

    row_name: str
    column_name: str
    columns: Sequence[str]
    rows: Sequence[tuple[str, Sequence[Shaded]]]
    note: str
    template: str = "heat_map.html.j2"


def heat_map_of(
    grid: pd.DataFrame, row_name: str, column_name: str, missing: Callable[[str, str], str], note: str = ""
) -> HeatMap:
    """A heat map of a frame of scores.

    `missing` says what stands in a cell without value (NaN), by row and column; `note` stands beside the map.
    """
    low, high = float(np.nanmin(grid.to_numpy())), float(np.nanmax(grid.to_numpy()))

    def shaded(row: str, column: str) -> Shaded:
        value = grid.loc[row, column]
        if pd.isna(value):
            return Shaded(missing(row, column), None)
        return Shaded(f"{value:.3f}", _shade((value - low) / (high - low) if high > low else 0.0))

    rows = [(row, [shaded(row, column) for column in grid.columns]) for row in grid.index]
    return HeatMap(row_name, column_name, list(grid.columns), rows, note)


def _shade(share: float) -> int:
    return min(int(share * SHADES), SHADES - 1)
