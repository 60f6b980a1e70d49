"""The page of a family of benchmarks, whichever they are, and the pages of ablations."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

from leaderboards.figures.ablation_figures import ablation_plots
from leaderboards.figures.interval_figures import difference_plot, score_plots
from leaderboards.figures.sweep_figures import sweep_plots
from leaderboards.figures.training_curves import training_plots
from leaderboards.pages.tuning_block import tuning_block
from leaderboards.scores.ablation_study import AblationStudy
from leaderboards.scores.benchmark_scores import BenchmarkScores
from leaderboards.scores.headlines import capital, metric_words
from leaderboards.scores.paired_differences import differences_to
from leaderboards.tables.ablation_tables import ablation_table, ablation_verdicts
from leaderboards.tables.benchmark_tables import detail_tables, main_tables
from leaderboards.tables.cells import PageTable, Verdict
from leaderboards.tables.contrast_verdicts import joint_controls
from leaderboards.tables.difference_tables import declared_table, reference_table, spread_table
from leaderboards.tables.document import Block, Page
from leaderboards.tables.outside import TERMS_LEAD, encoder_facts, terms_table
from leaderboards.tables.protocol import facts, runs_of, titled
from leaderboards.tables.shortcuts_and_slices import shortcut_verdicts
from leaderboards.tables.verdicts import (
    board_verdicts,
    headline_verdicts,
    on_what_is_missing,
    ranking_verdicts,
)

NOTHING_TO_COMPARE = "No two complete rows to compare."
GROUPS = "Rows that share a group letter are not separable in it; the first group is bold."


def family_part(name: str, sheets: Sequence[BenchmarkScores], n_resamples: int, trainings: bool = False) -> Page:
    """The page of a family; its first sheet is the one that ranks methods.

    With `trainings` it shows how the methods were trained, which is the same on every page.
    """
    boards, heading = [sheet.board for sheet in sheets], capital(name.replace("_", " "))
    board = boards[0]
    keys = {sheet.name: sheet.headline.key for sheet in sheets if sheet.headline}
    differences = _difference_tables(sheets, n_resamples)
    plots = [plot for sheet in sheets for plot in score_plots(sheet)]
    drawn = [*plots, difference_plot(sheets, name, board.synthetic), *(training_plots(board) if trainings else [])]
    figures = [picture for picture in drawn if picture]
    terms = terms_table(board)
    blocks = [
        Block("Results", _lead(sheets), [table for sheet in sheets for table in main_tables(sheet)]),
        *([Block("Terms", TERMS_LEAD, [terms])] if terms else []),
        Block("Differences", "" if differences else NOTHING_TO_COMPARE, differences),
        *([Block("Figures", figures=figures)] if figures else []),
        *([tuning] if trainings and (tuning := tuning_block(board)) else []),
        *(
            Block(f"Details: {sheet.declared.label}", tables=found, small=True)
            for sheet in sheets
            if (found := detail_tables(sheet))
        ),
    ]
    return Page(
        name=name,
        heading=heading,
        title=titled(f"{heading} leaderboard", board),
        synthetic=board.synthetic,
        verdicts=_verdicts(sheets),
        facts=[*facts(boards, n_resamples), *encoder_facts(boards)],
        blocks=blocks,
        runs=runs_of([record for one in boards for record in one.records], keys, "ranking metric"),
    )


def ablation_part(study: AblationStudy, n_resamples: int) -> Page:
    """The ablations of a method."""
    board, drawn = study.board, [*ablation_plots(study), *sweep_plots(study)]
    lead = f"Full {study.name} with one thing changed at a time, on the same seeds and patients. Value [lower, upper]."
    lead += f" Ablations by group, below {study.full_name}."
    blocks = [Block("Results", lead, [ablation_table(study)], small=True)]
    blocks += [Block("Figures", figures=drawn)] if drawn else []
    about = [fact for fact in facts([board], n_resamples) if fact[0] != "groups"]
    title, said = titled(f"Ablations of {study.name}", board), ablation_verdicts(study)
    runs = runs_of(board.records, {board.benchmark: study.headline.key}, "ranking metric")
    return Page(study.page, study.heading, title, board.synthetic, said, about, blocks, runs)


def _lead(sheets: Sequence[BenchmarkScores]) -> str:
    found = [sheet.headline.name for sheet in sheets if sheet.headline]
    ranked = f" Rows in order of {'; '.join(found)}." if found else ""
    return f"Value [lower, upper].{ranked} {GROUPS if any(sheet.groups for sheet in sheets) else ''}".strip()


def _difference_tables(sheets: Sequence[BenchmarkScores], n_resamples: int) -> list[PageTable]:
    contrasts = [c for sheet in sheets for c in (*sheet.contrasts, *sheet.beside)]
    declared = len(sheets[0].board.contrasts)
    over = f"the {declared} contrasts that were declared, by metric"
    if len(sheets) > 1:
        over = f"the {declared} contrasts that were declared on each of {len(sheets)} benchmarks"
    tables = [declared_table(contrasts, over)] if contrasts else []
    tables += [table for sheet in sheets if (table := _reference_table(sheet, n_resamples))]
    return [*tables, *(table for sheet in sheets if (table := spread_table(sheet)))]


def _reference_table(sheet: BenchmarkScores, n_resamples: int) -> PageTable | None:
    """Every method minus clip, where a benchmark declares more metrics to compare than the one that ranks."""
    clip, compared = sheet.board.row("clip"), sheet.declared.co_primary
    if clip is None or sheet.headline is None or not compared:
        return None
    keys = {key: metric_words(sheet.declared, key) for key in (sheet.headline.key, *compared)}
    return reference_table(
        "clip", {text: differences_to(sheet.board, clip, key, n_resamples) for key, text in keys.items()}
    )


def _verdicts(sheets: Sequence[BenchmarkScores]) -> list[Verdict]:
    """Holes first, then each benchmark's controls, ranking and shortcuts, then what holds of all; each said once."""
    groups = [on_what_is_missing(sheet.board) for sheet in sheets]
    heads = [(sheet, sheet.headline) for sheet in sheets if sheet.headline]
    if len(heads) > 1:
        groups.append(joint_controls(sheets))
        groups += [ranking_verdicts(sheet, headline, named=True) for sheet, headline in heads]
    else:
        groups += [headline_verdicts(sheet, headline) for sheet, headline in heads]
    groups += [shortcut_verdicts(sheet) for sheet in sheets]
    groups += [board_verdicts(sheet.board) for sheet in sheets]
    return list(dict.fromkeys(chain.from_iterable(groups)))
