"""Methods over all tasks: one declared metric a task, average ranks of the methods that have every task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from benchmarks.statistics.significance import AverageRanks, friedman_ranks
from leaderboards.scores.benchmark_records import BenchmarkRecords
from leaderboards.scores.benchmark_scores import BenchmarkScores
from leaderboards.scores.headlines import metric_words, pool_words, task_keys
from leaderboards.scores.tidy_table import KEY, Estimate
from selip.records.declaration import Declared


@dataclass(frozen=True)
class RankedTask:
    """A metric of one pool that methods are ranked over; its name is unique among tasks."""

    benchmark: str
    key: str
    name: str
    higher_is_better: bool


@dataclass(frozen=True)
class Overall:
    """Methods by tasks: entries by label and task's name; ranks of the rows that have every task, None without one.

    `labels` are all rows, ranked ones first; `lacking` is by label what keeps it out: task's name and reason.
    """

    tasks: tuple[RankedTask, ...]
    entries: dict[tuple[str, str], Estimate]
    labels: tuple[str, ...]
    lacking: dict[str, dict[str, str]]
    ranks: AverageRanks | None

    def scores(self) -> pd.DataFrame:
        """(tasks x ranked methods) values, no hole."""
        kept = [label for label in self.labels if not self.lacking[label]]
        values = {label: [self.entries[label, task.name].value for task in self.tasks] for label in kept}
        return pd.DataFrame(values, index=[task.name for task in self.tasks])


def overall_of(sheets: Sequence[BenchmarkScores]) -> Overall:
    """Methods by tasks, from the sheets of all benchmarks."""
    sheets = [sheet for sheet in sheets if sheet.declared.ranked]
    tasks = [task for sheet in sheets for task in tasks_of(sheet)]
    entries = {found: numbers for sheet in sheets for found, numbers in _entries(sheet).items()}
    labels = sorted({row.label for sheet in sheets for row in sheet.board.rows})
    boards = {sheet.name: sheet.board for sheet in sheets}
    lacking = {
        label: {
            task.name: _reason(boards[task.benchmark], label) for task in tasks if (label, task.name) not in entries
        }
        for label in labels
    }
    whole = Overall(tuple(tasks), entries, tuple(labels), lacking, None)
    scores = whole.scores()
    if scores.empty:
        return whole
    ranks = friedman_ranks(scores, [task.higher_is_better for task in tasks])
    order = [*ranks.ranks, *(label for label in labels if lacking[label])]
    return Overall(whole.tasks, entries, tuple(order), lacking, ranks)


def tasks_of(sheet: BenchmarkScores) -> list[RankedTask]:
    """The tasks of one benchmark that a complete row has."""
    kept = {key for row in sheet.board.complete for record in row.scored for key in record.metrics}
    return [
        RankedTask(sheet.name, key, task_name(sheet.declared, key), sheet.board.is_higher_better(key))
        for key in task_keys(sheet.board.records)
        if key in kept
    ]


def task_name(declared: Declared, key: str) -> str:
    """A task in words: "linear probe, lesion type"; by its metric where a benchmark declares several."""
    return f"{declared.label}, {metric_words(declared, key) if declared.also else pool_words(declared, key)}"


def overall_frame(overall: Overall) -> pd.DataFrame:
    """The CSV: one line a method and task, with the average rank of the method where it has one."""
    lines = []
    for label in overall.labels:
        rank = overall.ranks.ranks.get(label) if overall.ranks else None
        for task in overall.tasks:
            about = {"method": label, "average_rank": rank, "benchmark": task.benchmark, "task": task.name}
            numbers = dict(zip(Estimate._fields, overall.entries.get((label, task.name), (None,) * 3), strict=True))
            reason = overall.lacking[label].get(task.name, "")
            lines.append(about | {"metric": task.key} | numbers | {"reason": reason})
    columns = ["method", "average_rank", "benchmark", "task", "metric", *Estimate._fields, "reason"]
    return pd.DataFrame(lines, columns=columns)


def _entries(sheet: BenchmarkScores) -> dict[tuple[str, str], Estimate]:
    labels = {(row.method, row.ablation): row.label for row in sheet.board.complete}
    names = {task.key: task.name for task in tasks_of(sheet)}
    return {
        (labels[one.method, one.ablation], names[one.key]): Estimate(one.value, one.lower, one.upper)
        for one in sheet.frame[sheet.frame[KEY].isin(names)].itertuples()
    }


def _reason(board: BenchmarkRecords, label: str) -> str:
    row = next((row for row in board.rows if row.label == label), None)
    if row is None:
        return "was not run"
    return row.hole or "has no such metric"
