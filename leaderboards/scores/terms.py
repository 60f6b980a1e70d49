"""Terms of training: rows that were not trained alike stand in one table, but share no declared contrast."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from string import ascii_uppercase
from typing import Any

from selip.records.record import Record
from selip.system.mappings import dotted

MARK = "@"
"""Stands between a method and the letter of its terms; the first terms have none."""


def by_terms(records: Sequence[Record]) -> list[Record]:
    """The records, methods that were trained on other terms than most under a name of their own, as "selip@B".

    Their declared contrasts are among themselves. Terms are lettered by how many records have them.
    """
    counts: dict[str, int] = {}
    for record in records:
        if record.encoder is None:
            counts[record.terms] = counts.get(record.terms, 0) + 1
    order = sorted(counts, key=lambda terms: (-counts[terms], terms))
    letters = {terms: ascii_uppercase[place % 26] * (1 + place // 26) for place, terms in enumerate(order) if place}
    return [_marked(one, letters[one.terms]) if not one.encoder and one.terms in letters else one for one in records]


def _marked(record: Record, letter: str) -> Record:
    end = f"{MARK}{letter}"
    changes = {
        "method": f"{record.method}{end}",
        "contrasts": tuple((f"{one}{end}", f"{two}{end}") for one, two in record.contrasts),
        "controls": tuple(f"{name}{end}" for name in record.controls),
    }
    return record.model_copy(update=changes)


def differing_terms(records: Sequence[Record]) -> dict[str, dict[str, str]]:
    """Letter of each group of terms to the settings that differ between groups; empty where all are equal."""
    found: dict[str, Mapping[str, Any]] = {}
    for record in records:
        if record.encoder is None and not record.ablation and "run" in record.config:
            letter = record.method.partition(MARK)[2] or "A"
            found.setdefault(letter, dotted({**record.config["run"], "methods": {}}))
    keys = sorted({key for settings in found.values() for key in settings})
    differ = [key for key in keys if len({str(settings.get(key)) for settings in found.values()}) > 1]
    if len(found) < 2:
        return {}
    return {letter: {key: str(found[letter].get(key, "")) for key in differ} for letter in sorted(found)}
