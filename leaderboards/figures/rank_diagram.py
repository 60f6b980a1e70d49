"""Critical-difference diagram: methods on an axis of average ranks, joined where the tasks cannot tell them apart.

Demsar 2006, J. Mach. Learn. Res. 7:1, fig. 1. Laid out once, for the figure and for the HTML page.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.statistics.significance import AverageRanks
from leaderboards.figures import plots
from leaderboards.figures.charts import Axis, Tick
from leaderboards.scores.benchmark_scores import Overall
from leaderboards.tables.document import Picture

FEWEST = 2
WIDTH, START, END = 640.0, 190.0, 450.0
AXIS_Y, ROW, BAR = 46.0, 17.0, 6.0
INCH = 100.0
"""Units of the drawing in an inch of the figure."""
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
    at: float
    edge: float
    x: float
    y: float
    anchor: str

    @property
    def path(self) -> str:
        """SVG path data of the line."""
        return f"M{self.at:g} {AXIS_Y:g}V{self.y:g}H{self.edge:g}"


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
            rank, y = ranks.ranks[label], top + ROW * place
            found.append(Name(label, f"{rank:.2f}", axis.at(rank), edge, edge + shift, y, anchor))
    return found


def rank_plot(overall: Overall, synthetic: bool) -> Picture | None:
    """The diagram; None with fewer than two ranked methods."""
    ranks = overall.ranks
    if ranks is None or len(ranks.ranks) < FEWEST:
        return None
    n_tasks, diagram = len(overall.tasks), rank_diagram(ranks)

    def draw() -> Figure:
        figure = plots.new_figure(0.4 + diagram.height / INCH)
        _draw(figure.subplots(), diagram)
        return plots.titled(figure, synthetic, f"Average ranks over {n_tasks} tasks")

    joined = (
        "Bars join methods that Wilcoxon's test with Holm's steps cannot tell apart. CD: Nemenyi's critical difference."
    )
    tested = f"Not tested: {ranks.note}." if ranks.note else joined
    caption = f"Rank 1 is best, mean over {n_tasks} tasks, which are of one cohort and not independent. {tested}"
    return Picture("average_ranks", "Average ranks", caption, draw, diagram)


def _draw(axes: Axes, diagram: RankDiagram) -> None:
    axes.set(xlim=(0, WIDTH), ylim=(diagram.height, 0))
    axes.axis("off")
    axes.plot([START, END], [AXIS_Y, AXIS_Y], color=plots.INK, linewidth=1.2)
    for at, text in diagram.ticks:
        axes.plot([at, at], [AXIS_Y, AXIS_Y - 4], color=plots.INK, linewidth=1.2)
        axes.text(at, AXIS_Y - 5, text, ha="center", va="bottom", fontsize=8)
    for name in diagram.names:
        axes.plot([name.at, name.at, name.edge], [AXIS_Y, name.y, name.y], color=plots.FAINT, linewidth=0.9)
        align = "right" if name.anchor == "end" else "left"
        axes.text(name.x, name.y, f"{name.label} {name.rank}", ha=align, va="center", fontsize=7.5)
    for bar in diagram.cliques:
        axes.plot([bar.start, bar.end], [bar.y, bar.y], color=plots.ACCENT, linewidth=3)
    if diagram.critical:
        start, end, y, text = diagram.critical
        axes.plot([start, end], [y, y], color=plots.ALARM, linewidth=2)
        axes.text((start + end) / 2, y - 2, text, ha="center", va="bottom", fontsize=8, color=plots.ALARM)
