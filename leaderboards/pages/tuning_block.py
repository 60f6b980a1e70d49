"""Tuning on the page: budget, choice and edges of each method, and the scores of its trials."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from matplotlib.figure import Figure

from leaderboards.figures import plots
from leaderboards.scores.benchmark_records import BenchmarkRecords
from leaderboards.tables.cells import Cell, Line, PageTable, number_cell
from leaderboards.tables.document import Block, Picture
from selip.records.record import TuningFacts

DEFAULT = "default"
"""Name of the trial with the experiment's own settings."""


def tuning_block(board: BenchmarkRecords) -> Block | None:
    """Account of how the settings of the methods were tuned; None where nothing was."""
    found = {record.method: record.tuning for record in board.records if record.tuning}
    if not found:
        return None
    facts = next(iter(found.values()))
    lead = (
        f"Trials of each method, the experiment's own settings first, on {facts.cohort} with seeds "
        f"{', '.join(map(str, facts.seeds))}; a score is the {facts.score}. The test part was not read."
    )
    caption = "Dot: a trial; ring: the experiment's own settings; filled: the choice."
    figure = Picture("tuning", "Scores of the trials", caption, partial(_draw, found, board.synthetic), inline=True)
    return Block("Tuning", lead, [_table(found)], [figure], small=True)


def _table(found: Mapping[str, TuningFacts]) -> PageTable:
    lines = []
    for method, facts in sorted(found.items()):
        lost = sum(score is None for score in facts.trials.values())
        trials = f"{len(facts.trials)}" + (f", {lost} failed" if lost else "")
        chosen = ", ".join(f"{key}={value:g}" for key, value in facts.settings.items()) or "the experiment's own"
        scores = [number_cell(facts.trials[name], "score") for name in (DEFAULT, facts.chosen)]
        cells = (Cell(method), Cell(trials), *scores, Cell(chosen, prose=True), Cell(", ".join(facts.edges) or "none"))
        lines.append(Line(cells, label=method))
    columns = ("method", "trials", "score of the default", "best score", "chosen settings",
               "on the edge of their range")  # fmt: skip
    caption = "A choice on the edge of its range may lie beyond it: what is compared is then the range, not the method."
    return PageTable("Tuning", caption, columns, tuple(lines))


def _draw(found: Mapping[str, TuningFacts], synthetic: bool) -> Figure:
    """A row of dots a method."""
    names = sorted(found)
    figure = plots.new_figure(1.2 + plots.ROW_INCHES * len(names))
    axes = figure.subplots()
    for place, name in enumerate(names):
        facts = found[name]
        for trial, score in facts.trials.items():
            if score is not None:
                fill = plots.ACCENT if trial == facts.chosen else plots.PAPER
                edge = plots.INK if trial == DEFAULT else plots.ACCENT
                axes.plot(score, place, "o", ms=9 if trial == DEFAULT else 6, mfc=fill, mec=edge)
    axes.set_xlabel("score on val")
    plots.name_rows(axes, names)
    return plots.titled(figure, synthetic, "Trials of each method")
