"""The texts of an imported study: given, extracted from its report, measured from its mask, or the report itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from selip.cohorts.importing.adapter import StudyFiles
from selip.data.findings import Finding, clauses_of, findings_from_json, findings_text, findings_to_json

Texts = Literal["extracted", "report", "masks"]

GIVEN, EXTRACTED, MASKS = "given", "extracted", "masks"
UNSAID, UNRECOGNISED, REPORT, LABELS = "unsaid", "unrecognised", "report", "labels"
SOURCE_WORDS: Mapping[str, str] = {
    GIVEN: "given with the set",
    EXTRACTED: "extracted from the report",
    MASKS: "measured from the mask",
    UNSAID: "the report's sentences, as it says nothing of that contrast",
    UNRECOGNISED: "the report's sentences, as no finding was recognised",
    REPORT: "the report as it is",
    LABELS: "the study's labels alone",
}


@dataclass(frozen=True)
class StudyTexts:
    """Texts of one study.

    Attributes:
        texts: Contrast -> text of the pair.
        sources: Contrast -> key of SOURCE_WORDS.
        findings: Structured findings as JSON, "" when they are unknown.
    """

    texts: Mapping[str, str]
    sources: Mapping[str, str] = field(default_factory=dict)
    findings: str = ""


def lacks_text(study: StudyFiles, contrast: str) -> bool:
    """Whether the set gives no text for a contrast of a study."""
    return not study.texts.get(contrast, "").strip()


def measures_mask(study: StudyFiles, texts: Texts) -> bool:
    """Whether findings are to be measured from the mask of a study."""
    wanted = texts == "masks" or (texts == "extracted" and not study.report.strip())
    return wanted and study.mask is not None and any(lacks_text(study, contrast) for contrast in study.volumes)


def has_text(study: StudyFiles, texts: Texts) -> bool:
    """Whether every volume of a study will have a text."""
    other = study.report.strip() or study.labels or measures_mask(study, texts)
    return bool(other) or not any(lacks_text(study, contrast) for contrast in study.volumes)


def study_texts(study: StudyFiles, measured: str, texts: Texts, language: str) -> StudyTexts:
    """Texts of a study.

    Texts that the set gives stay. The other contrasts get the first that there is: findings measured from the mask,
    findings extracted from the report (the report's sentences where it says nothing of the contrast), the report, the
    labels. Structured findings are kept when no text was given and, if they were extracted, the report speaks of every
    contrast.

    Args:
        study: Its files and words.
        measured: Findings of its mask as JSON, "" when they were not asked for.
        texts: What is wanted where nothing is given.
        language: Language of the report.
    """
    given = {contrast: text for contrast, text in study.texts.items() if not lacks_text(study, contrast)}
    missing = [contrast for contrast in study.volumes if contrast not in given]
    if not missing:
        other = StudyTexts({})
    elif measured:
        other = _from_findings(findings_from_json(measured), missing)
    elif not study.report.strip():
        other = _same("; ".join(study.labels), LABELS, missing)
    elif texts == "extracted":
        other = _extracted(study.report, language, missing)
    else:
        other = _same(study.report, REPORT, missing)
    sources = dict.fromkeys(given, GIVEN) | dict(other.sources)
    return StudyTexts(given | dict(other.texts), sources, "" if given else other.findings)


def findings_source(counts: Mapping[str, int]) -> str:
    """`CohortInfo.findings_source` of counts by key of SOURCE_WORDS."""
    return "+".join(source for source in (GIVEN, EXTRACTED, MASKS) if counts.get(source))


def _extracted(report: str, language: str, contrasts: list[str]) -> StudyTexts:
    from selip.reports.extraction.extractor import extract

    found = extract(report, language)
    if not found.recognised:
        return _same(report, UNRECOGNISED, contrasts)
    said = {contrast: text for contrast, text in found.texts(contrasts).items() if text.strip()}
    texts = {contrast: said.get(contrast, report) for contrast in contrasts}
    sources = {contrast: EXTRACTED if contrast in said else UNSAID for contrast in contrasts}
    findings = [_in_contrasts(finding, contrasts) for finding in found.findings()]
    # A contrast that nothing is said of is unknown, and would count as normal; so would a study known by a sign alone.
    known = len(said) == len(contrasts)
    return StudyTexts(texts, sources, findings_to_json(findings) if known else "")


def _in_contrasts(finding: Finding, contrasts: list[str]) -> Finding:
    """The finding with its signal of no named contrast given to each contrast that has none of its own."""
    named = {contrast: signal for contrast, signal in finding.signals.items() if contrast}
    shared = dict.fromkeys(contrasts, finding.signals[""]) if "" in finding.signals else {}
    return replace(finding, signals=shared | named)


def _from_findings(findings: list[Finding], contrasts: list[str]) -> StudyTexts:
    texts = {contrast: findings_text(clauses_of(findings, contrast)) for contrast in contrasts}
    return StudyTexts(texts, dict.fromkeys(contrasts, MASKS), findings_to_json(findings))


def _same(text: str, source: str, contrasts: list[str]) -> StudyTexts:
    return StudyTexts(dict.fromkeys(contrasts, text), dict.fromkeys(contrasts, source))
