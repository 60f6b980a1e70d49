"""Ordinary radiology of the head, a sentence a line, with what is present, denied and uncertain by our own reading."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import pytest

from selip.reports.extraction.extractor import extract

TABLE = Path(__file__).resolve().parents[3] / "data" / "radiology_sentences.csv"
POLARITIES = ("mixed", "high", "low", "iso")
PARTS = ("present", "denied", "uncertain")


@pytest.fixture(scope="module")
def sentences():
    with TABLE.open(newline="") as stream:
        return list(csv.DictReader(stream))


def lesion_items(lesions):
    for lesion in lesions:
        yield from (f"{place.side} {place.region}" for place in lesion.places)
        yield from ("multiple" for _ in range(lesion.multiple))
        yield from (f"type {lesion.lesion_type}" for _ in range(bool(lesion.lesion_type)))
        for contrast, phrase in lesion.signals.items():
            if contrast != "T1c":
                yield f"{contrast or 'signal'} {next(word for word in POLARITIES if word in phrase)}"


def read(sentence):
    found = extract(sentence)
    signs = {fact.kind: fact.values[0] for fact in found.facts if fact.values[0] in ("present", "absent")}
    return {
        "present": {*lesion_items(found.lesions), *(kind for kind, value in signs.items() if value == "present")},
        "denied": {*found.denied, *(kind for kind, value in signs.items() if value == "absent")},
        "uncertain": set(lesion_items(found.uncertain)),
    }


def test_what_is_read_of_ordinary_sentences(sentences, record_property):
    both, extra, missing = Counter(), Counter(), Counter()
    wrong = []
    for row in sentences:
        got = read(row["sentence"])
        for part in PARTS:
            wanted = set(filter(None, row[part].split("; ")))
            both[part] += len(wanted & got[part])
            extra[part] += len(got[part] - wanted)
            missing[part] += len(wanted - got[part])
            if wanted != got[part]:
                wrong.append((row["sentence"], part, sorted(got[part] - wanted), sorted(wanted - got[part])))
    for part in PARTS:
        score = 2 * both[part] / (2 * both[part] + extra[part] + missing[part])
        record_property(part, score)
        assert score >= 0.95, wrong
    assert len(sentences) >= 150
