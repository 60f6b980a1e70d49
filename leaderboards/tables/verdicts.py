"""Verdicts: what the table says in words, whichever way it falls, and whether its rows may be compared at all."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from leaderboards.scores.benchmark_records import FULL, Board, Row
from leaderboards.scores.families import RETRIEVED, Headline, words
from leaderboards.scores.paired_differences import ALPHA, SEEDS_FOR_A_TEST, Comparison, ranked
from leaderboards.scores.tidy_table import entry_of
from leaderboards.tables.cells import Verdict, interval, number, p_text
from leaderboards.tables.equal_terms import on_equal_terms
from selip.records.record import Training

PRIMARY_NAME = RETRIEVED.name
FEW_PATIENTS = 20


def verdicts(
    board: Board, frame: pd.DataFrame, groups: dict[str, str], contrasts: Sequence[Comparison]
) -> list[Verdict]:
    """The sentences on top of a leaderboard of retrieval, most important first.

    Args:
        board: The records.
        frame: Their tidy frame.
        groups: label -> group letters on the primary metric.
        contrasts: Declared contrasts on the primary metric; those without an interval say nothing.
    """
    found = headline_verdicts(board, frame, groups, contrasts, RETRIEVED)
    return [*on_what_is_missing(board), *found, *board_verdicts(board)]


def headline_verdicts(
    board: Board,
    frame: pd.DataFrame,
    groups: dict[str, str],
    contrasts: Sequence[Comparison],
    headline: Headline,
) -> list[Verdict]:
    """What is said of one benchmark: controls, the first contrast, the ranking, and the floor that all must clear."""
    contrasts = [contrast for contrast in contrasts if contrast.known]
    return [
        *_on_controls(board, contrasts, headline),
        *_on_first(board, contrasts, headline),
        *ranking_verdicts(board, frame, groups, headline),
    ]


def ranking_verdicts(board: Board, frame: pd.DataFrame, groups: dict[str, str], headline: Headline) -> list[Verdict]:
    """Who leads, who cannot be told from it, and who is clear of the floor that all must clear."""
    return [*_on_ranking(board, frame, groups, headline), *_on_floor(board, frame, headline)]


def joint_controls(found: Sequence[tuple[Board, Sequence[Comparison], Headline]]) -> list[Verdict]:
    """Says first, and plainly, on which benchmarks of a page a null control does as well as what it is a control of."""
    methods = dict.fromkeys(method for board, _, _ in found for method in board.controls if board.row(method))
    return [verdict for method in methods for verdict in _joint(method, found)]


def _joint(method: str, found: Sequence[tuple[Board, Sequence[Comparison], Headline]]) -> list[Verdict]:
    compared = [
        (headline, [c for c in contrasts if c.known and c.a == method and c.b in board.controls.get(method, ())])
        for board, contrasts, headline in found
    ]
    compared = [(headline, controls) for headline, controls in compared if controls]
    equal = {
        headline.name: ", ".join(f"{c.b} {'(better)' if c.difference.upper < 0 else ''}".strip() for c in lost)
        for headline, controls in compared
        if (lost := [c for c in controls if not c.difference.lower > 0])
    }
    if equal:
        said = "; ".join(f"{names} in {name}" for name, names in equal.items())
        text = f"{method} is not above its controls: as far as these data can tell, as good are {said}. "
        return [Verdict("warn", text + f"These runs do not show that {_claim(method)} helps there.")]
    if compared:
        names = "; ".join(headline.name for headline, _ in compared)
        return [Verdict("good", f"{method} is above every control that was run in {names}.")]
    return []


def board_verdicts(board: Board) -> list[Verdict]:
    """What is said of the rows of a benchmark whatever the metric: skipped ones, seeds, equal terms, convergence."""
    return [*on_skipped(board), on_seeds(board), *on_equal_terms(board), *on_convergence(board)]


def on_what_is_missing(board: Board) -> list[Verdict]:
    """What a reader has to know before any number: patients, and runs, that are too few."""
    return [*_on_few_patients(board), *_on_holes(board)]


def _on_few_patients(board: Board) -> list[Verdict]:
    counts = [metric.n_patients for record in board.records for metric in record.metrics.values()]
    if not counts or max(counts) >= FEW_PATIENTS:
        return []
    number_of = "one patient" if max(counts) == 1 else f"at most {max(counts)} patients"
    text = f"Scored on {number_of}: so few decide nothing, whatever the intervals and groups below say."
    return [Verdict("warn", text)]


def _on_holes(board: Board) -> list[Verdict]:
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


def _on_controls(board: Board, contrasts: Sequence[Comparison], headline: Headline) -> list[Verdict]:
    """Says first, and plainly, when a null control does as well as what it is a control of."""
    methods = [method for method in board.controls if board.row(method)]
    return [verdict for method in methods for verdict in _on_controls_of(method, board, contrasts, headline)]


def _on_controls_of(method: str, board: Board, contrasts: Sequence[Comparison], headline: Headline) -> list[Verdict]:
    planned = board.controls[method]
    controls = [c for c in contrasts if c.a == method and c.b in planned]
    equal = [c for c in controls if not (c.differs and c.difference.value > 0)]
    found = []
    if equal:
        said = "; ".join(f"{c.b} {_standing(c)} ({method} − {c.b} = {_shown(c)})" for c in equal)
        text = f"{method} is not above its controls in {headline.name}: {said}. "
        text += f"These runs do not show that {_claim(method)} helps."
        found.append(Verdict("warn", text))
    elif controls:
        listed = "; ".join(f"{method} − {c.b} = {_shown(c)}" for c in controls)
        found.append(Verdict("good", f"{method} is above every control that was run in {headline.name} ({listed})."))
    lacking = [name for name in planned if name not in {c.b for c in controls}]
    if lacking:
        where = "here" if headline == RETRIEVED else f"in {words(headline.benchmark)}"
        text = f"Controls not compared {where}: {', '.join(lacking)}. What they would explain is not ruled out."
        found.append(Verdict("plain", text))
    return found


def _claim(method: str) -> str:
    """The thing that a method's controls are there to doubt."""
    return "report similarity itself" if method == FULL else f"what {method} adds"


def _on_first(board: Board, contrasts: Sequence[Comparison], headline: Headline) -> list[Verdict]:
    """The first declared contrast in words."""
    found = next((c for c in contrasts if (c.a, c.b) in board.contrasts[:1]), None)
    if found is None:
        return []
    if not found.separates:
        said = "the data do not separate them"
    elif found.p_holm > ALPHA:
        said = "the interval leaves out 0, but not after Holm's adjustment"
    else:
        said = f"{found.a} is {'above' if found.difference.value > 0 else 'below'} {found.b}"
    smallest = f"a true difference of {found.smallest:.3f} would be found with 80 % power"
    return [Verdict("plain", f"{found.a} − {found.b} = {_shown(found)} in {headline.name}: {said}; {smallest}.")]


def _on_ranking(board: Board, frame: pd.DataFrame, groups: dict[str, str], headline: Headline) -> list[Verdict]:
    key, rows = headline.key, ranked(board, headline.key)
    if not rows:
        return []
    best, floor = entry_of(frame, rows[0], key), board.reference(key, headline.floor)
    text = f"Highest {headline.name}: {rows[0].label}, {number(best['value'], key)}"
    text += f" {interval(best['lower'], best['upper'], key)}"
    text += f" where {words(headline.floor)} is {floor:.3f}." if floor is not None else "."
    letter = groups.get(rows[0].label, "")[:1]
    together = [row.label for row in rows[1:] if letter and letter in groups.get(row.label, "")]
    if together:
        text += f" Not separable from it: {', '.join(together)}."
    return [Verdict("plain", text)]


def _on_floor(board: Board, frame: pd.DataFrame, headline: Headline) -> list[Verdict]:
    """Which rows are clear of chance (or of an empty mask), and which are not though they were trained."""
    floor = board.reference(headline.key, headline.floor)
    if floor is None:
        return []
    name, rows = words(headline.floor), ranked(board, headline.key)
    bounds = {
        row.label: (entry["lower"], entry["upper"]) for row in rows for entry in [entry_of(frame, row, headline.key)]
    }
    trained = {row.label for row in board.complete if any(t.steps for t in _trainings(row))}
    twice = headline.margin == 2
    clear = [label for label, (lower, _) in bounds.items() if (lower >= 2 * floor if twice else lower > floor)]
    holding = [label for label, (lower, upper) in bounds.items() if lower <= floor <= upper]
    sentences = [
        ("good", f"Lower bound {'at least twice' if twice else 'above'} {name}", clear),
        ("plain", f"Interval holds {name}, as it should without training", [n for n in holding if n not in trained]),
        ("warn", f"Trained, yet the interval holds {name}", [n for n in holding if n in trained]),
        ("warn", f"Below {name}, which calls for a reason", [n for n, (_, upper) in bounds.items() if upper < floor]),
    ]
    after = "" if headline == RETRIEVED else f" ({headline.name})"
    return [Verdict(kind, f"{text}{after}: {', '.join(names)}.") for kind, text, names in sentences if names]


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


def _standing(comparison: Comparison) -> str:
    if comparison.differs:
        return "does better"
    unsure = " (the interval leaves out 0, but not after Holm's adjustment)" if comparison.separates else ""
    return f"does as well, as far as these data can tell{unsure}"


def _shown(comparison: Comparison) -> str:
    value, lower, upper, _ = comparison.difference
    return f"{value:+.3f} [{lower:+.3f}, {upper:+.3f}], Holm p {p_text(comparison.p_holm)}"
