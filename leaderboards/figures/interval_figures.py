"""Figures of a leaderboard: intervals, differences, contrasts, training curves, targets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from leaderboards.figures.plots import ROW_INCHES, Plot, draw_forest, name_rows, titled
from leaderboards.figures.theme import Theme, new_figure
from leaderboards.figures.training_curves import history_plot
from leaderboards.scores.benchmark_records import Board, Row
from leaderboards.scores.paired_differences import PRIMARY, Comparison
from leaderboards.tables.cells import DIRECTIONS, HARD_NEGATIVES, Cell, Line, Table, ordered
from leaderboards.tables.columns import Estimate
from selip.records.record import Training

MANY = 10
"""With more rows than this, panels stand beside each other and not below."""


def plots(board: Board, frame: pd.DataFrame, contrasts: Sequence[Comparison]) -> list[Plot]:
    """The figures that these records allow, in the order of the page."""
    recall = {f"abnormal/{direction}_R@10": f"{name}, R@10" for direction, name in DIRECTIONS.items()}
    graded = {f"abnormal/{direction}_nDCG@10": f"{name}, nDCG@10" for direction, name in DIRECTIONS.items()}
    hard = {f"abnormal/{metric}": name for metric, name in HARD_NEGATIVES.items()}
    named = [f"{contrast.a} − {contrast.b}" for contrast in contrasts]
    found = [
        interval_plot(board, frame, "recall_at_10", "Recall at 10, abnormal volumes", recall),
        difference_plot(board, contrasts, named, "differences", "Declared contrasts, abnormal volumes"),
        interval_plot(board, frame, "ndcg_at_10", "Graded ranking, abnormal volumes", graded),
        interval_plot(board, frame, "hard_negatives", "Hard negatives, abnormal volumes", hard),
        _contrast_plot(board, frame),
        history_plot(board, "val_score", "validation", "Validation score while training"),
        history_plot(board, "loss", "loss", "Training loss"),
        _target_plot(board),
    ]
    return [plot for plot in found if plot]


def interval_plot(
    board: Board, frame: pd.DataFrame, name: str, title: str, metrics: dict[str, str], order: str = PRIMARY
) -> Plot | None:
    """Dots with whiskers, one panel a metric.

    Args:
        board: The records.
        frame: Their tidy frame.
        name: File name of the plot.
        title: Its title.
        metrics: Metric, `pool/metric`, to the title of its panel.
        order: Metric that ranks the rows.
    """
    keys = frame["pool"].astype(str) + "/" + frame["metric"].astype(str)
    here = frame.assign(key=keys)[keys.isin(metrics) & frame["value"].notna()]
    shown = {metric: text for metric, text in metrics.items() if metric in set(here["key"])}
    if not shown:
        return None

    def draw(theme: Theme) -> Figure:
        n_rows = len(ordered(board, order))
        shape = (1, len(shown)) if n_rows > MANY else (len(shown), 1)
        figure = new_figure(0.6 + shape[0] * (0.5 + ROW_INCHES * n_rows))
        panels = figure.subplots(*shape, sharex=True, sharey=True, squeeze=False).ravel()
        for axes, (metric, text) in zip(panels, shown.items(), strict=True):
            entries = here[here["key"] == metric]
            _draw_intervals(axes, ordered(board, order), entries, theme)
            axes.set_title(text, fontsize=10 if shape[1] < 3 else 8.5)
            _draw_chance(axes, entries, theme, beside=shape[1] > 1)
        panels[-1].set_xlim(-0.02, 1.02)
        return titled(figure, board.synthetic, title)

    rings = " Small rings: single seeds." if len(board.seeds) > 1 else ""
    levels = "; dashed line: chance" if here["chance"].notna().any() else ""
    return Plot(name, title, f"Dot and 95 % interval{levels}.{rings}", draw)


def _draw_intervals(axes: Axes, rows: Sequence[Row], entries: pd.DataFrame, theme: Theme) -> None:
    indexed = entries.set_index(["method", "ablation"])
    for place, row in enumerate(rows):
        if (row.method, row.ablation) not in indexed.index:
            continue
        entry = indexed.loc[(row.method, row.ablation)]
        axes.plot([entry["lower"], entry["upper"]], [place, place], color=theme.accent, linewidth=2)
        if len(row.scored) > 1:
            seeds = [record.metrics[entry["key"]].value for record in row.scored]
            axes.plot(seeds, np.full(len(seeds), place + 0.28), "o", ms=3, mfc="none", color=theme.faint)
        axes.plot(entry["value"], place, "o", ms=6.5, color=theme.accent, mec=theme.paper)
    name_rows(axes, [row.label for row in rows])


def _draw_chance(axes: Axes, entries: pd.DataFrame, theme: Theme, beside: bool) -> None:
    """A dashed line at chance; its number stands above the panel, or below it where panels stand beside each other."""
    chance = entries["chance"].dropna()
    if chance.empty:
        return
    axes.axvline(chance.iloc[0], color=theme.alarm, linestyle="--", linewidth=1.2)
    text = f"chance {chance.iloc[0]:.3f}"
    if beside:
        axes.set_xlabel(text, fontsize=8, color=theme.alarm)
    else:
        axes.set_title(text, loc="right", fontsize=8, color=theme.alarm, weight="normal")


def difference_plot(
    board: Board, contrasts: Sequence[Comparison], names: Sequence[str], name: str, title: str, unit: str = ""
) -> Plot | None:
    """Forest plot of declared contrasts, one line a name of `names`; `unit` is said of the axis."""
    if not contrasts:
        return None

    def draw(theme: Theme) -> Figure:
        figure = new_figure(1.2 + ROW_INCHES * len(contrasts))
        filled = [c.separates for c in contrasts]
        draw_forest(figure.subplots(), names, contrasts, filled, theme, **({"unit": unit} if unit else {}))
        return titled(figure, board.synthetic, title)

    caption = "Dot and 95 % interval of the paired difference; filled where the interval leaves out 0 (dashed)."
    return Plot(name, "Declared contrasts", caption, draw)


def _contrast_plot(board: Board, frame: pd.DataFrame) -> Plot | None:
    """R@10 of every method in every contrast, with chance as the last line."""
    here = frame[frame["pool"].astype(str).str.startswith("contrast_") & (frame["metric"] == "image_to_text_R@10")]
    if here.empty:
        return None
    labels = {(row.method, row.ablation): row.label for row in ordered(board)}
    names = [labels[key] for key in zip(here["method"], here["ablation"], strict=True)]
    here = here.assign(label=names, contrast=here["pool"].str.removeprefix("contrast_"))
    grid = here.pivot(index="label", columns="contrast", values="value").reindex(labels.values())
    grid.loc["chance"] = here.groupby("contrast")["chance"].first()

    def draw(theme: Theme) -> Figure:
        figure = new_figure(1.1 + ROW_INCHES * 1.15 * len(grid))
        axes = figure.subplots()
        style = {"vmin": 0, "vmax": 1, "annot": True, "fmt": ".2f", "cmap": "crest", "linewidths": 1.5}
        sns.heatmap(grid, ax=axes, cbar=False, linecolor=theme.paper, annot_kws={"size": 9}, **style)
        axes.axhline(len(grid) - 1, color=theme.ink, linewidth=1.5)
        axes.set(xlabel="", ylabel="")
        axes.tick_params(length=0)
        axes.tick_params(axis="y", rotation=0)
        return titled(figure, board.synthetic, "Image → text R@10 by contrast")

    caption = "Abnormal volumes of one contrast at a time, each with its own candidates; chance in the last line."
    return Plot("contrasts", "By contrast", caption, draw)


def _target_plot(board: Board) -> Plot | None:
    """Entropy and diagonal mass of the target matrix, mean over seeds, for methods that have one."""
    fields = {"target_entropy": "mean row entropy of T (nats)", "target_diagonal": "mean diagonal of T"}
    trainings = {row.label: [r.training for r in row.scored if r.training] for row in board.rows}
    kept = {label: ts for label, ts in trainings.items() if ts and all(t.target_entropy is not None for t in ts)}
    if not kept:
        return None

    def draw(theme: Theme) -> Figure:
        figure = new_figure(1.15 + ROW_INCHES * len(kept))
        panels = figure.subplots(1, 2, sharey=True)
        for axes, (field, text) in zip(panels, fields.items(), strict=True):
            means = [float(np.mean([getattr(t, field) for t in ts])) for ts in kept.values()]
            axes.barh(range(len(kept)), means, color=theme.accent, height=0.55)
            for place, mean in enumerate(means):
                axes.text(mean, place, f" {mean:.2f}", va="center", fontsize=8.5)
            axes.set_xlim(0, max([*means, 0.1]) * 1.25)
            axes.set_xlabel(text)
        name_rows(panels[0], list(kept))
        return titled(figure, board.synthetic, "Target matrices")

    caption = "How soft the targets are. A fair control of selip is as soft as selip."
    return Plot("targets", "Target matrices", caption, draw, table=_target_table(kept, fields, caption))


def _target_table(kept: Mapping[str, Sequence[Training]], fields: Mapping[str, str], caption: str) -> Table:
    lines = []
    for label, trainings in kept.items():
        means = [float(np.mean([getattr(training, field) for training in trainings])) for field in fields]
        lines.append(Line((Cell(label), *(Cell(f"{mean:.2f}", estimate=Estimate(mean)) for mean in means))))
    return Table("Target matrices", caption, ("method", *fields.values()), tuple(lines))
