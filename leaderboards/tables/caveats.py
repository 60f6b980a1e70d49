"""Caveats, whatever the ranking: too few patients, holes, seeds, unequal terms, convergence."""

from __future__ import annotations

from leaderboards.scores.ablation_study import TERMS
from leaderboards.scores.benchmark_records import BenchmarkRecords
from leaderboards.scores.paired_differences import SEEDS_FOR_A_TEST
from leaderboards.tables.cells import Verdict
from selip.records.record import Training

FEW_PATIENTS = 20


def board_verdicts(board: BenchmarkRecords) -> list[Verdict]:
    """Sentences on the rows of a benchmark whatever the metric: skipped ones, seeds, equal terms, convergence."""
    return [*on_skipped(board), on_seeds(board), *on_equal_terms(board), *on_convergence(board)]


def on_what_is_missing(board: BenchmarkRecords) -> list[Verdict]:
    """Sentences to be read before any number: patients, and runs, that are too few."""
    found = []
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
    reasons: dict[str, list[str]] = {}
    for row in board.rows:
        if row.skipped:
            said = dict.fromkeys(record.reason for record in board.records_of(row))
            reasons.setdefault("; ".join(said), []).append(row.label)
    listed = "; ".join(f"{', '.join(labels)} ({why})" for why, labels in reasons.items())
    return [Verdict("plain", f"Not scored here, with the reason: {listed}.")] if listed else []


def on_seeds(board: BenchmarkRecords) -> Verdict:
    """Says what the seeds allow."""
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
