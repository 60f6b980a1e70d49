"""Reports as people write them, by kind: the state and the findings that each has, and no other."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from selip.reports.extraction.extractor import extract

TABLE = Path(__file__).resolve().parents[3] / "data" / "report_kinds.csv"


def rows():
    with TABLE.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


@pytest.mark.parametrize("row", rows(), ids=lambda row: f"{row['kind']}: {row['text'][:40]}")
def test_what_is_read_of_a_report(row):
    found = extract(row["text"], row["language"])
    findings = sorted(f"{finding.lesion_type}|{finding.side}|{finding.region}" for finding in found.findings())
    assert (found.state, findings) == (row["state"], [one for one in row["findings"].split("; ") if one])


def test_the_other_types_of_an_alternative_are_said():
    (doubt,) = extract("Meningioma or metastasis in the left frontal lobe.").uncertain[:1]
    types = {lesion.lesion_type for lesion in extract("Meningioma or metastasis in the left frontal lobe.").uncertain}
    assert types == {"meningioma", "metastasis"}
    assert [(place.side, place.region) for place in doubt.places] == [("left", "frontal lobe")]


@pytest.mark.parametrize(
    "text",
    [
        "[ ] infarct [x] mass in the left thalamus",
        "[] infarct\n[X] mass in the left thalamus",
        "☐ infarct ☐ left frontal haemorrhage ☑ mass in the left thalamus",
        "☒ mass in the left thalamus □ infarct in the pons.",
    ],
)
def test_of_a_form_only_what_is_ticked_is_read(text):
    found = extract(text)
    assert [(place.region, place.side) for lesion in found.lesions for place in lesion.places] == [("thalamus", "left")]


def test_a_form_in_which_nothing_is_ticked_says_nothing():
    found = extract("[ ] infarct\n[ ] mass\n[ ] normal")
    assert (found.lesions, found.normal) == ((), False)
