"""All that pages need of one benchmark, worked out once; methods over the tasks of all benchmarks, and their ranks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from benchmarks.statistics.significance import AverageRanks, friedman_ranks
from leaderboards.scores.benchmark_records import BenchmarkRecords, methods_of
from leaderboards.scores.headlines import Headline, headline_of, metric_words, pool_words, task_keys
from leaderboards.scores.method_rows import MethodRow
from leaderboards.scores.paired_differences import (
    SEEDS_FOR_A_TEST,
    Comparison,
    Standing,
    adjusted,
    declared_contrasts,
    standing_of,
)
from leaderboards.scores.tidy_table import KEY, Estimate, estimate_of, tidy
from selip.records.declaration import Declared
from selip.system.mappings import grouped


@dataclass(frozen=True)
class BenchmarkScores:
    """One benchmark without ablations; headline and standing are None when no record was scored.

    The contrasts are those declared, on the metric that ranks, Holm-adjusted over the family of benchmarks; `beside`
    are the same on the co-primary metrics, adjusted by metric.
    """

    board: BenchmarkRecords
    headline: Headline | None
    standing: Standing | None
    frame: pd.DataFrame
    contrasts: Sequence[Comparison] = ()
    beside: Sequence[Comparison] = ()

    @property
    def name(self) -> str:
        """Name of the benchmark."""
        return self.board.benchmark

    @property
    def declared(self) -> Declared:
        """All that the benchmark says of itself."""
        return self.board.declared

    @property
    def groups(self) -> dict[str, str]:
        """Group letters of the rows, by label."""
        return self.standing.groups if self.standing else {}

    def evidence(self, first: str, second: str) -> list[Comparison]:
        """A declared contrast on the metric that ranks and on every co-primary one."""
        return [c for c in (*self.contrasts, *self.beside) if (c.a, c.b) == (first, second) and c.known]

    def estimate(self, row: MethodRow, key: str) -> Estimate:
        """Value and bounds of a complete row in a metric that it has."""
        return estimate_of(self.frame, row, key)


def families_of(boards: Mapping[str, BenchmarkRecords], n_resamples: int) -> dict[str, list[BenchmarkScores]]:
    """Page to its sheets, both in the order that benchmarks declare."""
    ordered = sorted(boards.values(), key=lambda board: (board.declared.place, board.benchmark))
    found = grouped((board.declared.family, _sheet(methods_of(board), n_resamples)) for board in ordered)
    return {family: _with_holm(sheets) for family, sheets in found.items()}


def _sheet(board: BenchmarkRecords, n_resamples: int) -> BenchmarkScores:
    headline = headline_of(board.records)
    standing = standing_of(board, headline.key, n_resamples) if headline else None
    frame = tidy(board, n_resamples, known=[standing] if standing else [])
    beside = [c for key in board.declared.co_primary for c in declared_contrasts(board, key, n_resamples)]
    return BenchmarkScores(board, headline, standing, frame, beside=beside if headline else ())


def _with_holm(sheets: Sequence[BenchmarkScores]) -> list[BenchmarkScores]:
    """The sheets with their declared contrasts, adjusted over all of the family, run or not."""
    raw = [sheet.standing.declared(sheet.board.contrasts) if sheet.standing else [] for sheet in sheets]
    planned = sum(len(sheet.board.contrasts) for sheet in sheets)
    every = iter(adjusted([comparison for found in raw for comparison in found], family=planned))
    return [replace(sheet, contrasts=[next(every) for _ in found]) for sheet, found in zip(sheets, raw, strict=True)]


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


def of_most_seeds(sheets: Sequence[BenchmarkScores]) -> list[BenchmarkScores]:
    """Those that a claim may rest on: with the seeds that a test over seeds needs, or as many as any has."""
    most = max((len(sheet.board.seeds) for sheet in sheets), default=0)
    return [sheet for sheet in sheets if len(sheet.board.seeds) >= min(most, SEEDS_FOR_A_TEST)]


def overall_of(sheets: Sequence[BenchmarkScores]) -> Overall:
    """Methods by tasks, from the benchmarks of most seeds; without ranks where they describe runs."""
    sheets = [sheet for sheet in of_most_seeds(sheets) if sheet.declared.ranked]
    tasks = [task for sheet in sheets for task in tasks_of(sheet)]
    entries = {found: numbers for sheet in sheets for found, numbers in _entries(sheet).items()}
    labels = sorted({row.label for sheet in sheets for row in sheet.board.rows if not row.external})
    boards = {sheet.name: sheet.board for sheet in sheets}
    lacking = {
        label: {
            task.name: _reason(boards[task.benchmark], label) for task in tasks if (label, task.name) not in entries
        }
        for label in labels
    }
    whole = Overall(tuple(tasks), entries, tuple(labels), lacking, None)
    scores = whole.scores()
    if scores.empty or any(sheet.board.describes_runs for sheet in sheets):
        return whole
    ranks = friedman_ranks(scores, [task.higher_is_better for task in tasks])
    order = [*ranks.ranks, *(label for label in labels if lacking[label])]
    return Overall(whole.tasks, entries, tuple(order), lacking, ranks)


def tasks_of(sheet: BenchmarkScores) -> list[RankedTask]:
    """The tasks of one benchmark that a complete row has."""
    kept = {key for row in sheet.board.complete if not row.external for record in row.scored for key in record.metrics}
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
    labels = {(row.method, row.ablation): row.label for row in sheet.board.complete if not row.external}
    names = {task.key: task.name for task in tasks_of(sheet)}
    return {
        (labels[one.method, one.ablation], names[one.key]): Estimate(one.value, one.lower, one.upper)
        for one in sheet.frame[sheet.frame[KEY].isin(names)].itertuples()
        if (one.method, one.ablation) in labels
    }


def _reason(board: BenchmarkRecords, label: str) -> str:
    row = next((row for row in board.rows if row.label == label), None)
    if row is None:
        return "was not run"
    return row.hole or "has no such metric"
