"""Equal terms: whether rows began from the same weights, were fed the same batches and took as many steps."""

from __future__ import annotations

from leaderboards.scores.ablation_study import TERMS
from leaderboards.scores.benchmark_records import Board
from leaderboards.tables.cells import Verdict


def on_equal_terms(board: Board) -> list[Verdict]:
    """Whether the trained methods of a seed were trained on equal terms; those with another tower are named."""
    trained = [(row, r.seed, r.training) for row in board.rows for r in row.scored if r.training and r.training.steps]
    found = []
    for name, (word, term) in TERMS.items():
        by_seed: dict[int, dict[object, list[str]]] = {}
        for row, seed, training in trained:
            if not (word == "weights" and training.own_tower):
                by_seed.setdefault(seed, {}).setdefault(term(training), []).append(row.label)
        unequal = [f"seed {seed}: {_listed(values)}" for seed, values in sorted(by_seed.items()) if len(values) > 1]
        found += [Verdict("warn", f"Unequal terms: methods {name} ({text}).") for text in unequal]
    if not found and any(r.training for row in board.rows for r in row.scored):
        text = (
            "Equal terms: the trained methods of a seed began from the same weights, saw the same batches in the same "
        )
        found.append(Verdict("good", text + "order and took as many steps (hashes in the records)."))
    own = dict.fromkeys(f"{row.label} ({training.own_tower})" for row, _, training in trained if training.own_tower)
    if own:
        text = f"With a volume tower of its own, and so other initial weights: {', '.join(own)}."
        found.append(Verdict("plain", f"{text} What sets it apart may be the tower."))
    return found


def _listed(values: dict[object, list[str]]) -> str:
    return " | ".join(f"{', '.join(labels)}: {str(value)[:12]}" for value, labels in values.items())
