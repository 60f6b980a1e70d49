"""Parts that figures share: their look and writing, so that the same data give the same bytes; plots."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence

import pandas as pd
import seaborn as sns
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from leaderboards.scores.paired_differences import Comparison
from leaderboards.tables.document import TEMPLATES

PNG_DPI = 150
WIDTH_INCHES = 5.4
ROW_INCHES = 0.27
STYLE = TEMPLATES / "figures.mplstyle"
INK, FAINT, PAPER, ACCENT, ALARM = "#1c2430", "#667085", "#ffffff", "#0b63a5", "#b42318"
Draw = Callable[[], Figure]


def new_figure(height_inches: float) -> Figure:
    """An empty figure of the boards' width, which a phone shows at its own size."""
    return Figure(figsize=(WIDTH_INCHES, height_inches), layout="constrained")


def palette(labels: list[str]) -> dict[str, tuple[float, float, float]]:
    """Colour of each label; colours repeat after ten, so a line style or a position always tells labels apart too."""
    colours = sns.color_palette("colorblind", 10)
    return {label: colours[index % len(colours)] for index, label in enumerate(labels)}


def render(draw: Draw) -> bytes:
    """Draws in the style of the boards and returns the bytes of a PNG."""
    buffer = io.BytesIO()
    with style.context(STYLE):
        draw().savefig(buffer, format="png", dpi=PNG_DPI, metadata={"Software": None})
    return buffer.getvalue()


def draw_forest(
    axes: Axes, labels: Sequence[str], comparisons: Sequence[Comparison], filled: Sequence[bool], unit: str
) -> None:
    """Paired differences in `unit` below each other: dot (filled or not) and interval, 0 dashed."""
    for place, (comparison, solid) in enumerate(zip(comparisons, filled, strict=True)):
        value, lower, upper = comparison.difference[:3]
        axes.plot([lower, upper], [place, place], color=ACCENT, linewidth=2)
        axes.plot(value, place, "o", ms=6.5, color=ACCENT, mfc=None if solid else PAPER)
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
    look = {"annot": True, "fmt": form, "cmap": "crest", "linewidths": 1.5, "annot_kws": {"size": 9}, "cbar": False}
    sns.heatmap(grid, ax=axes, linecolor=PAPER, **look, **style)
    axes.tick_params(length=0)
    axes.tick_params(axis="y", rotation=0)
    return axes


def titled(figure: Figure, synthetic: bool, title: str) -> Figure:
    """Sets the title of a figure, SYNTHETIC before it where it must be."""
    figure.suptitle(f"SYNTHETIC · {title}" if synthetic else title, x=0.02, ha="left", fontsize=11, weight="bold")
    return figure
