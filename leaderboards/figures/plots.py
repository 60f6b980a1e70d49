"""Parts that figures share: their look and writing, so that the same data give the same bytes; plots."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import matplotlib as mpl
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from leaderboards.scores.paired_differences import Comparison
from leaderboards.tables.cells import Table
from leaderboards.tables.document import Drawing, Picture

PNG_DPI = 150
WIDTH_INCHES = 5.4
ROW_INCHES = 0.27


@dataclass(frozen=True)
class Theme:
    """Colours of one appearance, as matplotlib colour strings."""

    ink: str
    faint: str
    grid: str
    paper: str
    accent: str
    alarm: str


LIGHT = Theme(ink="#1c2430", faint="#667085", grid="#e4e7ec", paper="#ffffff", accent="#0b63a5", alarm="#b42318")
Draw = Callable[[Theme], Figure]


@contextmanager
def themed(theme: Theme) -> Iterator[None]:
    """Sets matplotlib's style inside the block: fonts that ship with it, no mathtext."""
    style = {
        "font.family": "DejaVu Sans",
        "font.size": 9.5,
        "axes.titlesize": 10,
        "axes.titleweight": "bold",
        "axes.titlelocation": "left",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.edgecolor": theme.faint,
        "axes.facecolor": theme.paper,
        "axes.labelcolor": theme.ink,
        "axes.grid": True,
        "axes.axisbelow": True,
        "figure.constrained_layout.w_pad": 0.1,
        "figure.constrained_layout.h_pad": 0.08,
        "figure.facecolor": theme.paper,
        "savefig.facecolor": theme.paper,
        "grid.color": theme.grid,
        "text.color": theme.ink,
        "xtick.color": theme.faint,
        "ytick.color": theme.faint,
        "xtick.labelcolor": theme.ink,
        "ytick.labelcolor": theme.ink,
        "legend.frameon": False,
        "text.parse_math": False,
    }
    with mpl.rc_context(style):
        yield


def new_figure(height_inches: float) -> Figure:
    """An empty figure of the boards' width, which a phone shows at its own size."""
    return Figure(figsize=(WIDTH_INCHES, height_inches), layout="constrained")


def palette(labels: list[str]) -> dict[str, tuple[float, float, float]]:
    """Colour of each label; colours repeat after ten, so a line style or a position always tells labels apart too."""
    colours = sns.color_palette("colorblind", 10)
    return {label: colours[index % len(colours)] for index, label in enumerate(labels)}


def render(draw: Draw) -> bytes:
    """Draws and returns the bytes of a PNG."""
    buffer = io.BytesIO()
    with themed(LIGHT):
        draw(LIGHT).savefig(buffer, format="png", dpi=PNG_DPI, metadata={"Software": None})
    return buffer.getvalue()


@dataclass(frozen=True)
class Plot:
    """A figure to be drawn to the file `name`.png; SYNTHETIC stands before its title where it must.

    The HTML page has `drawing` or `table` in its place; where it has neither, its tables draw the same already.
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
    unit: str,
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


def draw_heat_map(figure: Figure, grid: pd.DataFrame, theme: Theme, form: str, **style: float) -> Axes:
    """Values in cells, darker where they are larger; the axes for what else is to be drawn."""
    axes = figure.subplots()
    look = {"annot": True, "fmt": form, "cmap": "crest", "linewidths": 1.5, "annot_kws": {"size": 9}, "cbar": False}
    sns.heatmap(grid, ax=axes, linecolor=theme.paper, **look, **style)
    axes.tick_params(length=0)
    axes.tick_params(axis="y", rotation=0)
    return axes


def titled(figure: Figure, synthetic: bool, title: str) -> Figure:
    """Sets the title of a figure, SYNTHETIC before it where it must be."""
    figure.suptitle(f"SYNTHETIC · {title}" if synthetic else title, x=0.02, ha="left", fontsize=11, weight="bold")
    return figure


def pictures_of(plots: Iterable[Plot]) -> list[Picture]:
    """Each plot as the PNG that a Markdown page shows, and as what the HTML page shows."""
    return [
        Picture(plot.title, plot.caption, f"figures/{plot.name}.png", render(plot.draw), plot.drawing, plot.table)
        for plot in plots
    ]
