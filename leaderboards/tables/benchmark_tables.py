"""Tables of a benchmark: those that it declares, or the metric that ranks by pool and then all that is found."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import pandas as pd

from leaderboards.scores.benchmark_records import BenchmarkRecords
from leaderboards.scores.benchmark_scores import BenchmarkScores
from leaderboards.scores.headlines import (
    Headline,
    capital,
    metric_words,
    model_words,
    ordered_pools,
    pool_words,
    task_keys,
    words,
)
from leaderboards.scores.method_rows import MethodRow
from leaderboards.scores.paired_differences import ranked
from leaderboards.scores.tidy_table import KEY, Estimate
from leaderboards.tables.cells import MISSING, Cell, Facet, Line, PageTable, facet_of, hole_lines, metric_cell
from selip.records.declaration import DeclaredTable
from selip.records.metric_key import STATISTICS, MetricKey


def main_tables(sheet: BenchmarkScores) -> list[PageTable]:
    """The declared tables that are no details, or the metric that ranks by pool; the first has the group letters."""
    if sheet.headline is None:
        return [_unscored_table(sheet)]
    found = _declared_tables(sheet, sheet.headline, detail=False) or [_overview_table(sheet, sheet.headline)]
    if sheet.groups:
        found[0] = with_groups(found[0], sheet.groups, facet_of(sheet.board, sheet.headline.key))
    return found


def detail_tables(sheet: BenchmarkScores) -> list[PageTable]:
    """Smaller tables: those that the benchmark declares, or for each pool what there is."""
    if sheet.headline is None:
        return []
    if sheet.declared.tables:
        return _declared_tables(sheet, sheet.headline, detail=True)
    return _found_tables(sheet, sheet.headline)


def expanded(columns: Mapping[str, str], keys: Iterable[str]) -> dict[str, str]:
    """Columns of which those of a pattern are one a pool, "*" in the head being what it stands for in the pool."""
    found: dict[str, str] = {}
    parsed = sorted(map(MetricKey.parse, keys), key=str)
    for pattern, head in columns.items():
        start, _, _ = MetricKey.parse(pattern).pool.partition("*")
        found |= {str(k): head.replace("*", k.pool.removeprefix(start)) for k in parsed if k.matches(pattern)}
    return found


def _declared_tables(sheet: BenchmarkScores, headline: Headline, detail: bool) -> list[PageTable]:
    known, found = set(sheet.frame[KEY].dropna()), []
    for one in sheet.declared.tables:
        columns = expanded(one.columns, known)
        if one.detail == detail and columns:
            table = metric_table(sheet, headline.key, one.title, columns)
            found.append(replace(table, caption=_caption(sheet.board, one)))
    return found


def _caption(board: BenchmarkRecords, one: DeclaredTable) -> str:
    if not one.counted:
        return one.caption
    counted = MetricKey.parse(one.counted)
    count = next((record.metrics[one.counted].value for record in board.records if one.counted in record.metrics), None)
    seeds = f"{len(board.seeds)} seed{'s' if len(board.seeds) > 1 else ''}"
    said = seeds if count is None else f"{count:.0f} {counted.reference}, {seeds}."
    return f"{said} {one.caption}".strip()


def _overview_table(sheet: BenchmarkScores, headline: Headline) -> PageTable:
    """The metric that ranks the rows, in every pool that is a task; the headline's pool first."""
    declared = sheet.declared
    heads = {key: pool_words(declared, key) for key in dict.fromkeys([headline.key, *task_keys(sheet.board.records)])}
    title = f"{capital(declared.label)}: {metric_words(declared, headline.key)}"
    several = len(sheet.board.seeds) > 1
    spread = " SD: over seeds alone, where no interval over patients and seeds was made." if several else ""
    caption = f"Ranked and grouped by {pool_words(declared, headline.key)}.{spread}"
    return replace(metric_table(sheet, headline.key, title, heads), caption=caption)


def _found_tables(sheet: BenchmarkScores, headline: Headline) -> list[PageTable]:
    """For each pool what there is of: statistics of the ranking model, other models, single classes."""
    ranking, declared, tables = MetricKey.parse(headline.key), sheet.declared, []
    for pool in ordered_pools(declared, sheet.frame["pool"].dropna()):
        parts = _parts(sheet.frame, pool)
        own = {k: words(declared, p.statistic) for k, p in parts.items() if p.model == ranking.model and p.plain}
        models = {
            k: model_words(p.model) or words(declared, p.statistic)
            for k, p in parts.items()
            if p.statistic == ranking.statistic and p.plain
        }
        single = {k: p.one_class for k, p in parts.items() if p.one_class and p.statistic == "auroc"}
        where = f"{capital(declared.label)}, {words(declared, pool)}"
        found = [
            (f"{where}: {model_words(ranking.model)}" if ranking.model else where, own),
            (f"{where}: {words(declared, ranking.statistic)}", models if len(models) > 1 else {}),
            (f"{where}: AUROC by class", single),
        ]
        tables += [metric_table(sheet, headline.key, title, heads) for title, heads in found if heads]
    return tables


def _parts(frame: pd.DataFrame, pool: str) -> dict[str, MetricKey]:
    """Metrics of a pool, known statistics in their order."""
    order = {statistic: place for place, statistic in enumerate(STATISTICS)}
    parts = {key: MetricKey.parse(key) for key in frame.loc[frame["pool"] == pool, KEY].unique()}

    def place(key: str) -> tuple[int, int, str]:
        part = parts[key]
        return order.get(part.statistic, len(order)), _shots(part.model), part.metric

    return {key: parts[key] for key in sorted(parts, key=place)}


def _shots(model: str) -> int:
    """Number of shots or percent in a model's name, 0 for none, so that 4 comes before 16."""
    digits = [part.rstrip("abcdefghijklmnopqrstuvwxyz") for part in model.split("_") if part[:1].isdigit()]
    return int(float(digits[0])) if digits else 0


def _unscored_table(sheet: BenchmarkScores) -> PageTable:
    """The rows of a benchmark that nobody was scored on."""
    lines = tuple(hole_lines(sheet.board))
    return PageTable(capital(sheet.declared.label), "", ("method", "why there is no number"), lines)


def benchmark_frame(sheets: Iterable[BenchmarkScores]) -> pd.DataFrame:
    """The CSV of a page: the tidy frames below each other, with the benchmark and every floor that is there."""
    frames = []
    for sheet in sheets:
        frame = sheet.frame.copy()
        frame.insert(0, "benchmark", sheet.name)
        keys = frame[KEY].astype(object).fillna("")
        for name in sheet.board.floors(keys.unique()):
            frame[name] = [sheet.board.reference(key, name) for key in keys]
        frames.append(frame.astype(object))
    return pd.concat(frames, ignore_index=True)


def metric_table(sheet: BenchmarkScores, order: str, title: str, keys: Mapping[str, str]) -> PageTable:
    """Methods by metrics: ranked rows, rows with a hole, then references that one of the metrics has.

    Rows are in the order of the metric `order`; `keys` are metric to column head, and metrics nobody has are left out.
    """
    board = sheet.board
    shown = sheet.frame[sheet.frame[KEY].isin(keys)]
    keys = {key: head for key, head in keys.items() if key in set(shown[KEY])}
    cells = {(one.method, one.ablation, one.key): _cell(one) for one in shown.itertuples()}
    lines = [
        Line(
            (Cell(row.label), *(cells.get((row.method, row.ablation, key), Cell(MISSING)) for key in keys)),
            label=row.label,
        )
        for row in ordered(board, order)
    ]
    lines = under_headings(board, lines)
    lines += hole_lines(board)
    lines += [_floor_line(board, keys, name, text) for name, text in board.floors(sheet.frame[KEY].dropna()).items()]
    sizes = {one.key: Cell(f"{one.n_items:.0f}", f"of {one.n_patients:.0f} patients") for one in shown.itertuples()}
    lines.append(Line((Cell("n volumes"), *(sizes[key] for key in keys)), kind="reference"))
    facets = (None, *(facet_of(board, key) for key in keys))
    return PageTable(title, "", ("method", *keys.values()), tuple(lines), facets)


EXTERNAL = "External encoders: not trained on equal terms here"


def under_headings(board: BenchmarkRecords, lines: list[Line]) -> list[Line]:
    """Lines of methods, then those of encoders from outside under a heading of their own."""
    outside = {row.label for row in board.rows if row.external}
    apart = [line for line in lines if line.label in outside]
    heading = [Line((Cell(""),), EXTERNAL, "skipped")] if apart else []
    return [line for line in lines if line.label not in outside] + heading + apart


def _cell(one: Any) -> Cell:  # noqa: ANN401 (a tuple with the columns of the frame)
    """The cell of a line of the tidy frame."""
    if pd.notna(one.reason):
        return Cell(str(one.reason))
    cell = metric_cell(Estimate(one.value, one.lower, one.upper), one.key)
    return replace(cell, note=f"SD {one.seed_sd:.3f}") if not (cell.interval or pd.isna(one.seed_sd)) else cell


def _floor_line(board: BenchmarkRecords, keys: Iterable[str], name: str, text: str) -> Line:
    values = {key: board.reference(key, name) for key in keys}
    cells = (Cell(MISSING) if value is None else metric_cell(Estimate(value), key) for key, value in values.items())
    return Line((Cell(text), *cells), kind="reference")


def ordered(board: BenchmarkRecords, key: str) -> list[MethodRow]:
    """Complete rows: those ranked by metric `key` first, then those without it."""
    first = ranked(board, key)
    return first + [row for row in board.complete if row not in first]


def with_groups(table: PageTable, groups: dict[str, str], grouped: Facet) -> PageTable:
    """Adds the group letters as second column; in the column that is grouped the first group is strong."""
    first = next(iter(groups.values()), "")[:1]

    def lettered(line: Line) -> Line:
        if line.reason:
            return line
        letters = groups.get(line.label, "")
        is_first = bool(letters) and first in letters
        cells = [
            replace(cell, strong=is_first and facet == grouped)
            for cell, facet in zip(line.cells, table.facets, strict=True)
        ]
        return replace(line, cells=(cells[0], Cell(letters or MISSING), *cells[1:]))

    columns = (table.columns[0], "group", *table.columns[1:])
    lines = tuple(lettered(line) for line in table.lines)
    return replace(table, columns=columns, lines=lines, facets=(None, *table.facets))
