"""The page of two boards: how well the ranking of methods on simulated patients predicts that on real ones."""

from __future__ import annotations

from functools import partial

import pandas as pd
from matplotlib.figure import Figure

from leaderboards.figures import plots
from leaderboards.scores.benchmark_records import BenchmarkRecords
from leaderboards.scores.rank_agreement import FEWEST_METHODS, RankAgreement
from leaderboards.scores.tidy_table import Estimate
from leaderboards.tables.cells import DIFFERENCE, Cell, Line, PageTable, Verdict, estimate_text
from leaderboards.tables.document import Block, Page, Picture
from leaderboards.tables.protocol import cohort_facts

TITLE = "Does the simulated ranking predict the real one?"
_LEAD = (
    "Spearman's rank correlation over methods between the two boards, task by task: 1 is the same order, 0 none, "
    "-1 the reverse. Numbers of the two cohorts share no other table and no mean."
)
_INTERVAL = (
    "95 % over methods, which are drawn anew for all tasks together; a method's score is its mean over seeds and "
    "patients, whose noise pulls the correlation towards 0"
)


def agreement_part(found: RankAgreement, board: BenchmarkRecords, other: BenchmarkRecords) -> Page:
    """The page of the agreement of two boards."""
    methods = {pair.method for pairs in found.pairs.values() for pair in pairs}
    facts = [
        *cohort_facts(board),
        ("other board", f"{other.cohort_name}, cohort hash {other.facts.cohort.content_hash}"),
        ("tasks", f"{len(found.tasks)} that both boards have: {'; '.join(found.tasks) or 'none'}"),
        ("methods", f"{len(methods)} that both boards have: {', '.join(sorted(methods)) or 'none'}"),
        ("interval", _INTERVAL),
    ]
    facts += (
        [("left out", "; ".join(f"{name}: {why}" for name, why in found.left_out.items()))] if found.left_out else []
    )
    blocks = [Block("Rank correlation by task", _LEAD, [_table(found)], [_figure(found)])] if found.tasks else []
    title = f"{TITLE} {' against '.join(map(_named, (board, other)))}"
    return Page("agreement", "Simulated and real", title, False, [_verdict(found)], facts, blocks)


def _named(board: BenchmarkRecords) -> str:
    return f"SYNTHETIC cohort {board.cohort_name}" if board.facts.cohort.synthetic else board.cohort_name


def agreement_frame(found: RankAgreement) -> pd.DataFrame:
    """The CSV: a line a task and method, with both scores and the rank correlation of the task."""
    lines = [
        {"task": task, "method": pair.method, "trained": pair.trained, "score": pair.one, "score_on_other": pair.other}
        | dict(zip(("rank_correlation", "lower", "upper"), found.tasks[task], strict=True))
        for task, pairs in found.pairs.items()
        for pair in pairs
    ]
    return pd.DataFrame(lines)


def _verdict(found: RankAgreement) -> Verdict:
    if not found.tasks:
        return Verdict("warn", f"No task has {FEWEST_METHODS} methods that both boards scored: nothing can be said.")
    said = f"mean rank correlation {estimate_text(found.mean, 'share')} over {len(found.tasks)} tasks"
    said += f"; of trained methods alone {estimate_text(found.trained, 'share')}" if _known(found.trained) else ""
    deciding = found.trained if _known(found.trained) else found.mean
    if deciding.lower > 0:
        return Verdict("good", f"The simulated ranking predicts the real one: {said}.")
    if deciding.upper < 0:
        return Verdict("warn", f"The simulated ranking is the reverse of the real one: {said}.")
    return Verdict("warn", f"Cannot tell that the simulated ranking predicts the real one: {said}; it may be 0.")


def _known(estimate: Estimate) -> bool:
    return bool(pd.notna(estimate.value))


def _table(found: RankAgreement) -> PageTable:
    rows = {**found.tasks, "mean over tasks": found.mean}
    rows |= {"mean over tasks, trained methods alone": found.trained} if _known(found.trained) else {}
    counts = {task: str(len(pairs)) for task, pairs in found.pairs.items()}
    lines = [
        Line((Cell(name), Cell(counts.get(name, "")), Cell(strong=one.lower > 0, estimate=one, form="difference")))
        for name, one in rows.items()
    ]
    caption = "Rank correlation [95 % interval]; strong where the interval lies above 0."
    return PageTable("Rank correlation", caption, ("task", "methods", "rank correlation"), tuple(lines),
                     (None, None, DIFFERENCE))  # fmt: skip


def _figure(found: RankAgreement) -> Picture:
    caption = "Dot and 95 % interval of the rank correlation of each task, and their mean below; 0 dashed."
    return Picture("agreement", TITLE, caption, partial(_draw, found), inline=True)


def _draw(found: RankAgreement) -> Figure:
    rows = {**found.tasks, "mean": found.mean}
    figure = plots.new_figure(0.9 + plots.ROW_INCHES * len(rows), plots.PAGE_INCHES)
    axes = figure.subplots()
    for place, one in enumerate(rows.values()):
        axes.plot([one.lower, one.upper], [place, place], color=plots.ACCENT, linewidth=2)
        axes.plot(one.value, place, "o", ms=5.5, color=plots.ACCENT)
    axes.axvline(0, color=plots.ALARM, linestyle="--", linewidth=1.2)
    axes.set(xlabel="rank correlation of methods", xlim=(-1.05, 1.05))
    plots.name_rows(axes, list(rows))
    return plots.titled(figure, False, TITLE)
