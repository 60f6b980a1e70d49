"""The reading of reports and labels at import: their state, and in a line each what was not understood."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from selip.cohorts.importing.adapter import StudyFiles
from selip.data.languages import is_foreign, language_of
from selip.data.states import ABNORMAL, NORMAL, UNKNOWN, label_state
from selip.data.tables import id_key
from selip.reports.extraction.extractor import LANGUAGES, Extraction, extract
from selip.system.errors import listed

SHOWN, WORDS_SHOWN, WORD_LENGTH = 10, 6, 30
LARGE_SHARE = 0.5  # of reports in which nothing was read


@dataclass(frozen=True)
class ReportReading:
    """Outcome of reading one report.

    Attributes:
        state: One of STATES.
        not_understood: Words of statements that were not understood.
        language: Its language where that is not the declared one, and it was not read at all; "" otherwise.
        found: What was extracted; None when it was not read.
        contradicted: Whether a label calls the study normal and the report does not; the state is then unknown.
    """

    state: str
    not_understood: tuple[str, ...] = ()
    language: str = ""
    found: Extraction | None = None
    contradicted: bool = False

    @property
    def is_blank(self) -> bool:
        """True when nothing at all was read."""
        return self.state == UNKNOWN and (self.found is None or not self.found.recognised)


def read_report(report: str, language: str) -> ReportReading:
    """Reads a report in the declared language; one that is plainly in another is not read, not even in part."""
    if is_foreign(report, language):
        return ReportReading(UNKNOWN, language=language_of(report))
    found = extract(report, language)
    return ReportReading(found.state, found.not_understood, found=found)


def reading_lines(readings: Sequence[tuple[str, ReportReading]], language: str) -> list[str]:
    """Lines of an import on the reports that it read: counts, the first unknown ones, other languages."""
    if not readings:
        return []
    lines = [_counts_line(readings), _language_line([reading for _, reading in readings], language)]
    against = [study for study, reading in readings if reading.contradicted]
    if against:
        lines.append(
            f"{len(against)} studies whose label says normal and whose report tells a finding count as unknown: "
            f"{listed(against)}; mend the label or the report"
        )
    return [line for line in lines if line]


def label_lines(studies: Sequence[StudyFiles]) -> list[str]:
    """Lines of an import on labels that say neither normal nor a finding, as "control", or are spelt in two ways."""
    labels = Counter(label for study in studies for label in sorted({*study.labels}))
    idle = [f"{label} {count}" for label, count in labels.most_common() if label_state([label]) == UNKNOWN]
    spelt: defaultdict[str, list[str]] = defaultdict(list)
    for label in sorted(labels):
        spelt[id_key(label)].append(label)
    twice = [" / ".join(some) for some in spelt.values() if len(some) > 1]
    total = sum(count for label, count in labels.items() if label_state([label]) == UNKNOWN)
    return [
        f"{total} labels say neither normal nor a finding: {', '.join(idle[:SHOWN])}; nothing follows from them, so "
        "name the finding, or normal"
    ] * bool(idle) + [
        f"{len(twice)} labels are spelt in several ways: {listed(twice)}; each spelling is a class, so write one"
    ] * bool(twice)


def _counts_line(readings: Sequence[tuple[str, ReportReading]]) -> str:
    counts = Counter(reading.state for _, reading in readings)
    unknown = [f"{study} ({_words(reading)})" for study, reading in readings if reading.state == UNKNOWN]
    first = f": {listed(unknown)}" if unknown else ""
    return f"reports: read {counts[ABNORMAL]}, normal {counts[NORMAL]}, unknown {counts[UNKNOWN]}{first}"


def _words(reading: ReportReading) -> str:
    """Why a report is unknown, in a few words."""
    if reading.language:
        return "another language"
    if reading.contradicted:
        return "label says normal"
    words = [" ".join(word.split())[:WORD_LENGTH] for word in reading.not_understood[:WORDS_SHOWN]]
    return f"not understood: {' '.join(words)}" if words else "no finding, and not called normal"


def _language_line(readings: Sequence[ReportReading], language: str) -> str:
    blank, others = sum(reading.is_blank for reading in readings), Counter(reading.language for reading in readings)
    del others[""]
    if not others and blank < LARGE_SHARE * len(readings):
        return ""
    elsewhere = f", {others.total()} of them in another language than {language}" if others else ""
    supported = [name for name, _ in others.most_common() if name in LANGUAGES]
    flag = f"--language {supported[0]}" if supported else f"--language ({', '.join(LANGUAGES)} are read)"
    share = f"{blank / len(readings):.0%}"
    return (
        f"nothing was read in {blank} of {len(readings)} reports ({share}){elsewhere}; set {flag}, or keep the reports "
        "as texts with --texts report"
    )
