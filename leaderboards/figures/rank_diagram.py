"""Critical-difference diagram: methods on an axis of average ranks, joined where the tasks cannot tell them apart.

Demsar 2006, J. Mach. Learn. Res. 7:1, fig. 1; once as a figure, once as positions and words for the HTML page.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.statistics.significance import AverageRanks
from leaderboards.figures.charts import Axis, Tick
from leaderboards.figures.plots import Plot, Theme, new_figure, titled
from leaderboards.scores.overall_ranks import Overall

_STEP, _BAR = 1.0, 0.32
FEWEST = 2
WIDTH, START, END = 640.0, 190.0, 450.0
AXIS_Y, ROW, BAR = 46.0, 17.0, 6.0
MANY = 12
"""With more ranks than this, only the first, the last and every fifth have a number."""


class Bar(NamedTuple):
    """A horizontal bar and what it says."""

    start: float
    end: float
    y: float
    text: str


class Name(NamedTuple):
    """A method beside the diagram: the bent line from its rank, the words at its end, and their side."""

    label: str
    rank: str
    path: str
    x: float
    y: float
    anchor: str


@dataclass(frozen=True)
class RankDiagram:
    """The diagram as drawn: best rank left."""

    height: float
    ticks: Sequence[Tick]
    critical: Bar | None
    cliques: Sequence[Bar]
    names: Sequence[Name]
    width: float = WIDTH
    start: float = START
    end: float = END
    axis_y: float = AXIS_Y
    template: str = "rank_diagram.html.j2"


def rank_diagram(ranks: AverageRanks) -> RankDiagram:
    """Lays out the diagram of two or more methods."""
    n_methods = len(ranks.ranks)
    axis = Axis(1.0, float(n_methods), START, END)
    top = AXIS_Y + 22 + BAR * len(ranks.cliques)
    return RankDiagram(
        top + ROW * math.ceil(n_methods / 2),
        [Tick(axis.at(rank), str(rank)) for rank in _numbered(n_methods)],
        _critical(ranks.critical_difference, axis),
        [_clique(ranks, clique, axis, place) for place, clique in enumerate(ranks.cliques)],
        _names(ranks, axis, top),
    )


def _numbered(n_methods: int) -> list[int]:
    """Ranks that have a number on the axis."""
    return [rank for rank in range(1, n_methods + 1) if n_methods <= MANY or rank in (1, n_methods) or rank % 5 == 0]


def _critical(difference: float, axis: Axis) -> Bar | None:
    if not math.isfinite(difference):
        return None
    return Bar(axis.at(1.0), axis.at(1.0 + difference), AXIS_Y - 24, f"CD {difference:.2f}")


def _clique(ranks: AverageRanks, clique: Sequence[str], axis: Axis, place: int) -> Bar:
    ends = sorted(ranks.ranks[label] for label in (clique[0], clique[-1]))
    return Bar(axis.at(ends[0]) - 3, axis.at(ends[1]) + 3, AXIS_Y + 9 + BAR * place, ", ".join(clique))


def _names(ranks: AverageRanks, axis: Axis, top: float) -> list[Name]:
    """Better half left, worse half right, the outermost names on top."""
    labels, found = list(ranks.ranks), []
    half = math.ceil(len(labels) / 2)
    for side, edge, shift, anchor in (
        (labels[:half], START - 14, -4, "end"),
        (labels[half:][::-1], END + 14, 4, "start"),
    ):
        for place, label in enumerate(side):
            x, y = axis.at(ranks.ranks[label]), top + ROW * place
            path = f"M{x:g} {AXIS_Y:g}V{y:g}H{edge:g}"
            found.append(Name(label, f"{ranks.ranks[label]:.2f}", path, edge + shift, y, anchor))
    return found


def rank_plot(overall: Overall, synthetic: bool) -> Plot | None:
    """The diagram; None with fewer than two ranked methods."""
    ranks = overall.ranks
    if ranks is None or len(ranks.ranks) < FEWEST:
        return None
    n_tasks = len(overall.tasks)

    def draw(theme: Theme) -> Figure:
        depth = _bars(ranks) + _STEP * math.ceil(len(ranks.ranks) / 2)
        figure = new_figure(1.3 + 0.25 * depth)
        axes = figure.subplots()
        _draw_axis(axes, ranks, theme, depth)
        _draw_methods(axes, ranks, theme)
        for place, clique in enumerate(ranks.cliques):
            ends = [ranks.ranks[label] for label in (clique[0], clique[-1])]
            height = -0.35 - _BAR * place
            axes.plot([min(ends) - 0.05, max(ends) + 0.05], [height, height], color=theme.accent, linewidth=3)
        return titled(figure, synthetic, f"Average ranks over {n_tasks} tasks")

    joined = (
        "Bars join methods that Wilcoxon's test with Holm's steps cannot tell apart. CD: Nemenyi's critical difference."
    )
    tested = f"Not tested: {ranks.note}." if ranks.note else joined
    caption = f"Rank 1 is best, mean over {n_tasks} tasks, which are of one cohort and not independent. {tested}"
    return Plot("average_ranks", "Average ranks", caption, draw, rank_diagram(ranks))


def _bars(ranks: AverageRanks) -> float:
    """Depth below the axis where the names begin."""
    return 0.6 + _BAR * len(ranks.cliques) + 0.4


def _draw_axis(axes: Axes, ranks: AverageRanks, theme: Theme, depth: float) -> None:
    """The axis of ranks on top, best left, and the critical difference above it."""
    n = len(ranks.ranks)
    tested = math.isfinite(ranks.critical_difference)
    axes.set(xlim=(1 - 0.45 * n, n + 0.45 * n), ylim=(-depth, 2.0 if tested else 0.9))
    axes.axis("off")
    axes.plot([1, n], [0, 0], color=theme.ink, linewidth=1.2)
    for rank in range(1, n + 1):
        axes.plot([rank, rank], [0, 0.18], color=theme.ink, linewidth=1.2)
        if rank in _numbered(n):
            axes.text(rank, 0.3, str(rank), ha="center", va="bottom", fontsize=8.5)
    if tested:
        end = 1 + ranks.critical_difference
        axes.plot([1, end], [1.35, 1.35], color=theme.alarm, linewidth=2)
        text = f"CD {ranks.critical_difference:.2f}"
        axes.text((1 + end) / 2, 1.45, text, ha="center", va="bottom", fontsize=8.5, color=theme.alarm)


def _draw_methods(axes: Axes, ranks: AverageRanks, theme: Theme) -> None:
    """Better half left, worse half right, the outermost names on top, each joined to its rank by a bent line."""
    names = list(ranks.ranks)
    n, half = len(names), math.ceil(len(names) / 2)
    sides = [(names[:half], 0.95 - 0.02 * n, "right"), (names[half:][::-1], n + 0.05 + 0.02 * n, "left")]
    for side, edge, align in sides:
        for place, label in enumerate(side):
            rank, height = ranks.ranks[label], -_bars(ranks) - _STEP * place
            axes.plot([rank, rank, edge], [0, height, height], color=theme.faint, linewidth=0.9)
            shown = f"{label} {rank:.2f} " if align == "right" else f" {label} {rank:.2f}"
            axes.text(edge, height, shown, ha=align, va="center", fontsize=8)
