"""Facts of a report with the text that says them, and the lesions that they describe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

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
