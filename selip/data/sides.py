"""Left and right in a text of any language: exchanged, or said to be uncertain.

A language brings its pairs of side words (sides.yaml). A text may be flipped with its volume only if its sides
can be exchanged with certainty: no word in it is perhaps a side and perhaps none ("right away", "RT" for radiotherapy),
none is a side word without a known partner, and where it has no side word, it is in a language whose side words are
known. In doubt a text is not flipped, and neither is its volume.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any, NamedTuple

import yaml

from selip.data.languages import OTHER, is_of_known_language, language_of

_LETTER = "[a-zà-ɏ]"
_START, _END = f"(?:(?<!{_LETTER})|(?=[左右]))", f"(?!{_LETTER})"
_SHARED = frozenset({"foreign", "anatomy"})
_UNCERTAIN = frozenset({"uncertain", "fragments", "alone"})
_REACH_OF_GENDER = 5  # words before "gauche"
_SHORT = {"左": "右", "右": "左", "l": "r", "r": "l", "lt": "rt", "rt": "lt"}
_ARTERIES_AND_LIMBS = "(?:mca|aca|pca|ica|cca|eca|pica|aica|sca|ue|le|ul|ll)"


class Sides(NamedTuple):
    """A text after its sides were read.

    Attributes:
        text: The text with left and right exchanged, as far as they are certain.
        certain: Whether that is the text of the mirrored volume.
    """

    text: str
    certain: bool


@lru_cache(2**17)
def read_sides(text: str) -> Sides:
    """Exchanges the sides of a text, letter case kept."""
    return _Reader(text).read()


def can_flip(text: str) -> bool:
    """True when the sides of a text can be exchanged with certainty, or it has none in a known language."""
    return read_sides(text).certain


class _Pair(NamedTuple):
    """Two stems that are exchanged before the same endings, in texts of `language` only ("" for all)."""

    left: str
    right: str
    ending: re.Pattern[str]
    language: str

    def partner(self, word: str) -> str:
        """The word of the other side, "" when the word is of another pair."""
        for stem, other in ((self.left, self.right), (self.right, self.left)):
            if word.startswith(stem) and self.ending.fullmatch(word[len(stem) :]):
                return other + word[len(stem) :]
        return ""


@dataclass(frozen=True)
class _Wording:
    """Content of sides.yaml.

    Attributes:
        pattern: All that may be a side; its groups are those of `_alternatives`.
        pairs: The pairs of all languages.
        both: Side word of both genders.
        masculine: Its partner behind a masculine word.
        feminine: Its partner behind a feminine word.
        genders: Words that are masculine, and that are feminine.
    """

    pattern: re.Pattern[str]
    pairs: tuple[_Pair, ...]
    both: str
    masculine: str
    feminine: str
    genders: tuple[re.Pattern[str], re.Pattern[str]]


class _Reader:
    """Exchanges the sides of one text, and remembers whether all of them were certain."""

    def __init__(self, text: str) -> None:
        self.text, self.known = text, _wording()
        self.found, self.certain = False, True

    def read(self) -> Sides:
        """The text with its sides exchanged."""
        text = self.known.pattern.sub(self._exchanged, self.text)
        legible = language_of(self.text) != OTHER if self.found else is_of_known_language(self.text)
        return Sides(text, self.certain and legible)

    def _exchanged(self, match: re.Match[str]) -> str:
        kind = str(match.lastgroup)
        if kind == "other":
            return match[0]
        partner = "" if kind in _UNCERTAIN else self._partner(kind, match)
        self.certain = self.certain and bool(partner)
        self.found = self.found or bool(partner)
        return _cased(partner, match[0]) if partner else match[0]

    def _partner(self, kind: str, match: re.Match[str]) -> str:
        word = match[0].lower()
        if kind == "short":
            return _SHORT[word]
        if kind == "gendered":
            return self._of_gender(word, match.start())
        if word == "links" and language_of(self.text) == "en":  # the English verb
            return ""
        found = ((pair.partner(word), pair.language) for pair in self.known.pairs)
        other, language = next((one for one in found if one[0]), ("", ""))
        return other if language in ("", language_of(self.text)) else ""

    def _of_gender(self, word: str, start: int) -> str:
        plural = "s" * word.endswith("s")
        if word != self.known.both + plural:
            return self.known.both + plural
        clause = re.split(r"[.;:,()\n]", self.text[:start].lower())[-1]
        for before in reversed(re.findall(f"{_LETTER}+", clause)[-_REACH_OF_GENDER:]):
            for gender, words in zip((self.known.masculine, self.known.feminine), self.known.genders, strict=True):
                if words.fullmatch(before):
                    return gender + plural
        return ""


def _cased(word: str, like: str) -> str:
    """`word` in the letter case of `like`."""
    if like.isupper():
        return word.upper()
    return word[:1].upper() + word[1:] if like[:1].isupper() else word


@cache
def _wording() -> _Wording:
    data = yaml.safe_load((files("selip.data") / "sides.yaml").read_text(encoding="utf-8"))
    languages = {name: section for name, section in data.items() if name not in _SHARED}
    french = languages["fr"]
    return _Wording(
        pattern=re.compile(f"{_START}(?:{'|'.join(_alternatives(languages, data))})", re.IGNORECASE),
        pairs=tuple(pair for name, section in languages.items() for pair in _pairs(name, section)),
        **french["gendered"],
        genders=(_any_of(french["masculine"]), _any_of(french["feminine"])),
    )


def _pairs(name: str, section: Mapping[str, Any]) -> Iterator[_Pair]:
    for key, language in (("pairs", ""), ("with_evidence", name)):
        for left, right, ending in section.get(key, ()):
            yield _Pair(left, right, re.compile(ending), language)


def _any_of(patterns: Sequence[str]) -> re.Pattern[str]:
    return re.compile("|".join(patterns))


def _alternatives(languages: Mapping[str, Mapping[str, Any]], data: Mapping[str, Any]) -> Iterator[str]:
    """Patterns in the order in which they are tried: what is no side, what is perhaps one, then what is one."""

    def listed(key: str) -> list[Any]:
        return [entry for section in languages.values() for entry in section.get(key, ())]

    yield _group("other", listed("other"))
    yield _group("uncertain", [*listed("uncertain"), *(f"{word}{_END}" for word in data["foreign"])])
    yield _group("short", ["[左右]", *_letters("|".join(data["anatomy"]))])
    gendered = languages["fr"]["gendered"].values()
    yield _group("gendered", (f"{word}s?{_END}" for word in gendered))
    rows = [*listed("pairs"), *listed("with_evidence")]
    yield _group("word", (f"(?:{left}|{right})(?:{ending}){_END}" for left, right, ending in rows))
    yield _group("fragments", listed("fragments"))
    yield _group("alone", ["(?:lt|rt|l|r)(?![a-zà-ɏ0-9'’])"])


def _group(name: str, patterns: Iterable[str]) -> str:
    return f"(?P<{name}>{'|'.join(patterns)})"


def _letters(anatomy: str) -> Iterator[str]:
    """L, R, Lt and Rt where they are sides: before anatomy, in brackets, compared with each other, or as "Lt."."""
    one, sign = "(?:lt|rt|l|r)", "[<>≥≤=/&+]"
    yield rf"{one}(?=\.?[\s-]*(?:{anatomy}))"
    yield rf"(?<=\(){one}(?=\))"
    yield rf"{one}(?=\s*(?:{sign}|and |or )\s*{one}{_END})"
    yield rf"(?:(?<=[lr]{sign})|(?<=[lr] {sign} )|(?<=[lr] and )|(?<=[lr] or )|(?<=on the )|(?<=to the )){one}{_END}"
    yield rf"(?-i:Lt|Rt){_END}"
    yield rf"[lr](?={_ARTERIES_AND_LIMBS}{_END})"
