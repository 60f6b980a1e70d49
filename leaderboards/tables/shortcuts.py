"""Shortcuts: whether the best method of a task clears a model that sees metadata alone."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from leaderboards.scores.benchmark_scores import Sheet
from leaderboards.scores.families import task_keys, words
from leaderboards.scores.paired_differences import ranked
from leaderboards.scores.tidy_table import entry_of
from leaderboards.tables.cells import MISSING, Cell, Line, Table, Verdict, number_cell
from leaderboards.tables.columns import Estimate, Facet


@dataclass(frozen=True)
class Shortcut:
    """A task beside what metadata alone scores on it.

    Attributes:
        task: Benchmark and pool in words.
        key: Metric.
        best: Label of the best complete method.
        value: Its value.
        lower: Lower bound of its interval, NaN where it is unknown.
        upper: Upper bound.
        metadata: What the metadata-only model scores, held fixed.
        chance: Chance level, None where there is none.
    """

    task: str
    key: str
    best: str
    value: float
    lower: float
    upper: float
    metadata: float
    chance: float | None

    @property
    def verdict(self) -> str:
        """Whether the best method's lower bound clears metadata alone, and chance where metadata fall below it."""
        if pd.isna(self.lower):
            return "unknown: no interval"
        if self.lower > max(self.metadata, -math.inf if self.chance is None else self.chance):
            return "clears metadata"
        return "shortcut" if self.lower <= self.metadata else "not above chance"


def shortcuts_of(sheet: Sheet) -> list[Shortcut]:
    """The tasks of a benchmark that have a metadata-only reference."""
    found = []
    for key in task_keys(sheet.board):
        metadata, rows = sheet.board.reference(key, "metadata"), ranked(sheet.board, key)
        if metadata is None or not rows:
            continue
        best, entry = rows[0], entry_of(sheet.frame, rows[0], key)
        numbers = (float(entry["value"]), float(entry["lower"]), float(entry["upper"]))
        chance = sheet.board.reference(key, "chance")
        task = f"{words(sheet.name)}: {words(key.split('/', 1)[0])}"
        found.append(Shortcut(task, key, best.label, *numbers, metadata, chance))
    return found


def shortcut_table(found: Iterable[Shortcut]) -> Table:
    """One line a task."""
    lines = tuple(
        Line((
            Cell(one.task),
            Cell(one.best),
            number_cell(Estimate(one.value, one.lower, one.upper), one.key),
            number_cell(Estimate(one.metadata), one.key),
            Cell(MISSING) if one.chance is None else number_cell(Estimate(one.chance), one.key),
            Cell(one.verdict, strong=one.verdict in {"shortcut", "not above chance"}),
        ))
        for one in found
    )  # fmt: skip
    caption = "Metadata only: contrast, site, age and spacing through the same probe, held fixed. Shortcut: the lower "
    caption += "bound of the best method does not clear it, so the task can be answered as well without any voxel."
    columns = ("task", "best method", "its score", "metadata only", "chance", "verdict")
    score = Facet(metric="score")
    facets = (None, None, score, score, score, None)
    return Table("Metadata-only reference against the best method", caption, columns, lines, facets)


def shortcut_verdicts(sheet: Sheet) -> list[Verdict]:
    """One sentence on the tasks that metadata alone answers as well, none where there is none."""
    lost = [one.task for one in shortcuts_of(sheet) if one.verdict == "shortcut"]
    if not lost:
        return []
    text = f"Shortcut: the best method does not clear metadata alone on {', '.join(lost)}."
    return [Verdict("warn", text)]
