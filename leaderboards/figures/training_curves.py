"""Figures of training: a quantity of the history over steps, and how soft the targets are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from leaderboards.figures import plots
from leaderboards.figures.plots import SERIES
from leaderboards.scores.benchmark_records import BenchmarkRecords
from leaderboards.scores.method_rows import MethodRow
from leaderboards.tables.document import Picture

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
TITLES = {"val_score": "Validation score while training", "loss": "Training loss"}
FILES = {"val_score": "validation", "loss": "loss"}
AXES = {"loss": "loss (nats)", "val_score": "mean MRR on val"}


def training_plots(board: BenchmarkRecords) -> list[Picture]:
    """Validation score, loss and targets, as far as the records have them."""
    found = [*(_history_plot(board, field) for field in TITLES), _target_plot(board)]
    return [plot for plot in found if plot]


def _history_plot(board: BenchmarkRecords, field: str) -> Picture | None:
    """A quantity of the training history over steps, one thin line a seed, in the colour and style of its method."""
    curves = {row.label: found for row in board.rows if (found := curves_of(row, field))}
    if not curves:
        return None
    shown = _highlighted(list(curves), board.contrasts)

    def draw() -> Figure:
        styles = _styles(shown, list(curves))
        handles = {label if label in shown else OTHERS: style for label, style in styles.items()}
        figure = plots.new_figure(2.3 + 0.16 * ((len(handles) + 1) // 2))
        axes = figure.subplots()
        for label, lines in curves.items():
            for chosen, steps, values in lines:
                axes.plot(steps, values, **styles[label], gid=SERIES + label)
                if field == "val_score" and chosen in steps and label in shown:
                    axes.plot(chosen, values[steps.index(chosen)], "o", color=styles[label]["color"], zorder=3, ms=4)
        axes.set(xlabel="step", ylabel=AXES[field])
        entries = [mpl.lines.Line2D([], [], **style) for style in handles.values()]
        figure.legend(entries, list(handles), loc="outside lower left", ncols=2)
        return plots.titled(figure, board.synthetic, TITLES[field])

    return Picture(FILES[field], TITLES[field], CAPTIONS[field], draw, inline=True)


def _highlighted(labels: list[str], contrasts: Sequence[tuple[str, str]]) -> list[str]:
    """All labels where there are few, else those of declared contrasts, in their order."""
    declared = dict.fromkeys(label for pair in contrasts for label in pair)
    return labels if len(labels) <= MANY else [label for label in declared if label in labels]


def _styles(shown: list[str], labels: list[str]) -> dict[str, dict[str, Any]]:
    """Line style of each label, highlighted ones first; the others are thin, grey and behind."""
    colours = plots.palette(shown)
    found: dict[str, dict[str, Any]] = {
        label: {"color": colours[label], "linestyle": STYLES[place % len(STYLES)], "linewidth": 1.5}
        for place, label in enumerate(shown)
    }
    grey = {"color": plots.FAINT, "linestyle": "-", "linewidth": 0.7, "alpha": 0.6, "zorder": 1}
    return found | {label: grey for label in labels if label not in found}


def curves_of(row: MethodRow, field: str) -> list[History]:
    """One history a seed, of the seeds that have one."""
    found = []
    for record in row.scored:
        points = [(p["step"], p[field]) for p in record.training.history if field in p] if record.training else []
        if points and record.training:
            found.append((record.training.chosen_step, [step for step, _ in points], [value for _, value in points]))
    return found


def _target_plot(board: BenchmarkRecords) -> Picture | None:
    """Entropy and diagonal mass of the target matrix, mean over seeds, for methods that have one."""
    fields = {"target_entropy": "row entropy (nats)", "target_diagonal": "diagonal"}
    trainings = {row.label: [r.training for r in row.scored if r.training] for row in board.rows}
    kept = {label: ts for label, ts in trainings.items() if ts and all(t.target_entropy is not None for t in ts)}
    if not kept:
        return None

    def draw() -> Figure:
        figure = plots.new_figure(1.15 + plots.ROW_INCHES * len(kept))
        panels = figure.subplots(1, 2, sharey=True)
        for axes, (field, text) in zip(panels, fields.items(), strict=True):
            means = [float(np.mean([getattr(t, field) for t in ts])) for ts in kept.values()]
            axes.barh(range(len(kept)), means, color=plots.ACCENT, height=0.55)
            for place, mean in enumerate(means):
                axes.text(mean, place, f" {mean:.2f}", va="center", fontsize=7.5)
            axes.set_xlim(0, max([*means, 0.1]) * 1.25)
            axes.set_xlabel(text)
            plots.name_rows(axes, list(kept))
        return plots.titled(figure, board.synthetic, "Target matrices")

    caption = "How soft the targets T are, mean over rows and seeds. A fair control of selip is as soft as selip."
    return Picture("targets", "Target matrices", caption, draw, inline=True)
