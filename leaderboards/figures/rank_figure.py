"""Critical-difference diagram: methods on an axis of average ranks, joined where the tasks cannot tell them apart."""

from __future__ import annotations

import math

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.statistics.significance import AverageRanks
from leaderboards.figures.plots import Plot, titled
from leaderboards.figures.rank_diagram import rank_diagram
from leaderboards.figures.theme import Theme, new_figure
from leaderboards.scores.overall_ranks import Overall

_STEP, _BAR = 1.0, 0.32
FEWEST = 2


def rank_plot(overall: Overall, synthetic: bool) -> Plot | None:
    """The diagram (Demsar 2006, J. Mach. Learn. Res. 7:1, fig. 1); None with fewer than two ranked methods."""
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
        if n <= 12 or rank in (1, n) or rank % 5 == 0:
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
