"""Tables of what was read out of reports, with the words that say it; and the same as plain data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any, get_args

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from selip.reports.extraction.report_facts import Extraction, State

STYLES = {
    "location": "bold cyan",
    "signal": "bold yellow",
    "enhancement": "bold magenta",
    "edema": "bold blue",
    "midline_shift": "bold green",
    "ventricle_compression": "bold green",
    "multiplicity": "bold red",
}


def marked_text(found: Extraction) -> Text:
    """The report with the words of every fact in the colour of its kind."""
    text = Text(found.text)
    for fact in found.facts:
        for start, end in fact.spans:
            text.stylize(STYLES[fact.kind], start, end)
    return text


def as_tables(name: str, found: Extraction) -> RenderableType:
    """One report: its marked text, its facts with the words that say them, and its findings."""
    heading = Text(f"{name}: {found.state}", style="bold underline")
    if not found.recognised:
        clauses = Text("\n".join(f"  {clause.signal}" for clause in found.clauses()))
        lead = Text("nothing recognised; its sentences stand as they are:")
        return Group(heading, marked_text(found), lead, clauses, *_notes(found))
    facts = Table("fact", "value", "words")
    for fact in found.facts:
        words = " … ".join(found.text[start:end] for start, end in fact.spans)
        facts.add_row(Text(fact.kind, style=STYLES[fact.kind]), ", ".join(fact.values), Text(words))
    findings = Table("location", "type", "signals")
    for finding in found.findings():
        signals = "; ".join(f"{contrast} {phrase}".strip() for contrast, phrase in finding.signals.items())
        findings.add_row(finding.location, finding.lesion_type, signals)
    parts: list[RenderableType] = [heading, marked_text(found)]
    parts += [facts] if found.facts else []
    parts += [findings] if found.lesions else [Text("no lesion")]
    return Group(*parts, *_notes(found), Text())


def _notes(found: Extraction) -> Iterator[Text]:
    """Lines on what is denied, uncertain and not understood."""
    doubts = [finding for lesion in found.uncertain for finding in lesion.findings()]
    uncertain = [f"{finding.lesion_type or 'lesion'} ({finding.location})" for finding in doubts]
    for name, words in (("denied", found.denied), ("uncertain", uncertain), ("not understood", found.not_understood)):
        if words:
            yield Text(f"{name}: {', '.join(words)}")


def as_mapping(found: Extraction) -> dict[str, Any]:
    """One report as plain data: facts with spans and words, findings, clauses."""
    return {
        "recognised": found.recognised,
        "state": found.state,
        "normal": found.state == "normal",
        "facts": [
            {
                "kind": fact.kind,
                "values": list(fact.values),
                "spans": [list(span) for span in fact.spans],
                "words": [found.text[start:end] for start, end in fact.spans],
            }
            for fact in found.facts
        ],
        "denied": list(found.denied),
        "uncertain": [asdict(finding) for lesion in found.uncertain for finding in lesion.findings()],
        "not_understood": list(found.not_understood),
        "findings": [asdict(finding) for finding in found.findings()],
        "clauses": [clause.text if clause.location else clause.signal for clause in found.clauses()],
    }


def facts_of(extractions: Mapping[str, Extraction]) -> dict[str, list[list[str]]]:
    """Id to the list of its facts, each as ["signal", "T1", "low"]."""
    return {name: [fact.as_list for fact in found.facts] for name, found in extractions.items()}


def summary(extractions: Mapping[str, Extraction]) -> str:
    """Counts of reports: all, in each state, and those of which nothing was recognised."""
    unknown = sum(not found.recognised for found in extractions.values())
    facts = sum(len(found.facts) for found in extractions.values())
    states = Counter(found.state for found in extractions.values())
    return (
        f"{len(extractions)} reports, {facts} facts; nothing recognised in {unknown}, whose sentences stand as they "
        f"are; {', '.join(f'{name} {states[name]}' for name in get_args(State))}"
    )


def pages(extractions: Mapping[str, Extraction]) -> Iterator[RenderableType]:
    """The page of each report."""
    yield from (as_tables(name, found) for name, found in extractions.items())
