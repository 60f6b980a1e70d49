"""The page over all tasks: methods by tasks, average ranks, declared contrasts of every benchmark."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd

from benchmarks.statistics.intervals import SEEDS_FOR_A_SPREAD
from leaderboards.scores.benchmark_scores import BenchmarkScores, Overall, RankedTask, of_most_seeds
from leaderboards.scores.headlines import metric_words
from leaderboards.scores.paired_differences import SEEDS_FOR_A_TEST
from leaderboards.tables.cells import (
    MISSING,
    Cell,
    Line,
    PageTable,
    Verdict,
    facet_of,
    metric_cell,
    number_cell,
    number_text,
)
from leaderboards.tables.difference_tables import declared_table
from leaderboards.tables.document import Block, Page
from leaderboards.tables.protocol import cohort_facts, titled
from leaderboards.tables.verdicts import listed_levels, on_runs_alone, unbeaten
from selip.system.mappings import grouped

NOT_INDEPENDENT = (
    "Tasks of one cohort share patients, and most share the frozen features too: they are not independent draws, so "
    "the tests over tasks say less than their p-values."
)


def overall_part(overall: Overall, sheets: Sequence[BenchmarkScores], n_resamples: int) -> Page:
    """The page over all tasks."""
    board = sheets[0].board
    contrasts = [contrast for sheet in sheets for contrast in sheet.contrasts]
    blocks = [Block("Methods by tasks", _LEAD, _tables(overall, sheets))]
    if contrasts:
        title = "Declared contrasts, ranking metric of each benchmark"
        blocks.append(Block("Declared contrasts", "", [declared_table(contrasts, _OVER, title)]))
    title = titled("All tasks", board)
    about = [*cohort_facts(board), *_facts(overall, sheets, n_resamples)]
    return Page("overall", "All tasks", title, board.synthetic, _verdicts(overall, sheets), about, blocks)


_OVER = "all that were declared on the benchmarks of a page"
_LEAD = (
    "The declared metric of each task, value [lower, upper]. A method with a hole is listed with what it lacks and has "
    "no average rank."
)


def _facts(overall: Overall, sheets: Sequence[BenchmarkScores], n_resamples: int) -> list[tuple[str, str]]:
    heads = [(sheet.declared, sheet.headline.key) for sheet in sheets if sheet.headline]
    metrics = "; ".join(f"{declared.label}: {metric_words(declared, key)}" for declared, key in heads)
    return [
        ("tasks", f"{len(overall.tasks)}: {'; '.join(task.name for task in overall.tasks)}"),
        ("declared metrics", metrics),
        (
            "average ranks",
            "Friedman's test over tasks; critical difference of Nemenyi; cliques by Wilcoxon's signed-rank test with "
            "Holm's steps over all pairs, at .05",
        ),
        ("independence", NOT_INDEPENDENT),
        ("intervals", f"95 %, {n_resamples} resamples; see the page of each family"),
    ]


def _verdicts(overall: Overall, sheets: Sequence[BenchmarkScores]) -> list[Verdict]:
    found = on_runs_alone(sheets[0].board)
    left_out = [label for label in overall.labels if overall.lacking[label]]
    if overall.ranks is None and not found:
        found.append(Verdict("warn", "No method has every task, so there are no average ranks."))
    elif overall.ranks:
        best, rank = next(iter(overall.ranks.ranks.items()))
        n_methods, n_tasks = len(overall.ranks.ranks), len(overall.tasks)
        found.append(Verdict("plain", f"Best average rank: {best}, {rank:.2f} of {n_methods}, over {n_tasks} tasks."))
        found += _on_test(overall)
    if left_out:
        text = f"Not ranked, for want of a task: {', '.join(left_out)}. What each lacks stands below."
        found.append(Verdict("plain", text))
    lost = {s.declared.label: levels for s in sheets if s.headline and (levels := unbeaten(s, s.headline))}
    if lost:
        said = "; ".join(f"{label} ({listed_levels(levels)})" for label, levels in lost.items())
        found.append(Verdict("warn", f"No trained method is shown to beat chance or a control in {said}."))
    found += [Verdict("warn", NOT_INDEPENDENT)] if overall.ranks else []
    trusted = {sheet.name: sheet for sheet in of_most_seeds(sheets)}
    if fewer := [sheet.declared.label for sheet in sheets if sheet.headline and sheet.name not in trusted]:
        found.append(Verdict("plain", f"Of fewer seeds, and no part of the ranks: {', '.join(fewer)}."))
    seeds = min(len(sheet.board.seeds) for sheet in trusted.values())
    if SEEDS_FOR_A_SPREAD <= seeds < SEEDS_FOR_A_TEST:
        text = f"{seeds} seed{'s' if seeds > 1 else ''}: no sign-flip test over seeds, which needs {SEEDS_FOR_A_TEST}."
        found.append(Verdict("plain", text))
    return found


def _on_test(overall: Overall) -> list[Verdict]:
    ranks = overall.ranks
    if ranks is None:
        return []
    if pd.isna(ranks.statistic):
        return [Verdict("plain", f"Ranks are not tested: {ranks.note}.")]
    text = f"Friedman's test that all methods rank alike: chi-square {ranks.statistic:.1f}, "
    text += f"p {number_text(ranks.p_value, 'p')}; Nemenyi's critical difference {ranks.critical_difference:.2f} ranks."
    found = [Verdict("plain", text)]
    if ranks.note:
        found.append(Verdict("warn", f"No pair is tested: {ranks.note}."))
    elif ranks.cliques:
        said = "; ".join(", ".join(clique) for clique in ranks.cliques)
        found.append(Verdict("plain", f"Not separable over tasks (Wilcoxon, Holm): {said}."))
    return found


def _tables(overall: Overall, sheets: Sequence[BenchmarkScores]) -> list[PageTable]:
    return [_rank_table(overall, sheets), *([_lacking_table(overall)] if any(overall.lacking.values()) else [])]


def _rank_table(overall: Overall, sheets: Sequence[BenchmarkScores]) -> PageTable:
    ranks = overall.ranks.ranks if overall.ranks else {}
    best = {task.name: _best(overall, task.name, task.higher_is_better) for task in overall.tasks}
    lines = []
    for label in overall.labels:
        cells = [_cell(overall, label, task, best[task.name] if ranks else math.nan) for task in overall.tasks]
        lines.append(Line((Cell(label), number_cell(ranks.get(label), "hundredth"), *cells), label=label))
    columns = ("method", "average rank", *(task.name for task in overall.tasks))
    caption = f"{len(overall.tasks)} tasks"
    caption += f"; ranks over the {len(ranks)} methods that have them all. Strong: the best." if ranks else "."
    boards = {sheet.name: sheet.board for sheet in sheets}
    facets = (None, None, *(facet_of(boards[task.benchmark], task.key) for task in overall.tasks))
    return PageTable("Methods by tasks", caption, columns, tuple(lines), facets)


def _best(overall: Overall, task: str, higher_is_better: bool) -> float:
    values = [numbers.value for (_, name), numbers in overall.entries.items() if name == task]
    return max(values) if higher_is_better else min(values)


def _cell(overall: Overall, label: str, task: RankedTask, best: float) -> Cell:
    numbers = overall.entries.get((label, task.name))
    if numbers is None:
        return Cell(MISSING, why=overall.lacking[label][task.name])
    return metric_cell(numbers, task.key, strong=math.isclose(numbers.value, best))


def _lacking_table(overall: Overall) -> PageTable:
    """Methods with a hole, what they lack, and why."""
    lines = []
    for label in overall.labels:
        reasons = grouped((reason, task) for task, reason in overall.lacking[label].items())
        lines += [
            Line((Cell(label), Cell("; ".join(tasks), prose=True), Cell(reason, prose=True)), label=label)
            for reason, tasks in reasons.items()
        ]
    return PageTable("What keeps methods out of the ranks", "", ("method", "task", "reason"), tuple(lines))
