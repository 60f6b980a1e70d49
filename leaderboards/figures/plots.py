"""Parts that figures share: their look and writing, so that the same data give the same bytes; plots."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import NamedTuple

import pandas as pd
import seaborn as sns
from fontTools import subset  # type: ignore[import-untyped, unused-ignore]
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from leaderboards.scores.paired_differences import Comparison
from leaderboards.tables.document import TEMPLATES

PNG_DPI = 150
COLUMN_INCHES, PAGE_INCHES = 85 / 25.4, 180 / 25.4
"""Widths of a figure of one column and of two, as journals have them."""
ROW_INCHES = 0.27
STYLE = TEMPLATES / "figures.mplstyle"
INK, FAINT, PAPER, ACCENT, ALARM, LINE = "#1c2430", "#667085", "#ffffff", "#0b63a5", "#b42318", "#e4e7ec"
SERIES = "series:"
"""Before the name of a curve in the id of what is drawn of it, by which the page finds it."""
SEEN = "Grey: a true difference in there would be missed more often than in one of five studies."
Draw = Callable[[], Figure]

# The glyphs of a PDF are placed: it needs no ligatures and kerning, and cutting their tables takes longest of all.
subset.Options._drop_tables_default = [*getattr(subset.Options, "_drop_tables_default", ()), "GDEF", "GPOS", "GSUB"]


class Drawn(NamedTuple):
    """A figure as files: for Markdown, for a paper (its fonts embedded), and as SVG with the ids of its parts."""

    png: bytes
    pdf: bytes
    svg: str


def new_figure(height_inches: float, width_inches: float = COLUMN_INCHES) -> Figure:
    """An empty figure."""
    return Figure(figsize=(width_inches, height_inches), layout="constrained")


def palette(labels: list[str]) -> dict[str, tuple[float, float, float]]:
    """Colour of each label; colours repeat after ten, so a line style or a position always tells labels apart too."""
    colours = sns.color_palette("colorblind", 10)
    return {label: colours[index % len(colours)] for index, label in enumerate(labels)}


def render(draw: Draw) -> bytes:
    """Draws in the style of the boards and returns the bytes of a PNG."""
    with style.context(STYLE):
        return _saved(draw(), "png", {"Software": None})


def rendered(name: str, draw: Draw) -> Drawn:
    """Draws once in the style of the boards; `name` keeps the ids of the SVG apart from those of other figures."""
    with style.context([STYLE, {"svg.hashsalt": name}]):
        figure = draw()
        png = _saved(figure, "png", {"Software": None})
        pdf = _saved(figure, "pdf", {"CreationDate": None, "Creator": None, "Producer": None})
        _bare(figure)
        return Drawn(png, pdf, _saved(figure, "svg", {"Date": None}, transparent=True).decode())


def _bare(figure: Figure) -> None:
    """Takes away what stands around a figure on the page: its title, and the names of its curves."""
    figure.set_layout_engine("constrained")
    figure.suptitle("").set_in_layout(False)
    if any(str(line.get_gid()).startswith(SERIES) for axes in figure.axes for line in axes.lines):
        for legend in list(figure.legends):
            legend.remove()


def _saved(figure: Figure, form: str, metadata: dict[str, None], **options: bool) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format=form, dpi=PNG_DPI, metadata=metadata, **options)
    figure.set_layout_engine("none")  # the first of several has laid it out for all
    return buffer.getvalue()


def draw_forest(
    axes: Axes, labels: Sequence[str], comparisons: Sequence[Comparison], filled: Sequence[bool], unit: str
) -> None:
    """Paired differences in `unit` below each other: dot (filled or not) and interval, 0 dashed.

    Grey is a true difference that four of five such studies would not find.
    """
    for place, (comparison, solid) in enumerate(zip(comparisons, filled, strict=True)):
        value, lower, upper = comparison.difference[:3]
        axes.barh(place, 2 * comparison.smallest, 0.7, -comparison.smallest, color=LINE)
        axes.plot([lower, upper], [place, place], color=ACCENT, linewidth=2)
        axes.plot(value, place, "o", ms=5.5, color=ACCENT, mfc=None if solid else PAPER)
    axes.axvline(0, color=ALARM, linestyle="--", linewidth=1.2)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.set_xlabel(f"paired difference in {unit}")
    name_rows(axes, labels)


def name_rows(axes: Axes, labels: Sequence[str]) -> None:
    """Names the rows 0, 1, ... from the top."""
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")


def draw_heat_map(figure: Figure, grid: pd.DataFrame, form: str, **style: float) -> Axes:
    """Values in cells, darker where they are larger; the axes for what else is to be drawn."""
    axes = figure.subplots()
    look = {"annot": True, "fmt": form, "cmap": "crest", "linewidths": 1.5, "annot_kws": {"size": 7.5}, "cbar": False}
    sns.heatmap(grid, ax=axes, linecolor=PAPER, **look, **style)
    axes.tick_params(length=0)
    axes.tick_params(axis="y", rotation=0)
    return axes


def titled(figure: Figure, synthetic: bool, title: str) -> Figure:
    """Sets the title of a figure, SYNTHETIC before it where it must be."""
    figure.suptitle(f"SYNTHETIC · {title}" if synthetic else title, x=0.02, ha="left", fontsize=9, weight="bold")
    return figure
