"""Drawings in cells: where the value and its interval lie between the ends of the column's scale."""

from __future__ import annotations

import re

import pytest

from leaderboards.site.scales import EDGE, WIDTH, mark_of, scales_of
from leaderboards.tables.cells import DIFFERENCE, Cell, Estimate, Facet, Line, PageTable

ESTIMATES = (Estimate(0.2, 0.1, 0.3), Estimate(0.6, 0.5, 0.9), Estimate(0.4))


def table_of(*columns, facets=()):
    lines = [Line((Cell("a"), *(Cell("", estimate=one) for one in row))) for row in zip(*columns, strict=True)]
    return PageTable(
        "t", "", ("method", *map(str, range(len(columns)))), tuple(lines), (None, *facets) if facets else ()
    )


def places(path):
    """Lower, upper and value in pixels, as the path says."""
    box = re.match(r"M([\d.]+) 4H([\d.]+)V10", path)
    return [float(number) for number in (*(box.groups() if box else ()), re.search(r"M([\d.]+) 2V12", path)[1])]


def test_a_drawing_is_linear_between_the_ends_of_all_numbers():
    _, scale = scales_of(table_of(ESTIMATES))
    assert scale.ends == ("0.10", "0.90")
    length = WIDTH - 2 * EDGE
    for one in ESTIMATES:
        numbers = [number for number in (one.lower, one.upper, one.value) if number == number]
        assert places(mark_of(Cell("", estimate=one), scale)) == pytest.approx(
            [EDGE + (number - 0.1) / 0.8 * length for number in numbers], abs=0.06
        )


def test_the_level_is_on_the_scale_though_no_value_is():
    _, scale = scales_of(table_of(ESTIMATES, facets=(Facet(level=-0.7),)))
    assert scale.line == f"M{EDGE} 0V14"
    assert scale.ends == ("-0.70", "0.90")


def test_columns_of_the_same_thing_share_a_scale_and_others_do_not():
    wide = tuple(Estimate(3 * one.value) for one in ESTIMATES)
    _, first, second, third = scales_of(table_of(ESTIMATES, wide, wide, facets=(DIFFERENCE, DIFFERENCE, Facet("b"))))
    assert first == second
    assert first.axis.high == max(one.value for one in wide)
    assert third.axis.low == min(one.value for one in wide)


def test_what_has_no_number_has_no_drawing():
    nothing = Cell("–")
    first, scale = scales_of(table_of(ESTIMATES))
    assert first is None
    assert mark_of(nothing, scale) == ""
    assert mark_of(Cell("", estimate=Estimate(float("nan"))), scale) == ""
    assert scales_of(PageTable("t", "", ("method", "x"), (Line((Cell("a"),), "failed", "hole"),))) == [None, None]
