"""Views: what a leaderboard shows, as plain tables of cells that the Markdown and the page render alike."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import pandas as pd

from leaderboards.scores.benchmark_records import Board, Row
from leaderboards.scores.paired_differences import PRIMARY, ranked
from leaderboards.tables.columns import Estimate, Facet, facet_of

MISSING = "–"
DIRECTIONS = {"image_to_text": "Image → text", "text_to_image": "Text → image"}
RANKINGS = {name: name.replace("_", " ") for name in ("R@1", "R@5", "R@10", "median_rank", "MRR", "nDCG@10")}
HARD_NEGATIVES = {
    "hard_negative_side": "side swapped",
    "hard_negative_polarity": "signal swapped",
    "hard_negative_removed": "finding removed",
}
LEVELS = {"chance": "chance", "majority": "majority"}
SMALL = {
    "image_to_text_R@10": "image → text R@10",
    "image_to_text_MRR": "image → text MRR",
    "text_to_image_R@10": "text → image R@10",
    "text_to_image_MRR": "text → image MRR",
}


@dataclass(frozen=True)
class Verdict:
    """One sentence and how to take it: "plain", "good" or "warn"."""

    kind: str
    text: str


@dataclass(frozen=True)
class Cell:
    """A table cell.

    Attributes:
        text: What it says.
        interval: The interval (or note) shown beside it.
        strong: Whether it stands out.
        prose: Whether it is words.
        estimate: The numbers behind it, which the page draws.
        why: Why there is no number, where another table of the page says so too.
    """

    text: str
    interval: str = ""
    strong: bool = False
    prose: bool = False
    estimate: Estimate | None = None
    why: str = ""


@dataclass(frozen=True)
class Line:
    """A table row.

    Attributes:
        cells: One a column; only the name where there is a `reason`.
        reason: Why the line has no numbers; shown across the columns.
        kind: "method", "reference" (chance, majority), "hole" or "skipped".
        top: Whether the line belongs to the group that the data cannot separate from the best.
    """

    cells: tuple[Cell, ...]
    reason: str = ""
    kind: str = "method"
    top: bool = False


@dataclass(frozen=True)
class Table:
    """A table as shown.

    Attributes:
        title: Its title.
        caption: A line below it.
        columns: Column heads.
        lines: Rows.
        facets: What each column is of, None for words; empty when no column has one.
    """

    title: str
    caption: str
    columns: tuple[str, ...]
    lines: tuple[Line, ...]
    facets: tuple[Facet | None, ...] = ()


def abnormal_tables(board: Board, frame: pd.DataFrame, groups: dict[str, str]) -> list[Table]:
    """The main tables: both directions and the hard negatives of abnormal volumes; the first has the group letters."""
    tables = []
    for direction, title in DIRECTIONS.items():
        keys = {f"abnormal/{direction}_{metric}": name for metric, name in RANKINGS.items()}
        table = metric_table(board, frame, f"{title}, abnormal volumes", keys)
        tables.append(replace(table, caption=_candidates(board, direction)))
    keys = {f"abnormal/{metric}": name for metric, name in HARD_NEGATIVES.items()}
    hard = metric_table(board, frame, "Hard negatives, abnormal volumes", keys)
    caption = "How often the true text scores above the same text with one thing made wrong."
    tables.append(replace(hard, caption=caption))
    return [with_groups(tables[0], groups), *tables[1:]]


def pool_tables(board: Board, frame: pd.DataFrame) -> list[Table]:
    """Smaller tables: all volumes, macro over unique texts, and each contrast by itself."""
    pools = {
        "all": ("All volumes", "Abnormal and normal; every normal text is the same candidate."),
        "macro": ("Macro over unique texts", "All volumes, each text counted once however many volumes share it."),
    }
    tables = []
    for pool, (title, caption) in pools.items():
        keys = {f"{pool}/{metric}": name for metric, name in SMALL.items()}
        tables.append(replace(metric_table(board, frame, title, keys), caption=caption))
    contrasts = sorted(pool for pool in frame["pool"].dropna().unique() if pool.startswith("contrast_"))
    for direction, title in DIRECTIONS.items():
        keys = {f"{pool}/{direction}_R@10": pool.removeprefix("contrast_") for pool in contrasts}
        table = metric_table(board, frame, f"{title} R@10 by contrast, abnormal volumes", keys)
        tables.append(replace(table, caption="Each contrast is its own pool with its own candidates and chance."))
    return [table for table in tables if table.columns[1:]]


def metric_table(
    board: Board,
    frame: pd.DataFrame,
    title: str,
    keys: dict[str, str],
    references: dict[str, str] = LEVELS,
    order: str = PRIMARY,
) -> Table:
    """Methods by metrics: ranked rows, rows with a hole, then references; metrics nobody has are left out.

    Args:
        board: The records.
        frame: Their tidy frame.
        title: Title of the table.
        keys: metric key -> column head.
        references: Reference beside a metric -> name of its line.
        order: Metric that ranks the rows.
    """
    known = set(frame["pool"].astype(str) + "/" + frame["metric"].astype(str))
    keys = {key: name for key, name in keys.items() if key in known}
    frame = frame.assign(reason=frame["reason"].fillna(""))
    shown = frame[(frame["pool"].astype(str) + "/" + frame["metric"].astype(str)).isin(keys)]
    numbers = {
        (str(r.method), str(r.ablation), f"{r.pool}/{r.metric}"): (
            Estimate(r.value, r.lower, r.upper),
            r.seed_sd,
            str(r.reason),
        )
        for r in shown.itertuples()
    }
    lines = [
        Line((Cell(row.label), *(_number_cell(numbers.get((row.method, row.ablation, key)), key) for key in keys)))
        for row in ordered(board, order)
    ]
    lines += hole_lines(board)
    lines += [_reference_line(board, keys, suffix, name) for suffix, name in references.items()]
    sizes = {
        f"{r.pool}/{r.metric}": Cell(f"{r.n_items:.0f}", f"of {r.n_patients:.0f} patients") for r in shown.itertuples()
    }
    lines.append(Line((Cell("n volumes"), *(sizes.get(key, Cell(MISSING)) for key in keys)), kind="reference"))
    facets = (None, *(facet_of(board, key) for key in keys))
    return Table(title, "", ("method", *keys.values()), tuple(lines), facets)


def _reference_line(board: Board, keys: Iterable[str], suffix: str, name: str) -> Line:
    values = {key: board.reference(key, suffix) for key in keys}
    cells = (Cell(MISSING) if value is None else number_cell(Estimate(value), key) for key, value in values.items())
    return Line((Cell(name), *cells), kind="reference")


def _candidates(board: Board, direction: str) -> str:
    count = board.reference(f"abnormal/{direction}", "candidates")
    seeds = f"{len(board.seeds)} seed{'s' if len(board.seeds) > 1 else ''}"
    return seeds if count is None else f"{count:.0f} candidates, {seeds}."


def ordered(board: Board, key: str = PRIMARY) -> list[Row]:
    """Complete rows: those ranked by metric `key` first, then those without it."""
    first = ranked(board, key)
    return first + [row for row in board.complete if row not in first]


def hole_lines(board: Board) -> list[Line]:
    """One line for each row that cannot have a mean, with the reason: failures first, then what was skipped."""
    rows = sorted((row for row in board.rows if row.hole), key=lambda row: row.skipped)
    return [Line((Cell(row.label),), *hole_reason(row)) for row in rows]


def hole_reason(row: Row) -> tuple[str, str]:
    """What stands in place of the numbers of a row with a hole, and the kind of its line."""
    return (f"not scored: {row.hole}", "skipped") if row.skipped else (f"no mean: {row.hole}", "hole")


def with_groups(table: Table, groups: dict[str, str]) -> Table:
    """Adds the group letters as second column and marks the lines of the best group."""
    first = next(iter(groups.values()), "")[:1]

    def lettered(line: Line) -> Line:
        if line.reason:
            return line
        letters = groups.get(line.cells[0].text, "") if line.kind == "method" else ""
        cells = (line.cells[0], Cell(letters or MISSING), *line.cells[1:])
        return replace(line, cells=cells, top=bool(letters) and first in letters)

    columns = (table.columns[0], "group", *table.columns[1:])
    facets = (None, *table.facets) if table.facets else ()
    return replace(table, columns=columns, lines=tuple(lettered(line) for line in table.lines), facets=facets)


def number(value: float, metric: str) -> str:
    """A metric's value: ranks and millimetres with one decimal, everything else with three."""
    return f"{value:.1f}" if metric.endswith(("median_rank", "_mm")) else f"{value:.3f}"


def interval(lower: float, upper: float, metric: str) -> str:
    """An interval in brackets, "" where there is none."""
    return "" if pd.isna(lower) or pd.isna(upper) else f"[{number(lower, metric)}, {number(upper, metric)}]"


def number_cell(estimate: Estimate, metric: str, strong: bool = False) -> Cell:
    """A metric's value and interval, with the numbers behind them."""
    bounds = interval(estimate.lower, estimate.upper, metric)
    return Cell(number(estimate.value, metric), bounds, strong, estimate=estimate)


def p_text(p_value: float) -> str:
    """A p-value for a table."""
    if pd.isna(p_value):
        return MISSING
    return "< 0.001" if p_value < 0.001 else f"{p_value:.3f}"


def _number_cell(entry: tuple[Estimate, float, str] | None, key: str) -> Cell:
    if entry is None:
        return Cell(MISSING)
    estimate, spread, reason = entry
    if reason:
        return Cell(reason)
    cell = number_cell(estimate, key)
    return replace(cell, interval=f"SD {spread:.3f}") if not (cell.interval or pd.isna(spread)) else cell
