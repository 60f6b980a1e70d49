"""Critical-difference diagram as positions and words (Demsar 2006, J. Mach. Learn. Res. 7:1, fig. 1)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from benchmarks.statistics.significance import AverageRanks
from leaderboards.figures.line_chart import Axis, Tick

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
    shown = [rank for rank in range(1, n_methods + 1) if n_methods <= MANY or rank in (1, n_methods) or rank % 5 == 0]
    return RankDiagram(
        top + ROW * math.ceil(n_methods / 2),
        [Tick(axis.at(rank), str(rank)) for rank in shown],
        _critical(ranks.critical_difference, axis),
        [_clique(ranks, clique, axis, place) for place, clique in enumerate(ranks.cliques)],
        _names(ranks, axis, top),
    )


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
