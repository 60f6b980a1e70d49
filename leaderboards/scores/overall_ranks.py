"""Methods over all tasks: one declared metric a task, average ranks of the methods that have every task."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from benchmarks.statistics.significance import AverageRanks, friedman_ranks
from leaderboards.scores.benchmark_records import Board
from leaderboards.scores.benchmark_scores import Sheet
from leaderboards.scores.families import RETRIEVAL, metric_words, task_keys, words

FIELDS = ("value", "lower", "upper")


@dataclass(frozen=True)
class Task:
    """One line of what methods are ranked over.

    Attributes:
        benchmark: Name of the benchmark.
        key: Its declared metric in one pool, `pool/metric`.
        name: The same in words, unique among tasks.
        higher_is_better: Direction.
    """

    benchmark: str
    key: str
    name: str
    higher_is_better: bool


@dataclass(frozen=True)
class Overall:
    """Methods by tasks.

    Attributes:
        tasks: All tasks that some complete row has.
        entries: (label, task's name) -> value, lower and upper bound.
        labels: Every row of every benchmark, ranked ones first, then by name.
        lacking: Label to what keeps it out of the ranks: task's name and reason; none for those that are ranked.
        ranks: Average ranks of the rows that have every task; None without such a row.
    """

    tasks: tuple[Task, ...]
    entries: dict[tuple[str, str], tuple[float, float, float]]
    labels: tuple[str, ...]
    lacking: dict[str, dict[str, str]]
    ranks: AverageRanks | None

    def scores(self) -> pd.DataFrame:
        """(tasks x ranked methods) values, no hole."""
        kept = [label for label in self.labels if not self.lacking[label]]
        values = {label: [self.entries[label, task.name][0] for task in self.tasks] for label in kept}
        return pd.DataFrame(values, index=[task.name for task in self.tasks])


def overall_of(sheets: Sequence[Sheet]) -> Overall:
    """Methods by tasks, from the sheets of all benchmarks."""
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


def tasks_of(sheet: Sheet) -> list[Task]:
    """The tasks of one benchmark that a complete row has."""
    found = []
    for key in task_keys(sheet.board):
        metrics = [
            record.metrics[key] for row in sheet.board.complete for record in row.scored if key in record.metrics
        ]
        if metrics:
            found.append(Task(sheet.name, key, task_name(sheet.name, key), metrics[0].higher_is_better))
    return found


def task_name(benchmark: str, key: str) -> str:
    """A task in words: "linear probe, lesion type"; the metric is declared, so only retrieval needs its name."""
    pool, metric = key.split("/", 1)
    return f"retrieval, {metric_words(metric)}" if benchmark == RETRIEVAL else f"{words(benchmark)}, {words(pool)}"


def overall_frame(overall: Overall) -> pd.DataFrame:
    """The CSV: one line a method and task, with the average rank of the method where it has one."""
    lines = []
    for label in overall.labels:
        rank = overall.ranks.ranks.get(label) if overall.ranks else None
        for task in overall.tasks:
            about = {"method": label, "average_rank": rank, "benchmark": task.benchmark, "task": task.name}
            numbers = dict(zip(FIELDS, overall.entries.get((label, task.name), (None,) * 3), strict=True))
            reason = overall.lacking[label].get(task.name, "")
            lines.append(about | {"metric": task.key} | numbers | {"reason": reason})
    columns = ["method", "average_rank", "benchmark", "task", "metric", *FIELDS, "reason"]
    return pd.DataFrame(lines, columns=columns)


def _entries(sheet: Sheet) -> dict[tuple[str, str], tuple[float, float, float]]:
    labels = {(row.method, row.ablation): row.label for row in sheet.board.complete}
    names = {task.key: task.name for task in tasks_of(sheet)}
    frame = sheet.frame[(sheet.frame["pool"].astype(str) + "/" + sheet.frame["metric"].astype(str)).isin(names)]
    return {
        (labels[one.method, one.ablation], names[f"{one.pool}/{one.metric}"]): (one.value, one.lower, one.upper)
        for one in frame.itertuples()
    }


def _reason(board: Board, label: str) -> str:
    row = next((row for row in board.rows if row.label == label), None)
    if row is None:
        return "was not run"
    return row.hole or "has no such metric"
