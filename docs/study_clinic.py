"""The study's methods on the benchmarks that were scored with fewer seeds: shown, and part of no sentence."""

from __future__ import annotations

from collections.abc import Sequence

from leaderboards.scores.benchmark_records import BenchmarkRecords
from leaderboards.scores.headlines import Headline, headline_of
from leaderboards.scores.tidy_table import estimate_of, tidy
from leaderboards.tables.cells import MISSING, Cell, Line, PageTable, metric_cell, number_cell
from leaderboards.tables.document import Block

LEAD = (
    "The declared metric of each benchmark that looks at a study as a clinic does, value [95 % interval over seeds and "
    "patients]. So few seeds rank nothing: no sentence above is of them."
)


def clinic_block(boards: Sequence[BenchmarkRecords], order: Sequence[str], n_resamples: int) -> Block:
    """A table of the methods in `order` by benchmarks, and under them the floor that a trained one must clear."""
    heads = {board.benchmark: headline for board in boards if (headline := headline_of(board.records))}
    own = [board for board in boards if board.benchmark in heads]
    columns = [_column(board, heads[board.benchmark], order, n_resamples) for board in own]
    lines = [Line((Cell(name), *(column[name] for column in columns)), label=name) for name in order]
    floors = [board.floor(heads[board.benchmark].key) for board in own]
    cells = [number_cell(floor[1], "score") if floor else Cell(MISSING) for floor in floors]
    names = ", ".join(sorted({floor[0] for floor in floors if floor}))
    lines.append(Line((Cell(f"floor ({names})"), *cells), kind="reference"))
    better = [head.name if head.higher_is_better else f"{head.name} (lower is better)" for head in heads.values()]
    seeds = ", ".join(sorted({f"{len(board.seeds)} seeds" for board in own}))
    return Block("As a clinic sees it", LEAD, [PageTable(f"By {seeds}", "", ("method", *better), tuple(lines))])


def _column(board: BenchmarkRecords, headline: Headline, order: Sequence[str], n_resamples: int) -> dict[str, Cell]:
    frame = tidy(board, n_resamples, [headline.key])
    rows = {row.label: row for row in board.complete}
    return {
        name: metric_cell(estimate_of(frame, rows[name], headline.key), headline.key) if name in rows else Cell(MISSING)
        for name in order
    }
