"""Line charts: places on the axes, styles, and what stands out."""

from __future__ import annotations

import re

import pytest

from leaderboards.figures.charts import BOTTOM, LEFT, RIGHT, TOP, Curve, Point, chart_of

LINE = [Point(0, 1.0), Point(5, 3.0), Point(10, 2.0)]


def points(path):
    return [tuple(map(float, place)) for place in re.findall(r"([\d.]+) ([\d.]+)", path)]


def chart(*curves, **options):
    return chart_of(curves, "step", "loss", [curve.label for curve in curves[:1]], **options)


def test_ticks_and_points_are_on_the_same_axes():
    made = chart(Curve("a", [LINE], LINE[1:2]))
    ((_, first), (_, peak), _) = points(made.series[0].path)
    at = {float(tick.text): tick.at for tick in made.y_ticks}
    assert at[1.0] == first
    assert at[3.0] == peak == made.series[0].dots[0][1]
    assert min(at.values()) == TOP
    assert max(at.values()) == BOTTOM
    assert all(LEFT <= tick.at <= RIGHT for tick in made.x_ticks)


def test_higher_values_are_higher_up_and_later_ones_further_right():
    ((x0, y0), (x1, y1), (x2, y2)) = points(chart(Curve("a", [LINE])).series[0].path)
    assert x0 < x1 < x2
    assert y1 < y2 < y0
    assert x1 - x0 == pytest.approx(x2 - x1, abs=0.1)


def test_coloured_curves_lie_over_the_grey_ones_and_lead_the_legend():
    made = chart_of([Curve("mine", [LINE]), Curve("other", [LINE])], "x", "y", ["mine"])
    assert [(one.label, one.style) for one in made.series] == [("other", None), ("mine", 0)]
    assert [one.label for one in made.legend] == ["mine", "other"]


def test_an_interval_is_a_stroke_through_its_point():
    made = chart(Curve("a", [[Point(1, 2.0, 1.0, 3.0), Point(2, 2.0, 1.5, 2.5)]]), level=(0.0, "chance"))
    (stroke,) = re.findall(r"M([\d.]+) ([\d.]+)V([\d.]+)", made.series[0].path)[:1]
    ((x, y), *_) = points(made.series[0].path)
    lower, upper = float(stroke[1]), float(stroke[2])
    assert float(stroke[0]) == x
    assert upper < y < lower < made.level.at


def test_a_flat_curve_of_one_point_is_drawn():
    made = chart(Curve("a", [[Point(0, 0.5)]]))
    ((x, y),) = points(made.series[0].path)
    assert LEFT <= x <= RIGHT
    assert TOP <= y <= BOTTOM
