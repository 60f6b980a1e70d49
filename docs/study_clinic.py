"""The study's methods on the benchmarks that were scored with fewer seeds: shown, and part of no claim."""

from __future__ import annotations

from collections.abc import Sequence

from leaderboards.scores.benchmark_records import BenchmarkRecords
from leaderboards.scores.headlines import Headline, headline_of
from leaderboards.scores.tidy_table import estimate_of, tidy
from leaderboards.tables.cells import MISSING, Cell, Line, PageTable, metric_cell, number_cell
from leaderboards.tables.document import Block

LEAD = (
    "The declared metric of each benchmark that looks at a study as a clinic does, value [95 % interval over seeds and "
    "patients]. Trained again on another machine, as the checkpoints of the ten seeds were not kept: settings, seeds "
    "and batches are the same, weights differ by rounding from the first step on. So few seeds rank nothing. "
)
Scored = Sequence[tuple[BenchmarkRecords, Headline]]


def clinic_block(boards: Sequence[BenchmarkRecords], order: Sequence[str], n_resamples: int) -> Block:
    """A table of the methods in `order` by benchmarks, and under them every reference that is declared."""
    scored = [(board, headline) for board in boards if (headline := headline_of(board.records))]
    columns = [_column(board, headline, order, n_resamples) for board, headline in scored]
    lines = [Line((Cell(name), *(column[name] for column in columns)), label=name) for name in order]
    lines += [Line((Cell(words), *cells), kind="reference") for words, cells in _references(scored).items()]
    heads = [head.name if head.higher_is_better else f"{head.name} (lower is better)" for _, head in scored]
    seeds = ", ".join(sorted({f"{len(board.seeds)} seeds" for board, _ in scored}))
    table = PageTable(f"As a clinic sees it, {seeds}", "", ("method", *heads), tuple(lines))
    return Block("As a clinic sees it", LEAD + _beaten(scored), [table])


def _column(board: BenchmarkRecords, headline: Headline, order: Sequence[str], n_resamples: int) -> dict[str, Cell]:
    frame, key = tidy(board, n_resamples, [headline.key]), headline.key
    rows = {row.label: row for row in board.complete}
    return {
        name: metric_cell(estimate_of(frame, rows[name], key), key) if name in rows else Cell(MISSING) for name in order
    }


def _references(scored: Scored) -> dict[str, list[Cell]]:
    """Reference in words to its value beside each headline."""
    named = dict.fromkeys(words for board, _ in scored for words in board.declared.floors.values())
    return {
        words: [number_cell(_values(board, headline).get(words), "score") for board, headline in scored]
        for words in named
        if any(words in _values(board, headline) for board, headline in scored)
    }


def _values(board: BenchmarkRecords, headline: Headline) -> dict[str, float]:
    found = {words: board.reference(headline.key, name) for name, words in board.declared.floors.items()}
    return {words: value for words, value in found.items() if value is not None}


def _beaten(scored: Scored) -> str:
    """Names the benchmarks in which a reference is as good as the best method: there nothing is shown to be learned."""
    lost = []
    for board, headline in scored:
        sign = 1 if headline.higher_is_better else -1
        means = [sum(row.values(headline.key)) / len(row.scored) for row in board.complete]
        over = [
            words for words, value in _values(board, headline).items() if sign * value >= max(sign * m for m in means)
        ]
        lost += [f"{board.declared.label} ({', '.join(over)})"] if over else []
    return f"No method is above every reference in {'; '.join(lost)}." if lost else ""
