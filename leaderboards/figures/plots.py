"""Parts that figures share: what a plot is, named rows, titles, and differences as a forest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from leaderboards.figures.theme import Draw, Theme
from leaderboards.scores.paired_differences import Comparison
from leaderboards.tables.cells import Table
from leaderboards.tables.document import Drawing

ROW_INCHES = 0.27


@dataclass(frozen=True)
class Plot:
    """A figure to be drawn.

    Attributes:
        name: File name without ending.
        title: What it shows; SYNTHETIC stands before it where it must.
        caption: How to read it.
        draw: Draws it in a theme.
        drawing: What the HTML page shows in its place.
        table: The same as a table; a figure with neither says what tables of the page draw already.
    """

    name: str
    title: str
    caption: str
    draw: Draw
    drawing: Drawing | None = None
    table: Table | None = None


def draw_forest(
    axes: Axes,
    labels: Sequence[str],
    comparisons: Sequence[Comparison],
    filled: Sequence[bool],
    theme: Theme,
    unit: str = "image → text R@10",
) -> None:
    """Paired differences in `unit` below each other: dot (filled or not) and interval, 0 dashed."""
    for place, (comparison, solid) in enumerate(zip(comparisons, filled, strict=True)):
        value, lower, upper, _ = comparison.difference
        axes.plot([lower, upper], [place, place], color=theme.accent, linewidth=2)
        axes.plot(value, place, "o", ms=6.5, color=theme.accent, mfc=None if solid else theme.paper)
    axes.axvline(0, color=theme.alarm, linestyle="--", linewidth=1.2)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.set_xlabel(f"paired difference in {unit}")
    name_rows(axes, labels)


def name_rows(axes: Axes, labels: Sequence[str]) -> None:
    """Names the rows 0, 1, ... from the top."""
    axes.set_yticks(range(len(labels)), labels)
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")


def titled(figure: Figure, synthetic: bool, title: str) -> Figure:
    """Sets the title of a figure, SYNTHETIC before it where it must be."""
    figure.suptitle(f"SYNTHETIC · {title}" if synthetic else title, x=0.02, ha="left", fontsize=11, weight="bold")
    return figure
