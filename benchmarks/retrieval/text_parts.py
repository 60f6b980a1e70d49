"""Parts of a text, clauses or sentences: which of them say a finding, and the text with one left out or all denied."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from selip.data.findings import parse_findings_text
from selip.reports.extraction.extractor import extract

DENIAL = "No evidence of the following: "
_CLAUSE = re.compile(r"at [^.]+? shows [^.]+")
_BETWEEN = re.compile(r"(?<=[\w)])\.\s+(?=[A-Z])")
_LABEL = re.compile(r"^(\w+: )?")


class Parts(NamedTuple):
    """Parts of a text in order, and what stands between them."""

    parts: tuple[str, ...]
    between: str

    def without(self, place: int) -> str:
        """The text without the part at `place`."""
        return self.between.join(self.parts[:place] + self.parts[place + 1 :])


def parts_of(text: str) -> Parts:
    """The clauses of a text, or the sentences of a plain report."""
    clauses = text.split("; ")
    if all(map(_CLAUSE.fullmatch, clauses)):
        return Parts(tuple(clauses), "; ")
    return Parts(tuple(_BETWEEN.split(text)), ". ")


def left_out(text: str, says_finding: bool) -> list[str]:
    """The text without each of its parts that says a finding, or says none; none where it is the only part."""
    found = parts_of(text)
    places = [place for place, part in enumerate(found.parts) if _says_finding(part) == says_finding]
    return [found.without(place) for place in places] if len(found.parts) > 1 else []


def negated(text: str) -> list[str]:
    """The text with all that it finds denied: "shows no high signal", or DENIAL before each sentence of a finding."""
    found = parts_of(text)
    denied = [_denied(part) if _says_finding(part) else part for part in found.parts]
    return [found.between.join(denied)] if denied != list(found.parts) else []


def _denied(part: str) -> str:
    if _CLAUSE.fullmatch(part):
        return part.replace(" shows ", " shows no ", 1)
    return _LABEL.sub(rf"\1{DENIAL}", part, count=1)


@lru_cache(maxsize=2**16)
def _says_finding(part: str) -> bool:
    return bool(extract(part).lesions) or any(clause.location for clause in parse_findings_text(part))
