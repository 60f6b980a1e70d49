"""Hard negatives: the true text of a volume with one thing about it made false.

Each edit leaves every other word as it was, and clauses in their canonical order, so that only the meaning tells the
two texts apart. A text that an edit cannot change (no side word, no polarity, one finding only) has no such negative.

Balanced against the text prior: the pairs in which train has the true text more often weigh as much in all as those in
which it has the edited one more often. So "the commoner one", an answer that sees no volume, scores .5. Where all pairs
fall on one side nothing can be balanced, and what that answer scores is the floor.
"""

from __future__ import annotations

import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from benchmarks.retrieval.gallery_ranking import exact_steps
from benchmarks.retrieval.text_bank import TextBank
from selip.data.findings import Clause, findings_text, flip_text, parse_findings_text
from selip.reports.extraction.extractor import extract
from selip.system.arrays import FloatArray, IntArray

_OPPOSITE = MappingProxyType(
    {"high": "low", "long": "short", "increased": "decreased", "bright": "dark", "hyper": "hypo"}
)
_SWAPPED = MappingProxyType({**_OPPOSITE, **{low: high for high, low in _OPPOSITE.items()}})
# A hyphen ends no polarity word ("high-grade"), and hyper- is one only of intensity ("hypothalamus").
_WORDS = r"(?:high|low|long|short|increased|decreased|bright|dark)(?![\w-])|hyp(?:er|o)(?=-?(?:intens|dens|signal))"
_POLARITY = re.compile(rf"\b(?:{_WORDS})", re.IGNORECASE)


_SIDE = re.compile(r"\b(?:left|right|midline|bilateral(?:ly)?|both|either)\b")


class NamedPlace(NamedTuple):
    """A place that a phrase stands for: its region, and if it lies on a side rather than on the midline."""

    region: str
    has_side: bool


def swap_side(text: str) -> list[str]:
    """The text with left and right exchanged."""
    return _changed(text, [flip_text(text)])


def swap_polarity(text: str) -> list[str]:
    """The text with high and low signal (long and short, hyper- and hypo-) exchanged; locations stay as they are."""
    clauses = parse_findings_text(text)
    if _is_canonical(text, clauses):
        swapped = findings_text(Clause(clause.location, _swap_words(clause.signal)) for clause in clauses)
        return _changed(text, [swapped])
    return _changed(text, [_swap_words(text)])


def named_places(texts: Iterable[str]) -> dict[str, NamedPlace]:
    """Phrases, in small letters, that English texts name places by."""
    found: dict[str, NamedPlace] = {}
    for text in dict.fromkeys(texts):
        for place in (place for lesion in extract(text).lesions for place in lesion.places):
            phrases = [text[start:end].lower() for start, end in place.spans]
            if phrases := [one for one in phrases if not _SIDE.search(one)]:
                found[max(phrases, key=len)] = NamedPlace(place.region, place.side != "midline")
    return found


def swap_place(text: str, places: Mapping[str, NamedPlace]) -> str:
    """The text with each place exchanged for one of `named_places` that it lacks, by its hash; "" where none is.

    The side is kept, so a place on the midline stays on it.
    """
    own = named_places([text])
    if not own:
        return ""
    taken, exchanged = {one.region for one in own.values()}, {}
    for phrase, place in own.items():
        free = [p for p, one in sorted(places.items()) if one.region not in taken and one.has_side == place.has_side]
        if not free:
            return ""
        exchanged[phrase] = free[zlib.crc32(f"{text}/{phrase}".encode()) % len(free)]
        taken.add(places[exchanged[phrase]].region)
    longest_first = "|".join(map(re.escape, sorted(own, key=len, reverse=True)))
    moved = re.sub(
        rf"\b(?:{longest_first})\b", lambda match: _capital_as(match[0], exchanged[match[0].lower()]), text, flags=re.I
    )
    canonical = _is_canonical(text, parse_findings_text(text))
    return findings_text(parse_findings_text(moved)) if canonical else moved


def _capital_as(model: str, phrase: str) -> str:
    return phrase.capitalize() if model[0].isupper() else phrase


def remove_finding(text: str) -> list[str]:
    """The texts with one clause left out, one for each clause; none when there is only one clause.

    A text that is not in clause form is taken as sentences.
    """
    clauses = parse_findings_text(text)
    if len(clauses) < 2:
        return []
    kept = [[other for other in clauses if other != clause] for clause in clauses]
    if _is_canonical(text, clauses):
        return _changed(text, [findings_text(rest) for rest in kept])
    return _changed(text, [". ".join(_sentence(clause) for clause in rest) + "." for rest in kept])


EDITS: Mapping[str, Callable[[str], list[str]]] = MappingProxyType(
    {"side_swapped": swap_side, "signal_swapped": swap_polarity, "finding_removed": remove_finding}
)
WINS = "wins"


class Wins(NamedTuple):
    """Items (rows of the pool) that an edit can change, with the weight of each.

    `won` and `prior` are shares of its edits that the true text beats: by cosine, and by how often train has it.
    """

    rows: IntArray
    weight: FloatArray
    won: FloatArray
    prior: FloatArray


def _is_canonical(text: str, clauses: tuple[Clause, ...]) -> bool:
    return findings_text(clauses) == text


def win_rates(
    edit: Callable[[str], list[str]],
    texts: Sequence[str],
    volumes: npt.NDArray,
    bank: TextBank,
    frequency: Counter[str],
) -> Wins:
    """Share of its edits that the true text of each item beats; a tie is no win, and half a one for the prior.

    Args:
        edit: One of EDITS.
        texts: (N,) true text of each item.
        volumes: (N, E) embeddings of the items.
        bank: Embeddings of the texts and their edits.
        frequency: Text to its number of training volumes, empty when unknown.
    """
    pairs = [(item, text, other) for item, text in enumerate(texts) for other in edit(text)]
    item = np.array([pair[0] for pair in pairs], dtype=np.intp)
    true, edited = [pair[1] for pair in pairs], [pair[2] for pair in pairs]
    won = exact_steps(volumes[item], bank.of(true)) > exact_steps(volumes[item], bank.of(edited))
    favoured = np.sign([frequency[a] - frequency[b] for a, b in zip(true, edited, strict=True)])
    rows, place, n_edits = np.unique(item, return_inverse=True, return_counts=True)
    weight = balanced(1 / n_edits[place], favoured)
    mass: FloatArray = np.bincount(place, weight).astype(np.float64)
    share_won, prior = (np.bincount(place, weight * values) / mass for values in (won, (1 + favoured) / 2))
    return Wins(rows.astype(np.int64), mass, share_won, prior)


def balanced(weights: FloatArray, favoured: npt.NDArray) -> FloatArray:
    """Weights (n,) with which the favoured (1) and the disfavoured (-1) have the same mass; ties (0) keep theirs."""
    masses = {side: weights[favoured == side].sum() for side in (-1, 1)}
    if not all(masses.values()):
        return weights
    factors = {side: sum(masses.values()) / 2 / mass for side, mass in masses.items()} | {0: 1.0}
    return weights * np.array([factors[side] for side in favoured])


def _sentence(clause: Clause) -> str:
    return clause.text if clause.location else clause.signal


def _changed(text: str, edited: list[str]) -> list[str]:
    return [other for other in edited if other != text]


def _swap_words(text: str) -> str:
    def swap(match: re.Match[str]) -> str:
        other = _SWAPPED[match[0].lower()]
        return other.capitalize() if match[0][0].isupper() else other

    return _POLARITY.sub(swap, text)
