"""Verdicts: what the table says in words, whichever way it falls, and whether its rows may be compared at all."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from leaderboards.board import Board, Row
from leaderboards.differences import ALPHA, CONTROLS, DECLARED, PRIMARY, SEEDS_FOR_A_TEST, Comparison, ranked
from leaderboards.terms import on_equal_terms
from leaderboards.views import Verdict, interval, number, p_text
from selip.records import Training

PRIMARY_NAME = "image → text R@10 of abnormal volumes"


def verdicts(
    board: Board, frame: pd.DataFrame, groups: dict[str, str], contrasts: Sequence[Comparison]
) -> list[Verdict]:
    """The sentences on top of a leaderboard, most important first.

    Args:
        board: The records.
        frame: Their tidy frame.
        groups: label -> group letters on the primary metric.
        contrasts: Declared contrasts on the primary metric; those without an interval say nothing.
    """
    contrasts = [contrast for contrast in contrasts if contrast.known]
    return [
        *on_holes(board),
        *_on_controls(board, contrasts),
        *_on_clip(contrasts),
        *_on_ranking(board, frame, groups),
        *_on_chance(board, frame),
        *on_skipped(board),
        on_seeds(board),
        *on_equal_terms(board),
        *on_convergence(board),
    ]


def on_holes(board: Board) -> list[Verdict]:
    """Names the rows without a mean because a run failed or is missing."""
    labels = [row.label for row in board.rows if row.hole and not row.skipped]
    if not labels:
        return []
    text = f"Holes: {', '.join(labels)} lack a seed; the reason stands in the table, and no mean is taken for them."
    return [Verdict("warn", text)]


def on_skipped(board: Board) -> list[Verdict]:
    """Names the rows that were not scored on purpose, by reason: no failure, so no warning."""
    reasons: dict[str, list[str]] = {}
    for row in board.rows:
        if row.skipped:
            mine = [r for r in board.records if (r.method, r.ablation) == (row.method, row.ablation)]
            reasons.setdefault("; ".join(dict.fromkeys(r.reason for r in mine)), []).append(row.label)
    if not reasons:
        return []
    said = "; ".join(f"{', '.join(labels)} ({why})" for why, labels in reasons.items())
    return [Verdict("plain", f"Not scored here, with the reason: {said}.")]


def _on_controls(board: Board, contrasts: Sequence[Comparison]) -> list[Verdict]:
    """Says first, and plainly, when a null control does as well as selip."""
    if board.row("selip") is None:
        return []
    controls = [c for c in contrasts if c.b in CONTROLS]
    equal = [c for c in controls if not c.difference.lower > 0]
    found = []
    if equal:
        said = "; ".join(f"{c.b} {_standing(c)} (selip − {c.b} = {_shown(c)})" for c in equal)
        text = f"selip is not above its controls: {said}. These runs do not show that report similarity itself helps."
        found.append(Verdict("warn", text))
    elif controls:
        listed = "; ".join(f"selip − {c.b} = {_shown(c)}" for c in controls)
        found.append(Verdict("good", f"selip is above every control that was run ({listed})."))
    lacking = [name for name in CONTROLS if name not in {c.b for c in controls}]
    if lacking:
        text = f"Controls not compared here: {', '.join(lacking)}. What they would explain is not ruled out."
        found.append(Verdict("plain", text))
    return found


def _on_clip(contrasts: Sequence[Comparison]) -> list[Verdict]:
    found = next((c for c in contrasts if (c.a, c.b) == DECLARED[0]), None)
    if found is None:
        return []
    if not found.separates:
        said = "the data do not separate them"
    elif found.p_holm > ALPHA:
        said = "the interval leaves out 0, but Holm's adjustment does not"
    else:
        said = "selip is above clip" if found.difference.value > 0 else "selip is below clip"
    smallest = f"a difference under about {found.smallest:.3f} could not have been seen"
    return [Verdict("plain", f"selip − clip = {_shown(found)} in {PRIMARY_NAME}: {said}; {smallest}.")]


def _on_ranking(board: Board, frame: pd.DataFrame, groups: dict[str, str]) -> list[Verdict]:
    rows = ranked(board)
    if not rows:
        return []
    best, chance = _entry(frame, rows[0]), board.reference(PRIMARY, "chance")
    text = f"Highest {PRIMARY_NAME}: {rows[0].label}, {number(best['value'], PRIMARY)}"
    text += f" {interval(best['lower'], best['upper'], PRIMARY)}"
    text += f" where chance is {chance:.3f}." if chance is not None else "."
    letter = groups.get(rows[0].label, "")[:1]
    together = [row.label for row in rows[1:] if letter and letter in groups.get(row.label, "")]
    if together:
        text += f" Not separable from it: {', '.join(together)}."
    return [Verdict("plain", text)]


def _on_chance(board: Board, frame: pd.DataFrame) -> list[Verdict]:
    chance = board.reference(PRIMARY, "chance")
    if chance is None:
        return []
    entries = {row.label: _entry(frame, row) for row in ranked(board)}
    trained = {row.label for row in board.complete if any(t.steps for t in _trainings(row))}
    clear = [name for name, entry in entries.items() if entry["lower"] >= 2 * chance]
    holding = [name for name, entry in entries.items() if entry["lower"] <= chance <= entry["upper"]]
    below = [name for name, entry in entries.items() if entry["upper"] < chance]
    sentences = [
        ("good", "Lower bound at least twice chance", clear),
        ("plain", "Interval holds chance, as it should without training", [n for n in holding if n not in trained]),
        ("warn", "Trained, yet the interval holds chance", [n for n in holding if n in trained]),
        ("warn", "Below chance, which calls for a reason", below),
    ]
    return [Verdict(kind, f"{text}: {', '.join(names)}.") for kind, text, names in sentences if names]


def on_seeds(board: Board) -> Verdict:
    """What the seeds allow to say."""
    if len(board.seeds) == 1:
        text = (
            "One seed: intervals cover the choice of patients only. There is no test over seeds, and another seed may "
            "order the methods otherwise."
        )
        return Verdict("warn", text)
    text = f"{len(board.seeds)} seeds: intervals cover seeds and patients (hierarchical: seed, then patient)."
    if len(board.seeds) < SEEDS_FOR_A_TEST:
        text += f" A sign-flip test over seeds needs at least {SEEDS_FOR_A_TEST} and is not made."
    return Verdict("plain", text)


def on_convergence(board: Board) -> list[Verdict]:
    """Says when validation chose the last step, so that what is compared may be speed of learning."""
    trained = [(row.label, r.training) for row in board.rows for r in row.scored if r.training and r.training.steps]
    rising = sorted({label for label, training in trained if training.chosen_step == training.steps})
    if not rising:
        return []
    text = f"Validation chose the last step for {', '.join(rising)}: differences may be of speed of learning."
    return [Verdict("warn", text)]


def _trainings(row: Row) -> list[Training]:
    return [record.training for record in row.scored if record.training]


def _entry(frame: pd.DataFrame, row: Row) -> pd.Series:
    pool, metric = PRIMARY.split("/", 1)
    here = (frame["method"] == row.method) & (frame["ablation"] == row.ablation)
    return frame[here & (frame["pool"] == pool) & (frame["metric"] == metric)].iloc[0]


def _standing(comparison: Comparison) -> str:
    return "does better" if comparison.difference.upper < 0 else "does as well, as far as these data can tell"


def _shown(comparison: Comparison) -> str:
    value, lower, upper, _ = comparison.difference
    return f"{value:+.3f} [{lower:+.3f}, {upper:+.3f}], Holm p {p_text(comparison.p_holm)}"
