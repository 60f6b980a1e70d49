"""Rows that were not made alike: the terms of trained methods, and encoders from outside."""

from __future__ import annotations

import json
from collections.abc import Sequence

from leaderboards.scores.benchmark_records import BenchmarkRecords
from leaderboards.scores.terms import MARK, differing_terms
from leaderboards.tables.cells import MISSING, Cell, Line, PageTable

TERMS_LEAD = (
    f"Rows of one letter were trained alike and share declared contrasts; A has no letter, others end in {MARK}B."
)


def terms_table(board: BenchmarkRecords) -> PageTable | None:
    """The settings in which the training of rows differs, one line a group; None where all were trained alike."""
    found = differing_terms(board.records)
    if not found:
        return None
    keys = list(next(iter(found.values())))
    lines = []
    for letter, settings in found.items():
        rows = [
            row.method for row in board.rows if not row.external and (row.method.partition(MARK)[2] or "A") == letter
        ]
        values = [Cell(settings[key] or MISSING, prose=True) for key in keys]
        lines.append(Line((Cell(letter), Cell(", ".join(dict.fromkeys(rows)), prose=True), *values)))
    return PageTable("Terms of training", "", ("terms", "methods", *keys), tuple(lines))


def encoder_facts(boards: Sequence[BenchmarkRecords]) -> list[tuple[str, str]]:
    """Facts of each encoder from outside, as its records have them."""
    found: dict[str, str] = {}
    for record in (record for board in boards for record in board.records):
        if encoder := record.encoder:
            said = {"origin": encoder.origin, "licence": encoder.licence, "weights": encoder.weights_hash[:12]}
            known = [f"{key} {value}" for key, value in said.items() if value]
            wants = {key: value for key, value in encoder.wants.items() if value}
            known += [json.dumps(part) for part in (encoder.settings, wants) if part]
            found[f"encoder {record.method}"] = "; ".join([encoder.note, encoder.spec, *known])
    return list(found.items())
