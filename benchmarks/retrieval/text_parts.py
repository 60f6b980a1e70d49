"""Facts of a text, its findings affirmed or denied in one form, and the text without one of its parts."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from selip.data.findings import SIDES, Clause, parse_findings_text
from selip.reports.extraction.extractor import extract
from selip.reports.extraction.lexicon import lexicon, sentences

SaidFact = tuple[str, str, str]
"""Place, side, and signal; of a plain report the lesion type in its stead."""
_ENDS = " ;,\n"


def clauses_of_text(text: str) -> tuple[Clause, ...]:
    """The clauses of a text that is nothing else, none of a plain report."""
    clauses = parse_findings_text(text)
    return clauses if all(clause.location for clause in clauses) else ()


@lru_cache(maxsize=2**16)
def facts_of(text: str) -> frozenset[SaidFact]:
    """All facts that a text states."""
    if clauses := clauses_of_text(text):
        return frozenset((_place(clause), clause.side, clause.tag) for clause in clauses)
    findings = (finding for lesion in extract(text).lesions for finding in lesion.findings())
    return frozenset((one.region, one.side, one.lesion_type) for one in findings)


def _place(clause: Clause) -> str:
    return " ".join(word for word in clause.location.lower().split() if word not in SIDES)


def affirmed(text: str) -> str:
    """The findings that are read of a text, "left thalamus: high signal."; clauses stay, "" where nothing is read."""
    return text if clauses_of_text(text) else "; ".join(f"{place}: {what}" for place, what in _said(text))


def denied(text: str) -> str:
    """`affirmed` with each finding denied, which differs from it in the word "no" alone."""
    if clauses := clauses_of_text(text):
        return "; ".join(f"at {one.location} shows no {one.signal}" for one in clauses)
    return "; ".join(f"{place}: no {what}" for place, what in _said(text))


def _said(text: str) -> list[tuple[str, str]]:
    """Places and what is seen there, the lesion type or else the signal without its rim, in sorted order."""
    found = set()
    for lesion in extract(text).lesions:
        what = lesion.lesion_type or next(iter(lesion.signals.values()), "").partition(" with ")[0]
        found |= {(one.location, what) for one in lesion.findings() if what and lesion.places}
    return sorted(found)


def left_out(text: str, says_finding: bool) -> list[str]:
    """The text without each sentence, or part of one up to a semicolon, that says a finding, or that says none.

    A finding counts where its place is said no more without it: a summary that repeats it keeps it. None for a text of
    which nothing is read.
    """
    places = _places(text)
    found = []
    for part, shorter in _shortened(text) if places else ():
        lost = places - _places(shorter)
        if shorter and (bool(lost) if says_finding else not (lost or _places(part))):
            found.append(shorter)
    return found


def _places(text: str) -> frozenset[tuple[str, str]]:
    return frozenset(fact[:2] for fact in facts_of(text))


def _shortened(text: str) -> Iterator[tuple[str, str]]:
    """Each part of a text, and the text without it."""
    starts = [sentence.found[0].start() for sentence in sentences(text, lexicon("en"))]
    for start, end in zip(starts, [*starts[1:], len(text)], strict=True):
        yield text[start:end].strip(_ENDS), (text[:start] + text[end:]).strip(_ENDS)
