"""Figures of scores: intervals of every method, declared contrasts, and methods by pools."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from leaderboards.figures import plots
from leaderboards.scores.benchmark_records import BenchmarkRecords
from leaderboards.scores.benchmark_scores import BenchmarkScores
from leaderboards.scores.headlines import capital, metric_words, pool_words
from leaderboards.scores.method_rows import MethodRow
from leaderboards.scores.paired_differences import Comparison
from leaderboards.scores.tidy_table import KEY
from leaderboards.tables.benchmark_tables import expanded, ordered
from leaderboards.tables.contrast_verdicts import shown_difference
from leaderboards.tables.document import Picture
from selip.records.declaration import DeclaredFigure

MANY = 10
"""With more rows than this, panels stand beside each other and not below."""


def score_plots(sheet: BenchmarkScores) -> list[Picture]:
    """The declared figures of a benchmark that its records allow, or the intervals of the metric that ranks."""
    if sheet.headline is None:
        return []
    declared, key = sheet.declared, sheet.headline.key
    title = f"{capital(declared.label)}: {metric_words(declared, key)}"
    alone = DeclaredFigure(name=sheet.name, title=title, panels={key: pool_words(declared, key)})
    found = []
    for one in declared.figures or [alone]:
        panels = expanded(one.panels, sheet.frame[KEY].dropna())
        here = sheet.frame[sheet.frame[KEY].isin(panels) & sheet.frame["value"].notna()]
        if not here.empty:
            panels = {metric: text for metric, text in panels.items() if metric in set(here[KEY])}
            draw = _map_plot if one.kind == "map" else _interval_plot
            found.append(draw(sheet.board, here, one, panels, key))
    return found


def _interval_plot(
    board: BenchmarkRecords, here: pd.DataFrame, one: DeclaredFigure, panels: dict[str, str], order: str
) -> Picture:
    """Dots with whiskers, one panel a metric; `order` is the metric that ranks the rows."""
    levels = {metric: board.levels(metric) for metric in panels}

    def draw() -> Figure:
        n_rows = len(ordered(board, order))
        shape = (1, len(panels)) if n_rows > MANY else (len(panels), 1)
        figure = plots.new_figure(0.6 + shape[0] * (0.5 + plots.ROW_INCHES * n_rows), plots.PAGE_INCHES)
        axes_of = figure.subplots(*shape, sharex=True, sharey=True, squeeze=False).ravel()
        for axes, (metric, text) in zip(axes_of, panels.items(), strict=True):
            _draw_intervals(axes, ordered(board, order), here[here[KEY] == metric])
            axes.set_title(text, fontsize=8.5 if shape[1] < 3 else 7.5)
            _draw_levels(axes, levels[metric], beside=shape[1] > 1)
        if here[["value", "lower", "upper"]].stack().between(0, 1).all():
            axes_of[-1].set_xlim(-0.02, 1.02)
        return plots.titled(figure, board.synthetic, one.title)

    rings = " Small rings: single seeds." if len(board.seeds) > 1 else ""
    words = dict.fromkeys(name for found in levels.values() for name in found)
    said = "".join(f"; {look} line: {name}" for look, name in zip(("dashed", "dotted"), words, strict=False))
    return Picture(one.name, one.title, f"Dot and 95 % interval{said}.{rings}", draw)


def _draw_intervals(axes: Axes, rows: Sequence[MethodRow], entries: pd.DataFrame) -> None:
    indexed = entries.set_index(["method", "ablation"])
    for place, row in enumerate(rows):
        if (row.method, row.ablation) not in indexed.index:
            continue
        entry = indexed.loc[(row.method, row.ablation)]
        axes.plot([entry["lower"], entry["upper"]], [place, place], color=plots.ACCENT, linewidth=2)
        if len(row.scored) > 1:
            seeds = row.values(entry[KEY])
            axes.plot(seeds, np.full(len(seeds), place + 0.28), "o", ms=3, mfc="none", color=plots.FAINT)
        axes.plot(entry["value"], place, "o", ms=5.5, color=plots.ACCENT, mec=plots.PAPER)
    plots.name_rows(axes, [row.label for row in rows])


def _draw_levels(axes: Axes, levels: Mapping[str, float], beside: bool) -> None:
    """Lines at chance and majority; their numbers stand above the panel, or below where panels stand beside others."""
    for line, level in zip(("--", ":"), levels.values(), strict=False):
        axes.axvline(level, color=plots.ALARM, linestyle=line, linewidth=1.2)
    text = ", ".join(f"{words} {level:.3f}" for words, level in levels.items())
    if beside:
        axes.set_xlabel(text, fontsize=7, color=plots.ALARM)
    else:
        axes.set_title(text, loc="right", fontsize=7, color=plots.ALARM, weight="normal")


def difference_plot(sheets: Sequence[BenchmarkScores], family: str, synthetic: bool) -> Picture | None:
    """Forest plot of the declared contrasts of a page."""
    contrasts: list[Comparison] = [c for sheet in sheets for c in sheet.contrasts if c.known]
    if not contrasts:
        return None
    names = [f"{c.name} · {c.label}" if len(sheets) > 1 else c.name for c in contrasts]

    def draw() -> Figure:
        figure = plots.new_figure(1.2 + plots.ROW_INCHES * len(contrasts), plots.PAGE_INCHES)
        filled = [c.separates for c in contrasts]
        plots.draw_forest(figure.subplots(), names, contrasts, filled, "the ranking metric")
        return plots.titled(figure, synthetic, f"Declared contrasts, {family.replace('_', ' ')}")

    caption = (
        f"Dot and 95 % interval of the paired difference; filled where the interval leaves out 0 (dashed). {plots.SEEN}"
    )
    return Picture(f"{family}_differences", "Declared contrasts", caption, draw)


def question_plot(sheets: Sequence[BenchmarkScores], keys: Collection[str]) -> Picture | None:
    """The first declared method minus each of what it is compared with, on metrics of the first benchmark with some."""
    for sheet in sheets:
        found: dict[str, list[Comparison]] = {}
        for c in (*sheet.contrasts, *sheet.beside):
            if c.known and c.key in keys and c.a == sheet.board.contrasts[0][0]:
                found.setdefault(metric_words(sheet.declared, c.key), []).append(c)
        if found:
            return _question(found, sheet.board.synthetic)
    return None


def _question(found: Mapping[str, Sequence[Comparison]], synthetic: bool) -> Picture:
    def draw() -> Figure:
        rows = [len(ones) + 3 for ones in found.values()]
        figure = plots.new_figure(0.4 + 0.2 * sum(rows))
        panels = figure.subplots(len(found), 1, sharex=True, squeeze=False, height_ratios=rows)[:, 0]
        for axes, (metric, ones) in zip(panels, found.items(), strict=True):
            plots.draw_forest(axes, [f"− {c.b}" for c in ones], ones, [c.differs for c in ones], metric)
            axes.set(xlim=(-reach, reach), xlabel=metric)
        return plots.titled(figure, synthetic, title)

    every = [c for ones in found.values() for c in ones]
    reach = 1.04 * max(abs(n) for c in every for n in (*c.difference[:3], c.smallest) if math.isfinite(n)) or 1.0
    title = f"{every[0].a} minus each"
    said = "; ".join(f"{c.b} in {metric} {shown_difference(c)}" for metric, ones in found.items() for c in ones)
    better = f"Right of 0 is better for {every[0].a} where more is better; filled: different after Holm's adjustment."
    better += " The sentence above takes all co-primary metrics, not one." if len(found) > 1 else ""
    caption = f"Dot and 95 % interval of the paired difference. {better} {plots.SEEN}"
    return Picture("question", title, caption, draw, inline=True, label=f"{title}: {said}")


def _map_plot(
    board: BenchmarkRecords, here: pd.DataFrame, one: DeclaredFigure, panels: dict[str, str], order: str
) -> Picture:
    """One metric of every method in every pool of a pattern, with the floor as the last line."""
    pattern, title = next(iter(one.panels.items()))
    columns = expanded({pattern: "*"}, panels)
    labels = {(row.method, row.ablation): row.label for row in ordered(board, order)}
    names = [labels[key] for key in zip(here["method"], here["ablation"], strict=True)]
    here = here.assign(label=names, pool=here[KEY].map(columns))
    grid = here.pivot(index="label", columns="pool", values="value").reindex(labels.values())
    levels = pd.DataFrame({name: board.levels(key) for key, name in columns.items()})
    grid = pd.concat([grid, levels])

    def draw() -> Figure:
        figure = plots.new_figure(1.1 + plots.ROW_INCHES * 1.15 * len(grid), plots.PAGE_INCHES)
        axes = plots.draw_heat_map(figure, grid, ".2f", vmin=0, vmax=1)
        axes.axhline(len(grid) - len(levels), color=plots.INK, linewidth=1.5)
        axes.set(xlabel="", ylabel="")
        return plots.titled(figure, board.synthetic, title)

    said = f"; {' and '.join(levels.index)} in the last lines" if len(levels) else ""
    return Picture(one.name, one.title, f"{one.caption}{said}.", draw)
