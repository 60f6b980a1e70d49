"""Reports as texts: what training reads of them, in which words, with which errors, and the one voice of the judges."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from selip.cohorts.phantom.patients import draw_studies
from selip.cohorts.phantom.profiles import resolve
from selip.cohorts.phantom.regions import REGIONS, sides_of, whole_of
from selip.cohorts.phantom.study_reports import study_words
from selip.cohorts.phantom.synonyms import MOST, reworded
from selip.data.findings import clauses_of, findings_text
from selip.reports.extraction.extractor import extract

NOWHERE = {(name, side): np.zeros((1, 3)) for name in REGIONS for side in sides_of(name)}
READ_AS_PARTS = {"caudate nucleus", "putamen", "midbrain", "pons"}


def drawn(count=150, **dials):
    profile = resolve("reports", {"n_patients": count, "test_patients": 0, "held_out": 0.0, **dials})
    return profile, draw_studies(profile, 2, NOWHERE)


def as_read(findings):
    """Findings text as a perfect reader has it, who reads the lobe where a gyrus is named."""
    named = [one if one.region in READ_AS_PARTS else replace(one, region=whole_of(one.region)) for one in findings]
    return findings_text(clauses_of(named, "FLAIR"))


def test_the_extractor_reads_all_that_a_report_says():
    profile, studies = drawn(report_errors=0.0)
    for study in studies:
        words = study_words(study, profile, 2, judges=False)
        assert findings_text(clauses_of(words.read, "FLAIR")) == as_read(study.findings), words.report


def test_every_way_to_word_a_finding_is_read_back():
    _, studies = drawn(40)
    findings = [finding for study in studies for finding in study.findings]
    for finding in findings:
        for seed in range(MOST):
            other = reworded(finding, MOST, np.random.default_rng(seed))
            side = "" if other.side == "midline" else f"{other.side} "
            found = extract(f"{other.signals['FLAIR']} on FLAIR in the {side}{other.region}.").findings()
            assert findings_text(clauses_of(found, "FLAIR")) == as_read([finding]), other


@pytest.mark.parametrize("wordings", [1, 4, 8])
def test_a_finding_has_as_many_wordings_as_are_asked_for(wordings):
    _, studies = drawn(1, texts="findings", wordings=wordings, normal=0.0)
    study = replace(studies[0], lesions=studies[0].lesions[:1])
    finding = replace(study.findings[0], region="frontal lobe", signals={"FLAIR": "high signal"})
    ways = {reworded(finding, wordings, np.random.default_rng(seed)).location for seed in range(300)}
    assert len(ways) == wordings
    assert finding.location in ways
    assert all("frontal" in way for way in ways)


def test_the_report_of_one_contrast_is_its_text():
    profile, studies = drawn(30)
    for study in studies:
        words = study_words(study, profile, 2, judges=False)
        assert words.texts == {"FLAIR": words.report}


def test_judges_speak_with_one_voice():
    profile, studies = drawn(400)
    texts, others = {}, set()
    for study in studies:
        judged, other = (study_words(study, profile, 2, judges).report for judges in (True, False))
        key = findings_text(clauses_of(study.findings, "FLAIR")), tuple(study.labels)
        assert texts.setdefault(key, judged) == judged
        others.add(other)
    assert len(set(texts.values())) == len(texts) < 0.8 * len(others)


def test_errors_come_at_their_rate_and_never_to_judges():
    profile, studies = drawn(600, report_errors=0.3, normal=0.0)
    n_findings, missing, swapped = 0, 0, 0
    for study in studies:
        said = study_words(study, profile, 2, judges=False).said
        assert study_words(study, profile, 2, judges=True).said == study.findings
        n_findings += len(study.findings)
        missing += len(study.findings) - len(said)
        swapped += sum(one not in study.findings for one in said)
    assert missing + swapped == pytest.approx(0.3 * n_findings, rel=0.15)
    assert swapped > 0.1 * n_findings
    clean, _ = drawn(1, report_errors=0.0)
    assert all(study_words(study, clean, 2, judges=False).said == study.findings for study in studies[:50])
