from __future__ import annotations

import numpy as np
import pytest

from selip.cohorts.phantom import wording
from selip.cohorts.phantom.generate import lesion_points
from selip.cohorts.phantom.lesions import KINDS
from selip.cohorts.phantom.patients import draw_studies
from selip.cohorts.phantom.profiles import resolve
from selip.data.findings import Finding, clauses_of, findings_text
from selip.data.sides import can_flip

THALAMUS = Finding("acute infarct", "thalamus", "left", {"FLAIR": "high signal", "DWI": "markedly high signal"}, 9.0)


@pytest.fixture(scope="module")
def reports(atlas):
    """(study, report) of 400 studies with up to three findings and missing contrasts."""
    profile = resolve("hard", {"n_patients": 400})
    studies = draw_studies(profile, 0, lesion_points(atlas))
    return [
        (study, wording.report(study.findings, study.contrasts, np.random.default_rng(index)))
        for index, study in enumerate(studies)
    ]


def test_every_finding_is_reported_with_place_and_signals(reports):
    for study, text in reports:
        for finding in study.findings:
            if finding.signals:
                assert finding.region in text.lower()
                assert all(signal in text.lower() for signal in finding.signals.values())


def test_sides_are_those_of_the_findings(reports):
    for study, text in reports:
        words = set(text.lower().replace(":", " ").replace(",", " ").replace(".", " ").split())
        assert words & {"left", "right"} == {f.side for f in study.findings if f.signals} & {"left", "right"}


def test_nothing_present_is_denied(reports):
    denials = 0
    for study, text in reports:
        present = {finding.lesion_type for finding in study.findings}
        for names, forbidding in wording._DENIALS:
            for form in wording._DENY:
                said = any(form.format(name).lower() in text.lower() for name in names)
                denials += said
                assert not (said and present & forbidding), text
        for sentences, forbidding in wording._NORMAL_PARTS:
            assert not (present & forbidding and any(sentence in text for sentence in sentences)), text
    assert denials > 100


def test_abnormal_studies_have_no_normal_sentence(reports):
    for study, text in reports:
        abnormal = any(finding.signals for finding in study.findings)
        assert abnormal != any(sentence in text for sentence in wording._NORMAL_SENTENCES)


def test_only_contrasts_of_the_study_are_named(reports):
    unmistakable = {"FLAIR": "FLAIR", "DWI": "b1000", "ADC": "ADC", "T1": "T1WI"}
    for study, text in reports:
        for contrast, word in unmistakable.items():
            assert word not in text or contrast in study.contrasts


def test_same_findings_are_worded_in_many_ways():
    texts = {wording.report([THALAMUS], ("FLAIR", "DWI"), np.random.default_rng(seed)) for seed in range(50)}
    assert len(texts) > 45


def test_same_generator_words_alike():
    first, second = (wording.report([THALAMUS], ("FLAIR", "DWI"), np.random.default_rng(1)) for _ in range(2))
    assert first == second


def test_every_lesion_type_has_names():
    assert set(wording._TYPE_NAMES) == set(KINDS)


def test_every_report_and_text_of_the_phantom_can_be_flipped(reports):
    texts = [findings_text(clauses_of(study.findings, name)) for study, _ in reports for name in study.contrasts]
    assert all(can_flip(text) for text in {*texts, *(report for _, report in reports)})
