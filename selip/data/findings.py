"""Findings, their clauses and the text that a volume is paired with.

A *finding* is a lesion of a study; a *clause* is what one contrast shows of it, "at <location> shows <signal>"
(arXiv:2503.19801). Side and signal polarity are fields of a clause, never guessed from a bag of words.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field

from selip.data.sides import read_sides

CONTRASTS = ("T1", "T2", "FLAIR", "DWI", "ADC", "T1c")
SIDES = ("left", "right", "bilateral", "midline")
NORMAL_TEXT = "no abnormal signal in the brain"
POLARITIES = ("high", "low", "long", "short", "iso")

_CLAUSE = re.compile(r"^at (?P<location>.+?) shows (?P<signal>.+)$", re.IGNORECASE)
_NEGATED = re.compile(r"(no|without)\b", re.IGNORECASE)


@dataclass(frozen=True, order=True)
class Clause:
    """One finding as one contrast shows it.

    Attributes:
        location: Place with its side word, as "left thalamus".
        signal: Signal phrase, as "high signal with low rim".
    """

    location: str
    signal: str

    @property
    def text(self) -> str:
        """The clause as a sentence, "at left thalamus shows high signal"."""
        return f"at {self.location} shows {self.signal}"

    @property
    def sentence(self) -> str:
        """Its text, or its signal alone where it has no location: a sentence of a plain report."""
        return self.text if self.location else self.signal

    @property
    def side(self) -> str:
        """One of SIDES; "midline" when the location has no side word."""
        words = self.location.lower().split()
        if "bilateral" in words or {"left", "right"} <= set(words):
            return "bilateral"
        return next((word for word in words if word in {"left", "right"}), "midline")

    @property
    def tag(self) -> str:
        """Signal class of METHOD: the first of POLARITIES named in the phrase, else the phrase itself."""
        words = self.signal.lower().split()
        return next((word for word in words if word in POLARITIES), self.signal.lower())


@dataclass(frozen=True)
class Finding:
    """One lesion (or one diffuse change) of a study, as the truth knows it.

    Attributes:
        lesion_type: Lesion type, as "acute infarct".
        region: Region without side, as "thalamus".
        side: One of SIDES.
        signals: Contrast to signal phrase; a contrast that does not show the finding is absent.
        radius_mm: Radius of the lesion in millimetres, 0 when unknown or diffuse.
        multiple: Whether several separate foci are meant.
        source: Who says so: "mask", "table", "report", or two joined by "+"; "" for a simulated truth. It is no
            part of what a finding is.
    """

    lesion_type: str
    region: str
    side: str
    signals: Mapping[str, str] = field(default_factory=dict)
    radius_mm: float = 0.0
    multiple: bool = False
    source: str = field(default="", compare=False)

    @property
    def location(self) -> str:
        """Region with its side word; a midline region stands alone."""
        return self.region if self.side == "midline" else f"{self.side} {self.region}"

    def clause(self, contrast: str) -> Clause | None:
        """The clause that `contrast` shows of this finding, or None when it shows nothing."""
        signal = self.signals.get(contrast)
        return Clause(self.location, signal) if signal else None


def findings_text(clauses: Iterable[Clause]) -> str:
    """Text of a volume: its distinct clauses in sorted order, or NORMAL_TEXT when there are none."""
    return "; ".join(clause.text for clause in sorted(set(clauses))) or NORMAL_TEXT


def clauses_of(findings: Sequence[Finding], contrast: str) -> tuple[Clause, ...]:
    """Clauses that `contrast` shows of `findings`, in their order."""
    found = (finding.clause(contrast) for finding in findings)
    return tuple(clause for clause in found if clause is not None)


def is_normal(text: str) -> bool:
    """True when `text` is the normal sentence (case and surrounding space aside)."""
    return text.strip().lower().rstrip(".") == NORMAL_TEXT


def parse_findings_text(text: str) -> tuple[Clause, ...]:
    """Clauses of a text, the inverse of `findings_text`.

    A text that is not in clause form gives one clause a sentence, with the sentence as signal and no location,
    so that similarity still works on plain reports. A negated signal ("shows no high signal") is an absent finding. The
    normal sentence and an empty text have no clause.
    """
    if is_normal(text):
        return ()
    clauses = []
    for part in re.split(r";|(?<=[a-z)])\.(?:\s|$)|\n", text):
        sentence = part.strip(" .")
        match = _CLAUSE.match(sentence)
        if not sentence or is_normal(sentence) or (match and _NEGATED.match(match["signal"])):
            continue
        clauses.append(Clause(match["location"], match["signal"]) if match else Clause("", sentence))
    return tuple(clauses)


def swap_sides(text: str) -> str:
    """`text` with left and right exchanged where they are certain, letter case kept."""
    return read_sides(text).text


def flip_text(text: str) -> str:
    """Findings text of the left-right flipped volume: sides swapped, clauses in canonical order again.

    A text whose sides cannot be swapped with certainty (`selip.data.sides.can_flip`) has no flipped volume: it stays.
    """
    swapped, certain = read_sides(text)
    if not certain:
        return text
    clauses = parse_findings_text(swapped)
    return findings_text(clauses) if clauses and all(clause.location for clause in clauses) else swapped


def findings_to_json(findings: Sequence[Finding]) -> str:
    """Findings as a JSON list with sorted keys; a source that is not known has none."""
    told = [{key: value for key, value in asdict(one).items() if key != "source" or value} for one in findings]
    return json.dumps(told, sort_keys=True)


def findings_from_json(text: str) -> list[Finding]:
    """Findings from `findings_to_json`."""
    return [Finding(**item) for item in json.loads(text)]
