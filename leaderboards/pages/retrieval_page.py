"""The pages of retrieval: the methods, and the ablations of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from leaderboards.figures.ablation_figures import ablation_plots
from leaderboards.figures.interval_figures import plots
from leaderboards.pages.pictures import pictures_of
from leaderboards.scores.ablation_study import Study
from leaderboards.scores.benchmark_records import Board
from leaderboards.scores.benchmark_scores import Sheet
from leaderboards.scores.families import RETRIEVAL
from leaderboards.scores.paired_differences import COMPARED, PRIMARY, Comparison, declared_contrasts, differences_to
from leaderboards.tables.ablation_tables import ablation_table
from leaderboards.tables.ablation_verdicts import ablation_verdicts
from leaderboards.tables.cells import Table, abnormal_tables, pool_tables
from leaderboards.tables.difference_tables import declared_table, reference_table, spread_table
from leaderboards.tables.document import Block, Part, Runs
from leaderboards.tables.protocol import facts, runs_of
from leaderboards.tables.verdicts import verdicts
from selip.records.record import CohortFacts

NOTHING_TO_COMPARE = "No two complete rows to compare."
GROUPS = "Rows that share a group letter are not separable; on the page the first group is set in bold."


def titled(text: str, board: Board) -> str:
    """The title of a page, with SYNTHETIC and the cohort's name where it must be, and both of two cohorts."""
    facts = board.facts
    if facts.trained_on:
        trained, scored = zip(board.cohort_names, (facts.trained_on, facts.cohort), strict=True)
        return f"{text}: trained on {_marked(*trained)}, scored on {_marked(*scored)}"
    return text + (f": SYNTHETIC cohort {board.cohort_name}" if board.synthetic else "")


def _marked(name: str, cohort: CohortFacts) -> str:
    return f"SYNTHETIC cohort {name}" if cohort.synthetic else name


def retrieval_part(sheet: Sheet, n_resamples: int) -> Part:
    """The leaderboard of retrieval."""
    board, frame = sheet.board, sheet.frame
    others = {key: declared_contrasts(board, key, n_resamples) for key in COMPARED if key != PRIMARY}
    contrasts = {PRIMARY: sheet.contrasts, **others}
    differences = _difference_tables(sheet, contrasts, n_resamples)
    drawn = pictures_of(plots(board, frame, sheet.contrasts))
    lead = "Value [lower, upper]. Rows in order of image → text R@10 of abnormal volumes."
    blocks = [
        Block("Results", f"{lead} {GROUPS}", abnormal_tables(board, frame, sheet.groups)),
        Block("Differences", "" if differences else NOTHING_TO_COMPARE, differences),
        *([Block("Figures", figures=drawn)] if drawn else []),
        Block("Other pools", tables=pool_tables(board, frame), small=True),
    ]
    said = verdicts(board, frame, sheet.groups, sheet.contrasts)
    runs, about = _runs(board), facts(board, n_resamples)
    title = titled("Retrieval leaderboard", board)
    return Part(RETRIEVAL, "Retrieval", title, board.synthetic, said, about, blocks, runs)


def ablation_part(study: Study, n_resamples: int) -> Part:
    """The ablations of a method."""
    board, drawn = study.board, pictures_of(ablation_plots(study))
    lead = f"Full {study.name} with one thing changed at a time, on the same seeds and patients. Value [lower, upper]."
    blocks = [
        Block("Results", f"{lead} Ablations by group, below {study.full_name}.", [ablation_table(study)], small=True)
    ]
    blocks += [Block("Figures", figures=drawn)] if drawn else []
    about = [fact for fact in facts(board, n_resamples) if fact[0] != "groups"]
    title, said = titled(f"Ablations of {study.name}", board), ablation_verdicts(study)
    return Part(study.page, study.heading, title, board.synthetic, said, about, blocks, _runs(board))


def _runs(board: Board) -> Runs:
    return runs_of(board.records, {RETRIEVAL: PRIMARY}, "R@10")


def _difference_tables(sheet: Sheet, contrasts: Mapping[str, Sequence[Comparison]], n_resamples: int) -> list[Table]:
    declared = [comparison for key in COMPARED for comparison in contrasts[key]]
    found = [declared_table(declared)] if declared else []
    clip = sheet.board.row("clip")
    if clip:
        others = {key: differences_to(sheet.board, clip, key, n_resamples) for key in COMPARED}
        found.append(reference_table("clip", others))
    spread = spread_table(sheet.board, sheet.frame)
    return [*found, spread] if spread else found
