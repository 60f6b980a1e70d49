"""Facts of a report with the text that says them, and the lesions that they describe."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from selip.data.findings import Clause, Finding, clauses_of, findings_text, parse_findings_text

UNSPECIFIED = "unspecified"
State = Literal["normal", "abnormal", "unknown"]
Span = tuple[int, int]
"""First character of a piece of text, and the one behind its last."""


@dataclass(frozen=True)
class Fact:
    """One thing that a report says.

    Attributes:
        kind: "location", "signal", "enhancement", "edema", "midline_shift", "ventricle_compression" or "multiplicity".
        values: (side, region), (contrast, polarity), ("present",), ("absent",) or ("multiple",).
        spans: The pieces of the report that say it, in their order.
    """

    kind: str
    values: tuple[str, ...]
    spans: tuple[Span, ...] = ()

    @property
    def as_list(self) -> list[str]:
        """As ["location", "left", "frontal lobe"]."""
        return [self.kind, *self.values]


@dataclass(frozen=True)
class Place:
    """A place that a lesion is said to be in.

    Attributes:
        region: Region as findings name it, as "splenium of the corpus callosum".
        side: left, right, bilateral, midline or UNSPECIFIED.
        area: Region as facts name it, as "corpus callosum".
        spans: The pieces of the report that say it, in their order.
    """

    region: str
    side: str
    area: str
    spans: tuple[Span, ...] = field(default=(), compare=False)


@dataclass(frozen=True)
class Lesion:
    """A lesion, or several that share a description.

    Attributes:
        places: Where; empty when the report does not say.
        signals: Contrast to signal phrase, as "patchy high signal"; contrast "" for a signal of no named contrast.
        lesion_type: As "acute infarct", "" when not said.
        multiple: Whether several are meant.
        enhancement: "present", "absent" or "".
    """

    places: tuple[Place, ...] = ()
    signals: Mapping[str, str] = field(default_factory=dict)
    lesion_type: str = ""
    multiple: bool = False
    enhancement: str = ""

    def findings(self) -> list[Finding]:
        """One finding a place; "brain" where no place is said. A side that is not said is that of the midline."""
        lead = "multiple foci of " if self.multiple else ""
        signals = {contrast: lead + phrase for contrast, phrase in self.signals.items()}
        places = self.places or (Place("brain", UNSPECIFIED, ""),)
        return [
            Finding(
                self.lesion_type,
                place.region,
                "midline" if place.side == UNSPECIFIED else place.side,
                signals,
                multiple=self.multiple,
            )
            for place in places
        ]


@dataclass(frozen=True)
class Extraction:
    """All that was read out of one report.

    Attributes:
        text: The report.
        facts: What it says, each once.
        lesions: What it describes, in its order.
        normal: Whether it calls the study normal, or denies all that it speaks of.
        not_understood: Words of statements that were not understood, each once, in their order.
        denied: What it says is not there, as "acute infarct" or "mass", each once.
        uncertain: Lesions that are neither affirmed nor denied, as "possible infarct".
    """

    text: str
    facts: tuple[Fact, ...] = ()
    lesions: tuple[Lesion, ...] = ()
    normal: bool = False
    not_understood: tuple[str, ...] = ()
    uncertain: tuple[Lesion, ...] = ()
    denied: tuple[str, ...] = ()

    @property
    def state(self) -> State:
        """Abnormal when a finding is present, normal when the report calls the study that, else unknown."""
        if self.lesions or any(fact.values == ("present",) for fact in self.facts):
            return "abnormal"
        return "normal" if self.normal else "unknown"

    @property
    def recognised(self) -> bool:
        """True when a finding or a normal statement was recognised; otherwise `clauses` are its sentences."""
        return bool(self.facts or self.lesions or self.normal)

    def findings(self) -> list[Finding]:
        """The lesions in the words of the phantom's findings; none for a normal report."""
        return [finding for lesion in self.lesions for finding in lesion.findings()]

    def clauses(self) -> tuple[Clause, ...]:
        """Clauses of all contrasts; of an unrecognised report its sentences, without a location."""
        if not self.recognised:
            return parse_findings_text(self.text)
        return tuple(
            Clause(finding.location, phrase) for finding in self.findings() for phrase in finding.signals.values()
        )

    def texts(self, contrasts: Sequence[str]) -> dict[str, str]:
        """Findings text of each contrast; a contrast about which nothing is said is absent.

        A normal report gives all of them the normal sentence. A signal of no named contrast counts for each. Where
        enhancement is denied, T1c shows what T1 does, or that nothing enhances.
        """
        findings = self.findings()
        if not findings:
            return dict.fromkeys(contrasts, findings_text(())) if self.normal else {}
        said = {name: [*clauses_of(findings, name), *clauses_of(findings, "")] for name in contrasts}
        if "T1c" in said and any(fact.as_list == ["enhancement", "absent"] for fact in self.facts):
            dark = [Clause(finding.location, "no enhancement") for finding in findings]
            said["T1c"] = said["T1c"] or list(clauses_of(findings, "T1")) or dark
        return {name: findings_text(clauses) for name, clauses in said.items() if clauses}


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
        "clauses": [clause.sentence for clause in found.clauses()],
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
