"""Findings from reports against a plain scan for every term of the lexicon, in the same run.

The scan is one compiled pattern a term, searched in the whole report: the first half of the work, without negation,
places or lesions. The rate is shown and the ratio judged: on the machine where
they read 2,800 to 3,400 reports a second the ratio was 13, so at 10 it is over 2,000 there.
"""

from __future__ import annotations

import re

import pytest

from selip.cohorts.phantom.anatomy import build_atlas
from selip.cohorts.phantom.generate import lesion_points, study_rows
from selip.cohorts.phantom.patients import draw_studies
from selip.cohorts.phantom.profiles import resolve
from selip.reports.extraction.extractor import extract
from selip.reports.extraction.lexicon import lexicon

pytestmark = pytest.mark.speed
N_REPORTS, N_SCANNED = 500, 50
LEAST_RATIO = 10


@pytest.fixture(scope="module")
def reports():
    """500 reports of the standard phantom: a sentence or more a finding, denials, technique and impression."""
    profile = resolve("standard", {"n_patients": N_REPORTS})
    studies = draw_studies(profile, 0, lesion_points(build_atlas(3)))[:N_REPORTS]
    return [study_rows(study, "train", profile, 0)[0]["report"] for study in studies]


@pytest.fixture(scope="module")
def terms():
    """One pattern a term of the English lexicon: its words, with hyphens or spaces between them and a plural s."""
    phrases = [(words, kind, value) for some in lexicon("en").entries.values() for words, kind, value in some]
    return [
        (re.compile(r"\b" + r"[\s-]+".join(map(re.escape, words)) + r"s?\b", re.IGNORECASE), kind, value)
        for words, kind, value in phrases
    ]


def scan(text, terms):
    """Kind and value of every term that occurs."""
    return {(kind, value) for pattern, kind, value in terms if pattern.search(text)}


def test_reports_against_a_scan_for_every_term(benchmark, against, reports, terms):
    found, scanned, ratio = against(
        "a_pattern_a_term",
        lambda: [extract(text) for text in reports],
        lambda: [scan(text, terms) for text in reports[:N_SCANNED]],
        N_REPORTS / N_SCANNED,
    )
    for extraction, said in zip(found[:N_SCANNED], scanned, strict=True):
        areas = {lexicon("en").area.get(value, value) for kind, value in said if kind == "region"}
        assert {fact.values[1] for fact in extraction.facts if fact.kind == "location"} <= areas
    per_second = N_REPORTS / benchmark.stats.stats.min
    benchmark.extra_info |= {
        "reports_per_second": per_second,
        "reference": f"{len(terms)} patterns searched in {N_SCANNED} reports, scaled to {N_REPORTS}",
    }
    assert ratio > LEAST_RATIO
