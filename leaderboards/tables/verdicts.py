"""Verdicts: what the ranking says in words, whichever way it falls, and the caveats that hold whatever it says."""

from __future__ import annotations

import math
from collections.abc import Mapping

from benchmarks.statistics.intervals import SEEDS_FOR_A_SPREAD
from leaderboards.scores.ablation_study import TERMS
from leaderboards.scores.benchmark_records import BenchmarkRecords
from leaderboards.scores.benchmark_scores import BenchmarkScores
from leaderboards.scores.headlines import Headline, metric_words
from leaderboards.scores.paired_differences import SEEDS_FOR_A_TEST, ranked
from leaderboards.tables.cells import Verdict, estimate_text, form_of
from leaderboards.tables.contrast_verdicts import contrast_verdicts
from selip.records.record import Training
from selip.system.mappings import grouped

FEW_PATIENTS = 20
SEEDS_FOR_A_CLAIM = 10


def headline_verdicts(sheet: BenchmarkScores, headline: Headline) -> list[Verdict]:
    """The sentences on the one benchmark of a page: controls, the other contrasts, the ranking, and the floor."""
    return [*contrast_verdicts(sheet, headline), *ranking_verdicts(sheet, headline)]


def ranking_verdicts(sheet: BenchmarkScores, headline: Headline, named: bool = False) -> list[Verdict]:
    """The leader, those that cannot be told from it, and those clear of the floor that all must clear.

    With `named` the sentences say of which metric they are, as on a page of several.
    """
    return [*_on_ranking(sheet, headline), *_on_floor(sheet, headline, named), *_on_unbeaten(sheet, headline)]


def _on_ranking(sheet: BenchmarkScores, headline: Headline) -> list[Verdict]:
    key, rows = headline.key, ranked(sheet.board, headline.key)
    if not rows or sheet.board.describes_runs:
        return []
    leads, floor = "Highest" if headline.higher_is_better else "Lowest", sheet.board.floor(key)
    text = f"{leads} {headline.name}: {rows[0].label}, {estimate_text(sheet.estimate(rows[0], key), form_of(key))}"
    text += " where {} is {:.3f}".format(*floor) if floor else ""
    for other in sheet.declared.co_primary:
        for row in ranked(sheet.board, other)[:1]:
            score = estimate_text(sheet.estimate(row, other), form_of(other))
            text += f"; {metric_words(sheet.declared, other)}: {row.label}, {score}"
    letter = sheet.groups.get(rows[0].label, "")[:1]
    together = [row.label for row in rows[1:] if letter and letter in sheet.groups.get(row.label, "")]
    if together:
        where = " in the first" if sheet.declared.co_primary else ""
        text += f". Not separable from {rows[0].label}{where}: {', '.join(together)}"
    return [Verdict("plain", f"{text}.")]


def _on_floor(sheet: BenchmarkScores, headline: Headline, named: bool) -> list[Verdict]:
    """The rows that are clear of the floor, and those that are not though they were trained."""
    level = sheet.board.floor(headline.key)
    if level is None:
        return []
    (name, floor), rows = level, ranked(sheet.board, headline.key)
    bounds = {row.label: sheet.estimate(row, headline.key)[1:] for row in rows}
    trained = {row.label for row in rows if row.is_trained}
    beyond = [label for label, ends in bounds.items() if headline.beyond(headline.worse_of(*ends), floor)]
    short = [label for label, ends in bounds.items() if headline.beyond(floor, headline.better_of(*ends))]
    holding = [label for label in bounds if label not in {*beyond, *short}]
    after = f" ({headline.name})" if named else ""
    outside = {row.label for row in rows if row.external}
    untrained = [label for label in (*holding, *short) if label not in trained]
    sentences = [
        ("good", f"Interval clear of the floor, {name} {floor:.3f}{after}", beyond),
        (
            "plain",
            f"Not trained, and not clear of {name} {floor:.3f}{after}",
            [n for n in untrained if n not in outside],
        ),
        ("plain", f"From outside, and not clear of {name} {floor:.3f}{after}", [n for n in untrained if n in outside]),
        ("warn", f"Trained, yet the interval holds {name} {floor:.3f}{after}", [n for n in holding if n in trained]),
        ("warn", f"Trained, yet worse than {name} {floor:.3f}{after}", [n for n in short if n in trained]),
    ]
    return [Verdict(kind, f"{text}: {', '.join(names)}.") for kind, text, names in sentences if names]


def references_of(sheet: BenchmarkScores, key: str) -> dict[str, float]:
    """Chance, majority and the controls that stand beside a metric, by name in words."""
    named = ((sheet.declared.floors.get(name, name), name) for name in sheet.declared.shortcuts)
    controls = {words: sheet.board.reference(key, name) for words, name in named}
    return sheet.board.levels(key) | {words: value for words, value in controls.items() if value is not None}


def unbeaten(sheet: BenchmarkScores, headline: Headline) -> dict[str, float]:
    """Chance, majority and controls that no trained method is clear of, by name; none where no interval is known."""
    rows = [row for row in ranked(sheet.board, headline.key) if row.is_trained]
    bounds = [headline.worse_of(*sheet.estimate(row, headline.key)[1:]) for row in rows]
    known = bool(bounds) and all(math.isfinite(bound) for bound in bounds)
    levels = references_of(sheet, headline.key)
    beaten = {name for name, level in levels.items() if any(headline.beyond(bound, level) for bound in bounds)}
    return {name: level for name, level in levels.items() if known and name not in beaten}


def _on_unbeaten(sheet: BenchmarkScores, headline: Headline) -> list[Verdict]:
    """Says plainly of a benchmark that its numbers are no evidence that any method learned what it asks for."""
    found = listed_levels(unbeaten(sheet, headline))
    text = f"No trained method is shown to beat {found} in {headline.name}: here it is no sign of what was learned."
    return [Verdict("warn", text)] if found else []


def listed_levels(levels: Mapping[str, float]) -> str:
    """Levels by name as in a sentence: "chance 0.500, metadata only 0.612"."""
    return ", ".join(f"{name} {level:.3f}" for name, level in levels.items())


def board_verdicts(board: BenchmarkRecords) -> list[Verdict]:
    """Sentences on the rows of a benchmark whatever the metric: skipped ones, seeds, equal terms, convergence."""
    return [*on_skipped(board), *on_seeds(board), *on_equal_terms(board), *on_convergence(board)]


def on_what_is_missing(board: BenchmarkRecords) -> list[Verdict]:
    """Sentences to be read before any number: patients, and runs, that are too few."""
    found = on_runs_alone(board)
    counts = [metric.n_patients for record in board.records for metric in record.metrics.values()]
    if counts and max(counts) < FEW_PATIENTS:
        number_of = "one patient" if max(counts) == 1 else f"at most {max(counts)} patients"
        text = f"Scored on {number_of}: so few decide nothing, whatever the intervals and groups below say."
        found.append(Verdict("warn", text))
    labels = ", ".join(row.label for row in board.rows if row.hole and not row.skipped)
    if labels:
        text = f"Holes: {labels} lack a seed; the reason stands in the table, and no mean is taken for them."
        found.append(Verdict("warn", text))
    return found


def on_skipped(board: BenchmarkRecords) -> list[Verdict]:
    """Names the rows that were not scored on purpose, by reason: no failure, so no warning."""
    skipped = [row for row in board.rows if row.skipped]
    reasons = grouped(("; ".join(dict.fromkeys(r.reason for r in board.records_of(row))), row.label) for row in skipped)
    listed = "; ".join(f"{', '.join(labels)} ({why})" for why, labels in reasons.items())
    return [Verdict("plain", f"Not scored here, with the reason: {listed}.")] if listed else []


def on_runs_alone(board: BenchmarkRecords) -> list[Verdict]:
    """Says first that a page of one or two seeds describes runs."""
    if not board.describes_runs:
        return []
    seeds, runs = ("Two seeds", "two runs") if len(board.seeds) > 1 else ("One seed", "one run")
    text = (
        f"{seeds}: this page describes {runs} of each method and says nothing of others. Intervals cover the choice of "
        "patients alone, and another seed may order the methods otherwise. Nothing is ranked, lettered, tested or "
        f"called different: that takes {SEEDS_FOR_A_SPREAD} seeds, and a headline claim {SEEDS_FOR_A_CLAIM}."
    )
    return [Verdict("warn", text)]


def on_seeds(board: BenchmarkRecords) -> list[Verdict]:
    """Says what the seeds allow, where there are enough of them to say anything."""
    n_seeds = len(board.seeds)
    if board.describes_runs:
        return []
    text = f"{n_seeds} seeds: intervals cover seeds and patients."
    if n_seeds < SEEDS_FOR_A_TEST:
        text += f" Provisional: a headline claim needs {SEEDS_FOR_A_CLAIM} seeds, and a sign-flip test over seeds "
        text += f"{SEEDS_FOR_A_TEST}."
    return [Verdict("plain", text)]


def on_equal_terms(board: BenchmarkRecords) -> list[Verdict]:
    """Says whether the methods of a seed were trained on equal terms; those with another tower are named."""
    trained, found = _trained(board), []
    for name, (word, term) in TERMS.items():
        by_seed: dict[int, dict[object, list[str]]] = {}
        for label, seed, training in trained:
            if not (word == "weights" and training.own_tower):
                by_seed.setdefault(seed, {}).setdefault(term(training), []).append(label)
        unequal = [f"seed {seed}: {_listed(values)}" for seed, values in sorted(by_seed.items()) if len(values) > 1]
        found += [Verdict("warn", f"Unequal terms: methods {name} ({text}).") for text in unequal]
    if not found and any(r.training for row in board.rows for r in row.scored):
        text = (
            "Equal terms: the trained methods of a seed began from the same weights, saw the same batches in the same "
            "order and took as many steps (hashes in the records)."
        )
        found.append(Verdict("good", text))
    own = dict.fromkeys(f"{label} ({training.own_tower})" for label, _, training in trained if training.own_tower)
    if own:
        text = f"With a volume tower of its own, and so other initial weights: {', '.join(own)}."
        found.append(Verdict("plain", f"{text} What sets it apart may be the tower."))
    return found


def _trained(board: BenchmarkRecords) -> list[tuple[str, int, Training]]:
    """Label, seed and training of every scored record that took a step."""
    return [
        (row.label, r.seed, r.training) for row in board.rows for r in row.scored if r.training and r.training.steps
    ]


def _listed(values: dict[object, list[str]]) -> str:
    return " | ".join(f"{', '.join(labels)}: {str(value)[:12]}" for value, labels in values.items())


def on_convergence(board: BenchmarkRecords) -> list[Verdict]:
    """Says when validation chose the last step, so that what is compared may be speed of learning."""
    rising = sorted({label for label, _, training in _trained(board) if training.chosen_step == training.steps})
    text = f"Validation chose the last step for {', '.join(rising)}: differences may be of speed of learning."
    return [Verdict("warn", text)] if rising else []
