"""The wording of a language, and the marks that it leaves on a text: each a phrase that the grammar knows."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any, NamedTuple

import yaml

from selip.reports.extraction.layout import PUNCTUATION, Layout, TextPiece, pieces, unmarked
from selip.system.errors import InputError

LANGUAGES, _SIDE = ("en", "zh"), "<side>"
_SPECIAL = frozenset({
    "regions", "unpaired", "vague", "words", "spaced", "prefixes", "headings", "abbreviations", "asks", "goes_on",
    "plain", "parts",
})  # fmt: skip
_LONGEST = 200  # words of a sentence; a longer one is cut, so that the time for any text grows with its length only


class Mark(NamedTuple):
    """A phrase of the lexicon where it stands in a text.

    Attributes:
        kind: Section of the wording file, or "region".
        value: What it stands for, as "high" of kind "signal"; a finding's region of kind "region".
        first: Number of its first word in the sentence.
        last: Number of the word behind its last.
        start: First character.
        end: The character behind its last.
    """

    kind: str
    value: str
    first: int
    last: int
    start: int
    end: int


class Sentence(NamedTuple):
    """A sentence, or a part of one up to a semicolon.

    Attributes:
        words: Its words in the form that the lexicon compares, and its commas and brackets.
        marks: Its marks in their order, without overlap.
        found: Where its words stand in the text.
        kinds: Those of its marks.
    """

    words: list[str]
    marks: list[Mark]
    found: list[re.Match[str]]
    kinds: frozenset[str]

    def between(self, index: int) -> list[str]:
        """Words between a mark and the one before it (or the start)."""
        return self.words[self.marks[index - 1].last if index else 0 : self.marks[index].first]


_Entry = tuple[list[str], str, str]
_PLURALS = {
    "gyri": "gyrus", "nuclei": "nucleus", "sulci": "sulcus", "foci": "focus", "thalami": "thalamus",
    "hippocampi": "hippocampus", "metastases": "metastasis", "stenoses": "stenosis", "diagnoses": "diagnosis",
    "haematomata": "haematoma", "hematomata": "hematoma", "cavernomata": "cavernoma", "globi": "globus",
    "pallidi": "pallidus", "？": "?",
}  # fmt: skip
_SHORTEST_AROUND_SIDE = 4  # words: "base of left skull"


@dataclass(frozen=True)
class Lexicon:
    """The wording of one language.

    Attributes:
        entries: First word to the phrases that begin with it, longest first: words, kind, value.
        seconds: First word to the second one ("" for none) to those phrases.
        sides: Side words of one word to their side.
        area: Region of a finding to the region of the facts.
        unpaired: Regions that lie on the midline.
        vague: Regions that give way to any other.
        parts: Regions that stand for several.
        words: Function words by what they do.
        token: Finds the words of a text.
        spaced: Whether words are written apart.
        layout: Headings, abbreviations and what may stand at the end of a line.
        vocabulary: Every word that is understood.
    """

    entries: Mapping[str, tuple[_Entry, ...]]
    seconds: Mapping[str, Mapping[str, tuple[_Entry, ...]]]
    sides: Mapping[str, str]
    area: Mapping[str, str]
    unpaired: frozenset[str]
    vague: frozenset[str]
    parts: Mapping[str, Sequence[str]]
    words: Mapping[str, frozenset[str]]
    token: re.Pattern[str]
    spaced: bool
    layout: Layout
    vocabulary: frozenset[str]


@cache
def lexicon(language: str) -> Lexicon:
    """The packaged wording of a language, read once; raises InputError when there is none."""
    if language not in LANGUAGES:
        raise InputError(f"got language {language!r}; allowed: {', '.join(LANGUAGES)}; name one of them")
    data = yaml.safe_load(
        (files("selip.reports.extraction") / "wording" / f"{language}.yaml").read_text(encoding="utf-8")
    )
    spaced = data["spaced"]
    phrases = {phrase: entry for phrase, *entry in _phrases(data)}
    token = re.compile(_spaced(data["prefixes"]) if spaced else _unspaced([*phrases, *_headings(data), *data["plain"]]))
    entries: dict[str, list[_Entry]] = {}
    for phrase, (kind, value) in phrases.items():
        entries.setdefault((split := _split(phrase, token))[0], []).append((split, kind, value))
    said = {word for some in entries.values() for words, _, _ in some for word in words}
    plain = (
        word for some in (*data["words"].values(), data["plain"]) for phrase in some for word in _split(phrase, token)
    )
    ordered = {word: tuple(sorted(some, key=lambda entry: -len(entry[0]))) for word, some in entries.items()}
    return Lexicon(
        entries=ordered,
        seconds={word: _by_second(some) for word, some in ordered.items()},
        sides={word: side for side, some in data["side"].items() for word in some if len(token.findall(word)) == 1},
        area={region: area for area, regions in data["regions"].items() for region in regions},
        unpaired=frozenset(data["unpaired"]),
        vague=frozenset(data["vague"]),
        parts=data["parts"],
        words={name: frozenset(map(_plain, some)) for name, some in data["words"].items()},
        token=token,
        spaced=spaced,
        layout=_layout(data, entries, token),
        vocabulary=frozenset(said).union(plain, *(_split(phrase, token) for phrase in _headings(data))),
    )


def _by_second(entries: Sequence[_Entry]) -> dict[str, tuple[_Entry, ...]]:
    seconds = dict.fromkeys((words[1] if len(words) > 1 else "") for words, _, _ in entries)
    return {second: tuple(entry for entry in entries if "".join(entry[0][1:2]) == second) for second in seconds}


def _headings(data: Mapping[str, Any]) -> Iterator[str]:
    for some in data["headings"].values():
        yield from some


def _split(phrase: str, token: re.Pattern[str]) -> list[str]:
    return [_plain(match[0]) for match in token.finditer(phrase)]


def _layout(data: Mapping[str, Any], entries: Mapping[str, list[_Entry]], token: re.Pattern[str]) -> Layout:
    single = {words[0]: kind for some in entries.values() for words, kind, _ in some if len(words) == 1}
    starts = {word: some[0][1] for word, some in entries.items()}
    return Layout(
        headings={tuple(_split(phrase, token)): kind for kind, some in data["headings"].items() for phrase in some},
        abbreviations=frozenset(map(_plain, data["abbreviations"])),
        sides=frozenset(map(_plain, data["abbreviations"])) & {word for word, kind in single.items() if kind == "side"},
        asks=frozenset(map(_plain, data["asks"])),
        goes_on=frozenset(map(_plain, data["goes_on"])),
        kinds=starts | single,
    )


def _phrases(data: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Phrase, kind and value of every entry; one with "<side>" for every word of one side and for none."""
    said = [word for some in data["side"].values() for word in some]
    sides = ["", *(f"{word} " for word in said if len({*said} & {*word.split()}) < 2)]
    for kind, section in data.items():
        if kind in _SPECIAL:
            continue
        for value, some in (section if isinstance(section, dict) else {"": section}).items():
            yield from ((phrase, kind, str(value)) for phrase in some)
    for regions in data["regions"].values():
        for region, some in regions.items():
            for phrase in some:
                yield from ((phrase.replace(f"{_SIDE} ", side), "region", region) for side in sides)


def _spaced(prefixes: Sequence[str]) -> str:
    first = "".join(sorted({prefix[0] for prefix in prefixes}))  # most words are done with by their first letter
    prefix = rf"(?i:(?=[{first}])(?:{'|'.join(prefixes)}))(?=[A-Za-z]{{5}})"
    star = r"(?:(?<=[^*][Tt]2)|(?<=^[Tt]2))\s?\*(?!\*)"  # T2*, not *T2*
    return rf"{prefix}|\d+[.,]\d+|[A-Za-z0-9]+(?:['’][A-Za-z]+|{star})?|{PUNCTUATION}"


def _unspaced(phrases: Sequence[str]) -> str:
    longest = "|".join(re.escape(phrase) for phrase in sorted(phrases, key=len, reverse=True))
    return rf"(?i:{longest})|[A-Za-z0-9]+|{PUNCTUATION}|[^\s\W]"


@lru_cache(2**14)
def _plain(word: str) -> str:
    """A word as the lexicon compares it: small letters, no genitive, no plural."""
    word = word.lower()
    word = _PLURALS.get(word, word)
    if word[-2:] in ("'s", "’s"):
        return word[:-2]
    if word[-3:] == "ies" and len(word) > 5:
        return word[:-3] + "y"
    if word[-4:] == "sses":
        return word[:-2]
    return word[:-1] if len(word) > 3 and word[-1] == "s" and word[-2] != "s" else word


def sentences(text: str, known: Lexicon) -> Iterator[Sentence]:
    """The sentences of a text that speak of findings."""
    text = unmarked(text)
    found = list(known.token.finditer(text))
    words = [_plain(match[0]) for match in found]
    for piece in pieces(text, found, words, known.layout):
        for some, where in [piece] if len(piece.words) <= _LONGEST else _cut(piece):
            marks = _marks(some, where, known)
            yield Sentence(some, marks, where, frozenset([mark.kind for mark in marks]))


def _cut(piece: TextPiece) -> Iterator[TextPiece]:
    for first in range(0, len(piece.words), _LONGEST):
        yield TextPiece(piece.words[first : first + _LONGEST], piece.found[first : first + _LONGEST])


def _marks(words: list[str], found: list[re.Match[str]], known: Lexicon) -> list[Mark]:
    marks: list[Mark] = []
    seconds, last = known.seconds, 0
    for first, (word, ahead) in enumerate(zip(words, [*words[1:], ""], strict=True)):
        some = seconds.get(word)
        if some is None or first < last:
            continue
        for entry in some.get(ahead, ()):  # the longest first
            if words[first : first + len(entry[0])] == entry[0]:
                break
        else:
            if "" not in some:
                continue
            entry = some[""][0]
        (_, kind, value), last = entry, first + len(entry[0])
        if kind == "region" and last - first >= _SHORTEST_AROUND_SIDE:  # "base of the left skull": left, then skull
            inside = [at for at in range(first + 1, last) if words[at] in known.sides]
            marks += [Mark("side", known.sides[words[at]], first, first, *found[at].span()) for at in inside]
        marks.append(Mark(kind, value, first, last, found[first].start(), found[last - 1].end()))
    return marks
