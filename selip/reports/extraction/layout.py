"""The layout of a text: markup, line breaks, full stops and headings; letter case is no part of it.

A line break is a space, unless an empty line, a list mark or a heading follows, or the text has lines in place of
full stops. What stands below a heading as "Indication" or "Technique" is no finding.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

PUNCTUATION = (
    r"(?=[^ \w])(?:\([-–−]\)|,(?!\d)|(?<!\d),|[(/):;!?\n，、（）：；。！？]|\.(?![A-Za-z0-9])"
    r"|(?<=[A-Za-z0-9)\]]{2})\.(?=[A-Za-z])|(?<=\d)\.(?=[A-Za-z])|(?<!\S)[-–—•·*](?=\s))"
)
SILENT, BODY, SAID = "silent", "body", "said"
_STOPS = frozenset(".;!?\n。；！？-–—•·*")
_ENDS = _STOPS | {"", ",", "，"}
_BULLETS = frozenset("-–—•·*")
_COLONS = frozenset(":：")
_BEHIND_HEADING = _BULLETS | _COLONS | {"\n"}
_LONGEST_HEADING = 4  # words
_NARROWEST = 20  # letters of a line that was wrapped
_REACH_OF_LABEL = 4  # words

_BLOCKS = frozenset({
    "p", "div", "li", "ul", "ol", "table", "tr", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "section", "article",
    "blockquote", "dl", "dt", "dd", "pre", "body", "html", "head", "title", "paragraph", "list", "item", "caption",
})  # fmt: skip
_INLINE = ("br", "span", "b", "i", "u", "em", "strong", "td", "th", "tbody", "thead", "font", "sup", "sub", "center")
_ODD = re.compile(r"[<&\\\r\x0b\x0c\x85\u2028\u2029]|_x000D_")
_MARKUP = re.compile(
    rf"(?:<|&lt;)/?(?P<tag>{'|'.join(sorted((*_BLOCKS, *_INLINE), key=len, reverse=True))})(?![a-z0-9])[^<>&]{{0,200}}?"
    r"(?:>|&gt;)(?:[ \t]*\r?\n)?|&amp;|&(?:nbsp|lt|gt|quot|apos|#\d+|#x[0-9a-f]+);"
    r"|(?P<line>\\\.br\\|\\[nr]|_x000D_\r?\n?|\r\n?|[\x0b\x0c\x85\u2028\u2029])|\\t",
    re.IGNORECASE,
)
_BOXES = re.compile(r"(?:\[ ?\]|[☐□])(?:(?!\[[ xX]?\])[^☐□☑☒✓✔\n])*|\[[xX]\]|[☑☒✓✔]")
"""A box that is not ticked, with what stands behind it up to the next box or line; the mark of one that is."""
_MARKER = re.compile(r"\s*(?:[-–—•·*+>#]\s|\(?\d{1,2}[.)](?:\s|[A-Za-z]))")


class TextPiece(NamedTuple):
    """A sentence, or a part of one up to a semicolon: its words as they are compared, and where they stand."""

    words: list[str]
    found: list[re.Match[str]]


@dataclass(frozen=True)
class Layout:
    """Signs by which a language lays out its texts.

    Attributes:
        headings: Words of a heading to "silent", "body", "end", or "said": that is a part of its sentence.
        abbreviations: Words behind which a full stop ends nothing.
        sides: Words as "rt", behind which a full stop ends nothing before a place or a lesion.
        asks: Words that ask for another one: no line ends a sentence with them.
        goes_on: Words that begin no sentence.
        kinds: Single words to the kind of their mark.
    """

    headings: Mapping[tuple[str, ...], str]
    abbreviations: frozenset[str]
    sides: frozenset[str]
    asks: frozenset[str]
    goes_on: frozenset[str]
    kinds: Mapping[str, str]

    @cached_property
    def last_words(self) -> frozenset[str]:
        """The last words of all headings."""
        return frozenset(words[-1] for words in self.headings)


def unmarked(text: str) -> str:
    """`text`, as long as it is, with spaces and line breaks in place of its markup.

    Of a form with boxes it keeps what is ticked: what is not says nothing, as a heading does.
    """
    plain = _MARKUP.sub(_blank, text) if _ODD.search(text) else text
    return _BOXES.sub(lambda found: ";".ljust(len(found[0])), plain)


def _blank(match: re.Match[str]) -> str:
    said, tag = match[0].lower(), (match["tag"] or "").lower()
    if said == "&amp;":
        return " and "
    line = "\n\n" if tag in _BLOCKS else "\n" if tag == "br" or match["line"] or "\n" in said else ""
    return (line + " " * len(said))[: len(said)]


def pieces(text: str, found: list[re.Match[str]], words: list[str], layout: Layout) -> Iterator[TextPiece]:
    """The sentences of a text that speak of findings.

    `found` are its words and punctuation, `words` the same as the lexicon compares them.
    """
    page = _Page(text, found, words, layout)
    headings = list(page.headings()) if page.may_have_headings else []
    cuts = {at: at + 1 for at in page.ends}
    cuts |= {start: behind for start, behind, _ in headings}
    silent = {at for start, behind in page.silent(headings) for at in range(start, behind)}
    first = 0
    for cut in (*(sorted(cuts) if headings else page.ends), len(words)):
        behind = cut + 1 if words[cut : cut + 1] == ["?"] else cut  # a question mark is a word of its sentence
        if first < behind and first not in silent:
            piece = page.piece(first, behind)
            if piece.words:
                yield piece
        first = cuts.get(cut, 0)


class _Page:
    """A text whose sentence ends are looked for."""

    def __init__(self, text: str, found: list[re.Match[str]], words: list[str], layout: Layout) -> None:
        self.text, self.found, self.words, self.layout = text, found, words, layout
        self.ends: list[int] = []
        self.dropped: set[int] = set()
        for at, word in enumerate(words):
            if word in _STOPS:
                if self._ends(at, word):
                    self.ends.append(at)
                elif word != "?":
                    self.dropped.add(at)

    @property
    def may_have_headings(self) -> bool:
        """True when there is a colon, a dash or a line break."""
        return not _BEHIND_HEADING.isdisjoint(self.words)

    def piece(self, first: int, behind: int) -> TextPiece:
        """The words of a range, without stops that end nothing."""
        if not self.dropped:
            return TextPiece(self.words[first:behind], self.found[first:behind])
        kept = [at for at in range(first, behind) if at not in self.dropped]
        return TextPiece([self.words[at] for at in kept], [self.found[at] for at in kept])

    def _ends(self, at: int, word: str) -> bool:
        """True when a full stop, a line break or a dash ends a sentence."""
        if word == ".":
            return not (at and self.words[at - 1] in self.layout.abbreviations and self._abbreviates(at))
        if word == "\n":
            return self._breaks(at)
        if word == "?":
            return not self._queries(at)
        return word not in _BULLETS or self._parts(at)

    def _queries(self, at: int) -> bool:
        """True when a question mark stands before what it doubts: "?infarct"."""
        start = self.found[at].start()
        opens = not at or self.words[at - 1] in _STOPS or self.words[at - 1] in _COLONS
        ahead = self.text[start + 1 : start + 3].lstrip() if opens else self.text[start + 1 : start + 2]
        return not self.text[max(0, start - 1) : start].strip() and ahead[:1].isalpha()

    def _neighbours(self, at: int) -> tuple[str, str]:
        """The words around a stop; a line break behind it does not count, nor does a full stop that ends nothing."""
        before, behind = at - 1, at + 1
        while before in self.dropped:
            before -= 1
        if self.words[behind : behind + 1] == ["\n"]:
            behind += 1
        return (self.words[before] if at else "\n"), "".join(self.words[behind : behind + 1]) or "\n"

    def _abbreviates(self, at: int) -> bool:
        before, behind = self._neighbours(at)
        if before in self.layout.sides:
            return self.layout.kinds.get(behind) in {"region", "lesion", "type", "signal"}
        return behind != "\n"

    def _parts(self, at: int) -> bool:
        """True when a dash parts statements: not "2 - 3", "iso - hypo", "T1 - weighted", "oedema - none"."""
        before, behind = self._neighbours(at)
        one, other = (self.layout.kinds.get(word, word) for word in (before, behind))
        joined = one == other and one in {"region", "signal", "contrast"}
        label = one in {"contrast", "edema", "enhancement", "shift", "midline"}
        answer = other.startswith("negation") and "".join(self.words[at + 2 : at + 3]) in _ENDS  # "infarct - no"
        return not (joined or label or answer or (before.isdigit() and behind.isdigit()))

    def _breaks(self, at: int) -> bool:
        """True when a line break ends a sentence."""
        before, behind = self._neighbours(at)
        start = self.found[at].end()
        rest = self.text[start : start + 200].split("\n", 1)
        if not rest[0].strip() or _MARKER.match(rest[0] + " "):
            return True
        if before in _STOPS:
            return not self._wrapped
        if before in self.layout.asks | self.layout.abbreviations or self.text[:start].rstrip()[-1:] in "-,":
            return False
        label = self.words[at + 2 : at + 2 + _REACH_OF_LABEL]
        if not _COLONS.isdisjoint(label[: label.index("\n")] if "\n" in label else label):
            return True
        return behind not in self.layout.goes_on and not self._stopped and not self._wrapped

    @cached_property
    def _stopped(self) -> bool:
        """True when a full stop ends a line or the text."""
        return bool(re.search(r"[.;!?]\s*(?:\n|$)", self.text))

    @cached_property
    def _wrapped(self) -> bool:
        """True when no line had room for the first word of the next one."""
        lines = [line.strip() for line in self.text.split("\n")]
        width = max(map(len, lines))
        return width >= _NARROWEST and all(
            len(one) + 1 + len(other.split(None, 1)[0]) > width for one, other in pairwise(lines) if one and other
        )

    def headings(self) -> Iterator[tuple[int, int, str]]:
        """First word of each heading, the word behind its colon, dash or line, and its kind."""
        for at, word in enumerate(self.words):
            if at and word in _BEHIND_HEADING:
                start = self._heading_before(at, word)
                kind = SAID if start is None else self.layout.headings[tuple(self.words[start:at])]
                if start is not None and kind != SAID:
                    yield start, at + 1, kind

    def _heading_before(self, at: int, word: str) -> int | None:
        words, known = self.words, self.layout.headings
        if words[at - 1] not in self.layout.last_words:
            return None
        starts = (start for start in range(max(0, at - _LONGEST_HEADING), at) if tuple(words[start:at]) in known)
        start = next(starts, None)
        if start is not None and word not in _COLONS and start and words[start - 1] not in _STOPS:
            return None
        return start

    def silent(self, headings: Sequence[tuple[int, int, str]]) -> Iterator[tuple[int, int]]:
        """Ranges of words below headings that give no finding.

        Up to the next heading, if findings have one of their own; else up to a line that was broken on purpose, or
        the end of the sentence.
        """
        for number, (_, behind, kind) in enumerate(headings):
            if kind != SILENT:
                continue
            later = headings[number + 1 :]
            limit = later[0][0] if later else len(self.words)
            if not any(kind == BODY for _, _, kind in later):
                ends = [at for at in self.ends if behind < at < limit]
                lines = [at for at in ends if self.words[at] == "\n"]
                limit = min([limit, *(lines or ends)[:1]])
            yield behind, limit
