"""The words of a study: its report, the text of each volume, and what our extractor reads out of the report.

Where texts are not the truth in clauses (`Profile.is_read`), a report of the train part is its patient's: worded anew
each time, with errors at the rate of the profile. In val and test, which judge, words are the truth, and the same
findings have the same words: a test text then stands for a set of findings, and any volume that shows them answers it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from selip.cohorts.phantom import wording
from selip.cohorts.phantom.patients import STUDY_STREAM, Study, generator
from selip.cohorts.phantom.profiles import Profile
from selip.cohorts.phantom.synonyms import reworded
from selip.data.findings import Finding, clauses_of, findings_text, swap_sides
from selip.reports.extraction.extractor import extract

ERROR_STREAM = 4


@dataclass(frozen=True)
class StudyWords:
    """The words of a study.

    Attributes:
        report: Its free text.
        texts: Contrast to the text of the volume.
        said: The findings that they state: the true ones, less the errors of the report.
        read: The findings that our extractor reads out of the report; None where texts are the truth in clauses.
    """

    report: str
    texts: Mapping[str, str]
    said: Sequence[Finding]
    read: Sequence[Finding] | None = None


def study_words(study: Study, profile: Profile, seed: int, judges: bool) -> StudyWords:
    """Words a study.

    Args:
        study: The study.
        profile: The dials.
        seed: Seed of the cohort.
        judges: Whether it is of val or test.
    """
    findings = study.findings
    if not profile.is_read:
        words = generator(seed, STUDY_STREAM, study.index).spawn(2)[1]
        texts = {name: findings_text(clauses_of(findings, name)) for name in study.contrasts}
        return StudyWords(wording.report(findings, study.contrasts, words), texts, findings)
    if not judges:
        findings = _with_errors(findings, profile.report_errors, generator(seed, ERROR_STREAM, study.index))
    texts = {name: _worded(study, findings, (name,), profile, seed, judges) for name in study.contrasts}
    report = _worded(study, findings, study.contrasts, replace(profile, texts="report"), seed, judges)
    return StudyWords(report, texts, findings, extract(report).findings())


def _with_errors(findings: Sequence[Finding], chance: float, rng: np.random.Generator) -> list[Finding]:
    """The findings, each by chance left out or on the other side; one without another side is left out."""
    kept = []
    for finding in findings:
        is_wrong, is_swapped = rng.random() < chance, rng.random() < 0.5
        swapped = replace(finding, side=swap_sides(finding.side))
        if not is_wrong:
            kept.append(finding)
        elif is_swapped and swapped != finding:
            kept.append(swapped)
    return kept


def _worded(
    study: Study, findings: Sequence[Finding], contrasts: Sequence[str], profile: Profile, seed: int, judges: bool
) -> str:
    """Text of what some contrasts show, in the one voice of the judging parts or in that of the study."""
    shown = [
        replace(finding, signals={name: finding.signals[name] for name in contrasts if name in finding.signals})
        for finding in findings
    ]
    rng = generator(seed, STUDY_STREAM, study.index).spawn(2)[1]
    if judges:
        shown = sorted((replace(finding, radius_mm=0.0) for finding in shown), key=repr)
        digest = hashlib.sha256(repr((shown, contrasts)).encode()).digest()
        rng = np.random.default_rng(np.random.SeedSequence((seed, int.from_bytes(digest[:8]))))
    shown = [reworded(finding, profile.wordings, rng) for finding in shown]
    if profile.texts == "report":
        return wording.report(shown, contrasts, rng)
    return findings_text(clause for name in contrasts for clause in clauses_of(shown, name))
