"""The wording of a language, and the marks that it leaves on a text: each a phrase that the grammar knows."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from itertools import pairwise
from typing import Any, NamedTuple

import yaml

from selip.system.errors import InputError

LANGUAGES = ("en", "zh")
_SIDE = "<side>"
_SPECIAL = frozenset({"regions", "unpaired", "vague", "words", "spaced", "prefixes"})
_PUNCTUATION = r"[,(/):;!?，、（）：；。！？]|\.(?=\s|$|[\"')\]])|\n(?=\s*(?:\n|[-*•\d]|[A-Z]))"
_ENDS = frozenset(".;!?\n。；！？")
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
    """

    words: list[str]
    marks: list[Mark]

    def between(self, index: int) -> list[str]:
        """Words between a mark and the one before it (or the start)."""
        return self.words[self.marks[index - 1].last if index else 0 : self.marks[index].first]


_Entry = tuple[list[str], str, str]
_SHORTEST_AROUND_SIDE = 4  # words: "base of left skull"


@dataclass(frozen=True)
class Lexicon:
    """The wording of one language.

    Attributes:
        entries: First word to the phrases that begin with it, longest first: words, kind, value.
        sides: Side words of one word to their side.
        area: Region of a finding to the region of the facts.
        unpaired: Regions that lie on the midline.
        vague: Regions that give way to any other.
        words: Function words by what they do.
        token: Finds the words of a text.
        spaced: Whether words are written apart.
    """

    entries: Mapping[str, tuple[_Entry, ...]]
    sides: Mapping[str, str]
    area: Mapping[str, str]
    unpaired: frozenset[str]
    vague: frozenset[str]
    words: Mapping[str, frozenset[str]]
    token: re.Pattern[str]
    spaced: bool


@cache
def lexicon(language: str) -> Lexicon:
    """The packaged wording of a language, read once.

    Raises:
        InputError: When there is none.
    """
    if language not in LANGUAGES:
        raise InputError(f"got language {language!r}; allowed: {', '.join(LANGUAGES)}; name one of them")
    data = yaml.safe_load(
        (files("selip.reports.extraction") / "wording" / f"{language}.yaml").read_text(encoding="utf-8")
    )
    spaced = data["spaced"]
    phrases = {phrase: entry for phrase, *entry in _phrases(data)}
    token = re.compile(_spaced(data["prefixes"]) if spaced else _unspaced(phrases))
    entries: dict[str, list[_Entry]] = {}
    for phrase, (kind, value) in phrases.items():
        split = [_plain(match[0]) for match in token.finditer(phrase)]
        entries.setdefault(split[0], []).append((split, kind, value))
    return Lexicon(
        entries={word: tuple(sorted(some, key=lambda entry: -len(entry[0]))) for word, some in entries.items()},
        sides={word: side for side, some in data["side"].items() for word in some if len(token.findall(word)) == 1},
        area={region: area for area, regions in data["regions"].items() for region in regions},
        unpaired=frozenset(data["unpaired"]),
        vague=frozenset(data["vague"]),
        words={name: frozenset(map(_plain, some)) for name, some in data["words"].items()},
        token=token,
        spaced=spaced,
    )


def _phrases(data: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Phrase, kind and value of every entry; one with "<side>" for every side word and for none."""
    sides = ["", *(f"{word} " for some in data["side"].values() for word in some)]
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
    return rf"(?i:(?=[{first}])(?:{'|'.join(prefixes)}))(?=[a-z]{{5}})|[A-Za-z0-9]+(?:['’][a-z]+)?|{_PUNCTUATION}"


def _unspaced(phrases: Mapping[str, object]) -> str:
    longest = "|".join(re.escape(phrase) for phrase in sorted(phrases, key=len, reverse=True))
    return rf"(?i:{longest})|[A-Za-z0-9]+|{_PUNCTUATION}|[^\s\W]"


@lru_cache(2**14)
def _plain(word: str) -> str:
    """A word as the lexicon compares it: small letters, no genitive, no plural s."""
    word = word.lower()
    if word[-2:] in ("'s", "’s"):
        return word[:-2]
    return word[:-1] if len(word) > 3 and word[-1] == "s" and word[-2] != "s" else word


def sentences(text: str, known: Lexicon) -> Iterator[Sentence]:
    """The sentences of a text that have a mark."""
    found = list(known.token.finditer(text))
    words = [_plain(match[0]) for match in found]
    ends = [at for at, word in enumerate(words) if word in _ENDS]
    for before, end in pairwise((-1, *ends, len(words))):
        for first in range(before + 1, end, _LONGEST):
            piece = slice(first, min(first + _LONGEST, end))
            marks = _marks(words[piece], found[piece], known)
            if marks:
                yield Sentence(words[piece], marks)


def _marks(words: list[str], found: list[re.Match[str]], known: Lexicon) -> list[Mark]:
    marks, entries, last = [], known.entries, 0
    for first, word in enumerate(words):
        if first < last or word not in entries:
            continue
        for phrase, kind, value in entries[word]:
            behind = first + len(phrase)
            if words[first:behind] == phrase:
                if (
                    kind == "region" and behind - first >= _SHORTEST_AROUND_SIDE
                ):  # "base of the left skull": left, then skull
                    inside = [at for at in range(first + 1, behind) if words[at] in known.sides]
                    marks += [Mark("side", known.sides[words[at]], first, first, *found[at].span()) for at in inside]
                marks.append(Mark(kind, value, first, behind, found[first].start(), found[behind - 1].end()))
                last = behind
                break
    return marks
