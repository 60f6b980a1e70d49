"""Figures of training: a quantity of the history over steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from leaderboards.figures.line_chart import Chart, Curve, Point, chart_of
from leaderboards.figures.plots import Plot, titled
from leaderboards.figures.theme import Theme, new_figure, palette
from leaderboards.scores.benchmark_records import Board, Row

History = tuple[int, list[float], list[float]]
"""Of one run: the chosen step, the steps, the values."""
STYLES = ("-", "--", "-.", ":")
MANY = 8
"""With more curves than this only the methods of declared contrasts have a colour."""
OTHERS = "other methods"
CAPTIONS = {
    "loss": "One line a seed. Losses of different objectives are on different scales: compare shapes only.",
    "val_score": "One line a seed; the dot is the step that validation chose. The test split plays no part.",
}
AXES = {"loss": "loss (nats)", "val_score": "mean MRR on val"}


def history_plot(board: Board, field: str, name: str, title: str) -> Plot | None:
    """A quantity of the training history over steps, one thin line a seed, in the colour and style of its method.

    Args:
        board: The records.
        field: "loss" or "val_score".
        name: File name of the plot.
        title: Its title.
    """
    curves = {row.label: found for row in board.rows if (found := curves_of(row, field))}
    if not curves:
        return None
    shown = _highlighted(list(curves), board.contrasts)

    def draw(theme: Theme) -> Figure:
        styles = _styles(shown, list(curves), theme)
        handles = {label if label in shown else OTHERS: style for label, style in styles.items()}
        figure = new_figure(3.3 + 0.2 * ((len(handles) + 1) // 2))
        axes = figure.subplots()
        for label, lines in curves.items():
            for chosen, steps, values in lines:
                axes.plot(steps, values, **styles[label])
                if field == "val_score" and chosen in steps and label in shown:
                    axes.plot(chosen, values[steps.index(chosen)], "o", color=styles[label]["color"], zorder=3)
        axes.set(xlabel="step", ylabel=AXES[field])
        entries = [mpl.lines.Line2D([], [], **style) for style in handles.values()]
        figure.legend(entries, list(handles), loc="outside lower left", ncols=2, fontsize=8.5)
        return titled(figure, board.synthetic, title)

    return Plot(name, title, CAPTIONS[field], draw, history_chart(curves, field, shown))


def history_chart(curves: Mapping[str, Sequence[History]], field: str, highlighted: Sequence[str]) -> Chart:
    """The same for the HTML page.

    Args:
        curves: By label, each with at least one history.
        field: "loss" or "val_score".
        highlighted: Labels that have a colour.
    """
    drawn = []
    for label, histories in curves.items():
        lines = [[Point(*point) for point in zip(steps, values, strict=True)] for _, steps, values in histories]
        chosen = [step for step, _, _ in histories]
        dots = [point for step, line in zip(chosen, lines, strict=True) for point in line if point.x == step]
        drawn.append(Curve(label, lines, dots if field == "val_score" else []))
    return chart_of(drawn, "step", AXES[field], highlighted)


def _highlighted(labels: list[str], contrasts: Sequence[tuple[str, str]]) -> list[str]:
    """All labels where there are few, else those of declared contrasts, in their order."""
    declared = dict.fromkeys(label for pair in contrasts for label in pair)
    return labels if len(labels) <= MANY else [label for label in declared if label in labels]


def _styles(shown: list[str], labels: list[str], theme: Theme) -> dict[str, dict[str, Any]]:
    """Line style of each label, highlighted ones first; the others are thin, grey and behind."""
    colours = palette(shown)
    found: dict[str, dict[str, Any]] = {
        label: {"color": colours[label], "linestyle": STYLES[place % len(STYLES)], "linewidth": 1.5}
        for place, label in enumerate(shown)
    }
    grey = {"color": theme.faint, "linestyle": "-", "linewidth": 0.7, "alpha": 0.6, "zorder": 1}
    return found | {label: grey for label in labels if label not in found}


def curves_of(row: Row, field: str) -> list[History]:
    """One history a seed, of the seeds that have one."""
    found = []
    for record in row.scored:
        points = [(p["step"], p[field]) for p in record.training.history if field in p] if record.training else []
        if points and record.training:
            found.append((record.training.chosen_step, [step for step, _ in points], [value for _, value in points]))
    return found
