"""The texts of an imported study: given, extracted from its report, measured from its mask, or the report itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from selip.cohorts.importing.adapter import StudyFiles
from selip.cohorts.importing.report_reading import ReportReading, read_report
from selip.data.findings import (
    NORMAL_TEXT,
    SIDES,
    Clause,
    Finding,
    clauses_of,
    findings_from_json,
    findings_text,
    findings_to_json,
    parse_findings_text,
)
from selip.data.states import ABNORMAL, NORMAL, UNKNOWN, label_state, text_state
from selip.reports.extraction.extractor import Extraction

Texts = Literal["extracted", "report", "masks", "none"]

GIVEN, EXTRACTED, MASKS = "given", "extracted", "masks"
UNSAID, UNRECOGNISED, REPORT, LABELS, NONE = "unsaid", "unrecognised", "report", "labels", "none"
TABLE = "table"
UNDESCRIBED = "not described"
"""Text of a volume that nobody described."""
SOURCE_WORDS: Mapping[str, str] = {
    GIVEN: "given with the set",
    EXTRACTED: "extracted from the report",
    MASKS: "measured from the mask",
    UNSAID: "the report's sentences, as it says nothing of that contrast",
    UNRECOGNISED: "the report's sentences, as no finding was recognised",
    REPORT: "the report as it is",
    LABELS: "the study's labels alone",
    NONE: "none: nobody described them",
    TABLE: "findings of a table, without a report",
}


@dataclass(frozen=True)
class StudyTexts:
    """Texts of one study.

    Attributes:
        texts: Contrast -> text of the pair.
        sources: Contrast -> key of SOURCE_WORDS.
        findings: Structured findings as JSON, "" when they are unknown.
        states: Contrast -> one of STATES.
        reading: Of the report, None when it was not read.
        differs: Whether table and mask told different sides.
    """

    texts: Mapping[str, str]
    sources: Mapping[str, str] = field(default_factory=dict)
    findings: str = ""
    states: Mapping[str, str] = field(default_factory=dict)
    reading: ReportReading | None = None
    differs: bool = False


def lacks_text(study: StudyFiles, contrast: str) -> bool:
    """True when the set gives no text for a contrast of a study."""
    return not study.texts.get(contrast, "").strip()


def measures_mask(study: StudyFiles, texts: Texts) -> bool:
    """True when findings are to be measured from the mask of a study."""
    wanted = texts == "masks" or (texts == "extracted" and not study.report.strip())
    return wanted and study.mask is not None and any(lacks_text(study, contrast) for contrast in study.volumes)


def has_text(study: StudyFiles, texts: Texts) -> bool:
    """True when every volume of a study will have a text."""
    other = study.report.strip() or study.labels or measures_mask(study, texts) or (texts == "none" and study.mask)
    return bool(other) or not any(lacks_text(study, contrast) for contrast in study.volumes)


def study_texts(study: StudyFiles, measured: str, texts: Texts, language: str, conflict: str = "mask") -> StudyTexts:
    """Texts and states of a study.

    Texts that the set gives stay, and are the findings where all are given, in clauses. The other contrasts get the
    first that there is: findings measured from the mask, the normal sentence where the labels say normal and no report
    says otherwise, findings extracted from the report (the report's sentences where it says nothing of the contrast, or
    nothing was read), the report, the labels. Structured findings are kept when no text was given and, if they were
    extracted, the report speaks of every contrast. With "none" nothing is measured or read: a volume whose study has a
    mask is abnormal, and nobody described it.

    `measured` are findings of its mask as JSON, "" when they were not asked for; `conflict` is as of `at_place`.
    """
    given = {contrast: text for contrast, text in study.texts.items() if not lacks_text(study, contrast)}
    missing = [contrast for contrast in study.volumes if contrast not in given]
    if not missing:
        other = StudyTexts({}, findings=_structured(given))
    elif texts == "none":
        other = _same(UNDESCRIBED, NONE, missing, ABNORMAL if study.mask else label_state(study.labels))
    elif measured:
        placed, differs = at_place(study, findings_from_json(measured), conflict)
        other = _from_findings(placed, missing) if placed is not None else _same(UNDESCRIBED, NONE, missing, ABNORMAL)
        other = replace(other, differs=differs)
    elif not study.report.strip():
        other = _from_labels(study.labels, missing)
    else:
        other = _from_report(study, texts, language, missing)
    told = bool(other.findings) and not missing and not study.report and other.findings != "[]"
    sources = dict.fromkeys(given, TABLE if told else GIVEN) | dict(other.sources)
    states = {contrast: _given_state(text, study.labels, language) for contrast, text in given.items()}
    findings = "" if given and missing else other.findings
    return replace(
        other, texts=given | dict(other.texts), sources=sources, findings=findings, states=states | dict(other.states)
    )


def _structured(texts: Mapping[str, str]) -> str:
    """Findings of texts in clauses, by contrast, as JSON: clauses of one place are one finding; "" for other texts."""
    if UNKNOWN in map(text_state, texts.values()):
        return ""
    signals: dict[str, dict[str, str]] = {}
    for contrast, text in texts.items():
        for clause in parse_findings_text(text):
            of_place = signals.setdefault(clause.location, {})
            of_place[contrast] = f"{of_place[contrast]} and {clause.signal}" if contrast in of_place else clause.signal
    return findings_to_json([finding_at(location, "table", of) for location, of in signals.items()])


def finding_at(location: str, source: str, signals: Mapping[str, str]) -> Finding:
    """A finding at a place in words, "left frontal lobe", whose lesion type nobody knows."""
    side = Clause(location, "").side
    region = " ".join(word for word in location.split() if word.lower() not in SIDES)
    return Finding("", region or location, side if region else "midline", dict(signals), source=source)


def at_place(study: StudyFiles, findings: list[Finding], conflict: str) -> tuple[list[Finding] | None, bool]:
    """Findings measured on a mask, at the place that a table gives; and whether the two told different sides.

    The one finding has the table's region and side, and the signals of the largest that was measured. Where the sides
    differ, `conflict` decides: "mask" or "table" keeps that side, "unknown" gives None.
    """
    if study.place is None or not findings:
        return findings, False
    region, side = study.place
    first = findings[0]
    differs = {side, first.side} == {"left", "right"}
    if differs and conflict == "unknown":
        return None, True
    kept = first.side if not side or (differs and conflict == "mask") else side
    return [replace(first, region=region or first.region, side=kept, source="mask+table")], differs


def read_findings(found: StudyTexts) -> str:
    """Findings that were read from the report as JSON, for texts that are reports; "" where nothing was understood."""
    reading = found.reading
    if reading is None or reading.found is None or reading.state == UNKNOWN:
        return ""
    return findings_to_json([_in_contrasts(finding, [*found.texts]) for finding in reading.found.findings()])


def findings_source(counts: Mapping[str, int]) -> str:
    """`CohortInfo.findings_source` of counts by key of SOURCE_WORDS."""
    return "+".join(source for source in (GIVEN, EXTRACTED, MASKS, TABLE) if counts.get(source))


def _given_state(text: str, labels: Sequence[str], language: str) -> str:
    """State of a text that the set gives: of its words, of the labels, or read as a report is."""
    found = text_state(text)
    if found == UNKNOWN and label_state(labels) == ABNORMAL:
        return ABNORMAL
    return read_report(text, language).state if found == UNKNOWN else found


def _from_labels(labels: Sequence[str], contrasts: list[str]) -> StudyTexts:
    state = label_state(labels)
    if state == NORMAL:
        return _normal(LABELS, contrasts)
    return _same("; ".join(labels), LABELS, contrasts, state)


def _from_report(study: StudyFiles, texts: Texts, language: str, contrasts: list[str]) -> StudyTexts:
    labelled = label_state(study.labels)
    reading = read_report(study.report, language)
    if labelled == NORMAL and reading.state == ABNORMAL:
        reading = replace(reading, state=UNKNOWN, contradicted=True)
    state = labelled if reading.state == UNKNOWN and not reading.contradicted else reading.state
    if texts == "extracted" and state == NORMAL:
        found = _normal(EXTRACTED if reading.state == NORMAL else LABELS, contrasts)
    elif texts != "extracted":
        found = _same(study.report, REPORT, contrasts, state)
    elif reading.state == ABNORMAL and reading.found is not None:
        found = _extracted(reading.found, contrasts)
    else:
        found = _same(study.report, UNRECOGNISED, contrasts, state)
    return replace(found, reading=reading)


def _extracted(read: Extraction, contrasts: list[str]) -> StudyTexts:
    """Texts of a report that tells a finding.

    A contrast that nothing is said of is unknown where the report speaks of others, and would count as normal among the
    structured findings; where it names no contrast with any finding, each may show it.
    """
    said = {contrast: text for contrast, text in read.texts(contrasts).items() if text.strip()}
    texts = {contrast: said.get(contrast, read.text) for contrast in contrasts}
    sources = {contrast: EXTRACTED if contrast in said else UNSAID for contrast in contrasts}
    named = any(finding.signals for finding in read.findings())
    states = {contrast: ABNORMAL if contrast in said or not named else UNKNOWN for contrast in contrasts}
    findings = [_in_contrasts(finding, contrasts) for finding in read.findings()]
    return StudyTexts(texts, sources, findings_to_json(findings) if len(said) == len(contrasts) else "", states)


def _in_contrasts(finding: Finding, contrasts: list[str]) -> Finding:
    """The finding with its signal of no named contrast given to each contrast that has none of its own."""
    named = {contrast: signal for contrast, signal in finding.signals.items() if contrast}
    shared = dict.fromkeys(contrasts, finding.signals[""]) if "" in finding.signals else {}
    return replace(finding, signals=shared | named, source="report")


def _from_findings(findings: list[Finding], contrasts: list[str]) -> StudyTexts:
    texts = {contrast: findings_text(clauses_of(findings, contrast)) for contrast in contrasts}
    states = {contrast: text_state(text) for contrast, text in texts.items()}
    return StudyTexts(texts, dict.fromkeys(contrasts, MASKS), findings_to_json(findings), states)


def _normal(source: str, contrasts: list[str]) -> StudyTexts:
    return replace(_same(NORMAL_TEXT, source, contrasts, NORMAL), findings=findings_to_json([]))


def _same(text: str, source: str, contrasts: list[str], state: str) -> StudyTexts:
    return StudyTexts(
        dict.fromkeys(contrasts, text), dict.fromkeys(contrasts, source), states=dict.fromkeys(contrasts, state)
    )
