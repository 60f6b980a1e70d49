"""The page of a family of benchmarks other than retrieval: classification, segmentation, and any that is found."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

from leaderboards.figures.interval_figures import difference_plot, interval_plot
from leaderboards.pages.pictures import pictures_of
from leaderboards.pages.retrieval_page import NOTHING_TO_COMPARE, titled
from leaderboards.scores.benchmark_scores import Sheet
from leaderboards.scores.families import metric_words, words
from leaderboards.scores.paired_differences import Comparison
from leaderboards.tables.benchmark_tables import detail_tables, overview_table, unscored_table
from leaderboards.tables.cells import Table, Verdict
from leaderboards.tables.difference_tables import declared_table, spread_table
from leaderboards.tables.document import Block, Part, Picture
from leaderboards.tables.protocol import joint_facts, runs_of
from leaderboards.tables.shortcuts import shortcut_verdicts
from leaderboards.tables.verdicts import (
    board_verdicts,
    headline_verdicts,
    joint_controls,
    on_what_is_missing,
    ranking_verdicts,
)


def family_part(name: str, sheets: Sequence[Sheet], n_resamples: int) -> Part:
    """The page of a family; its first sheet is the one that ranks methods."""
    boards = [sheet.board for sheet in sheets]
    heading = words(name)[:1].upper() + words(name)[1:]
    keys = {sheet.name: sheet.headline.key for sheet in sheets if sheet.headline}
    blocks = [
        Block("Results", _lead(sheets), [_main_table(sheet) for sheet in sheets]),
        _differences(sheets),
        *_details(sheets),
    ]
    figures = _figures(name, sheets)
    if figures:
        blocks.insert(2, Block("Figures", figures=figures))
    return Part(
        name=name,
        heading=heading,
        title=titled(f"{heading} leaderboard", boards[0]),
        synthetic=boards[0].synthetic,
        verdicts=_verdicts(sheets),
        facts=joint_facts(boards, n_resamples),
        blocks=blocks,
        runs=runs_of([record for board in boards for record in board.records], keys, "ranking metric"),
    )


def _lead(sheets: Sequence[Sheet]) -> str:
    found = [sheet.headline.name for sheet in sheets if sheet.headline]
    ranked = f" Rows in order of {'; '.join(found)}." if found else ""
    return f"Value [lower, upper].{ranked} Rows that share a group letter are not separable."


def _main_table(sheet: Sheet) -> Table:
    return overview_table(sheet, sheet.headline) if sheet.headline else unscored_table(sheet)


def _details(sheets: Sequence[Sheet]) -> list[Block]:
    """One block of small tables a benchmark."""
    return [
        Block(f"Details: {words(sheet.name)}", tables=detail_tables(sheet, sheet.headline), small=True)
        for sheet in sheets
        if sheet.headline
    ]


def _differences(sheets: Sequence[Sheet]) -> Block:
    contrasts = [comparison for sheet in sheets for comparison in sheet.contrasts]
    tables = [declared_table(contrasts, "Declared contrasts, ranking metrics")] if contrasts else []
    for sheet in sheets:
        if sheet.headline and sheet.standing and sheet.standing.ranking:
            spread = spread_table(sheet.board, sheet.frame, sheet.headline.key, sheet.headline.name)
            tables += [spread] if spread else []
    return Block("Differences", "" if tables else NOTHING_TO_COMPARE, tables)


def _figures(name: str, sheets: Sequence[Sheet]) -> list[Picture]:
    """Intervals of each benchmark's ranking metric, and the declared contrasts of the family."""
    plots = []
    for sheet in sheets:
        if sheet.headline:
            head = sheet.headline
            pool, metric = head.key.split("/", 1)
            title = f"{words(sheet.name)[:1].upper()}{words(sheet.name)[1:]}: {metric_words(metric)}"
            panel = {head.key: words(pool)}
            plots.append(interval_plot(sheet.board, sheet.frame, sheet.name, title, panel, head.key))
    contrasts: list[Comparison] = [c for sheet in sheets for c in sheet.contrasts if c.known]
    names = [f"{c.a} − {c.b} · {words(c.benchmark)}" if len(sheets) > 1 else f"{c.a} − {c.b}" for c in contrasts]
    title, unit = f"Declared contrasts, {words(name)}", "the ranking metric"
    plots.append(difference_plot(sheets[0].board, contrasts, names, f"{name}_differences", title, unit))
    return pictures_of(plot for plot in plots if plot)


def _verdicts(sheets: Sequence[Sheet]) -> list[Verdict]:
    """Holes first, then each benchmark's controls, ranking and shortcuts, then what holds of all; each said once."""
    groups = [on_what_is_missing(sheet.board) for sheet in sheets]
    heads = [(sheet, sheet.headline) for sheet in sheets if sheet.headline]
    if len(heads) > 1:
        groups.append(joint_controls([(sheet.board, sheet.contrasts, headline) for sheet, headline in heads]))
        groups += [ranking_verdicts(sheet.board, sheet.frame, sheet.groups, headline) for sheet, headline in heads]
    else:
        groups += [headline_verdicts(s.board, s.frame, s.groups, s.contrasts, headline) for s, headline in heads]
    groups += [shortcut_verdicts(sheet) for sheet in sheets]
    groups += [board_verdicts(sheet.board) for sheet in sheets]
    return list(dict.fromkeys(chain.from_iterable(groups)))
