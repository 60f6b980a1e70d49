"""Signals of a sentence: polarity on each contrast, and enhancement."""

from __future__ import annotations

from collections.abc import Container, Iterator
from functools import lru_cache
from typing import NamedTuple

from selip.reports.extraction.lexicon import Lexicon, Sentence
from selip.reports.extraction.report_facts import Span
from selip.reports.extraction.signal_phrases import Item, items_of

MIXED, UNEVEN = "mixed", "uneven"
_RELAXATION = {
    ("long", "T1"): "low", ("short", "T1"): "high", ("iso", "T1"): "iso",
    ("long", "T2"): "high", ("short", "T2"): "low", ("iso", "T2"): "iso",
}  # fmt: skip
_RING = "ring of"
_RING_END = " with low centre"


class Signal(NamedTuple):
    """A signal that is said of one contrast.

    Attributes:
        contrast: One of CONTRASTS, "" when none is named.
        polarity: low, iso, high, mixed, or "uneven", which is mixed unless another one is said.
        phrase: In the words of findings, as "low signal with high rim".
        spans: The pieces of the text that say it.
        at: Number of the first mark.
    """

    contrast: str
    polarity: str
    phrase: str
    spans: tuple[Span, ...]
    at: int


class Enhancement(NamedTuple):
    """An enhancement, or its denial.

    Attributes:
        present: False when it is denied.
        phrase: What T1c shows, in the words of findings.
        span: The piece of the text that says it.
        at: Number of the mark.
    """

    present: bool
    phrase: str
    span: Span
    at: int


def signals_of(
    sentence: Sentence, denied: frozenset[int], zone: frozenset[int], known: Lexicon
) -> tuple[list[Signal], list[Enhancement]]:
    """Signals of lesions, not of their surroundings, and enhancements, each in the order of the text."""
    items = items_of(sentence, denied, known)
    signals = [
        signal
        for number, lists in _attached(sentence, items, known).items()
        if not zone.intersection(items[number].marks)
        for signal in _signals(sentence, items[number], lists)
    ]
    if "relaxation" in sentence.kinds:
        signals += [signal for signal in _relaxations(sentence, denied) if signal.at not in zone]
    if "lesion" in sentence.kinds:
        signals += [signal for signal in _restrictions(sentence, denied) if signal.at not in zone]
    shown = [_enhancement(sentence, item, denied) for item in items if item.kind == "E"]
    return sorted(signals, key=lambda signal: signal.at), shown


def _attached(sentence: Sentence, items: list[Item], known: Lexicon) -> dict[int, list[Item]]:
    """Number of each run of signal words to the lists of contrasts that it is said of.

    A contrast goes to the words before it ("high signal on T2"), without a preposition to those behind it ("T2 high
    signal"). Words left over belong to the contrast before them ("low signal on T1 with some high signal").
    """
    found: dict[int, list[Item]] = {}
    for number, item in enumerate(items):
        if item.kind == "Q":
            for taker in _takers(sentence, items, number, known, found):
                found.setdefault(taker, []).append(item)
    last: Item | None = None
    for number, item in enumerate(items):
        if item.kind == "Q":
            last = item
        elif item.kind == "S" and number not in found:
            added = not known.words["addition"].isdisjoint(sentence.between(item.marks[0]))
            found[number] = [last] if last and (added or _close_by(sentence, items, number, known)) else []
    return found


def _takers(sentence: Sentence, items: list[Item], number: int, known: Lexicon, taken: Container[int]) -> Iterator[int]:
    """Numbers of the runs of signal words that take a list of contrasts."""
    before, after = number - 1, number + 1
    led = not known.words["preposition"].isdisjoint(_before(sentence, items[number].marks[0]))
    follows = after < len(items) and items[after].kind == "S"
    close = follows and _close_by(sentence, items, after, known)
    claimed = _own_word(sentence, items, number)
    if before >= 0 and items[before].kind != "Q" and _close_by(sentence, items, number, known):
        claimed = claimed or led or items[before].kind == "E"
        if items[before].kind == "S" and (led or not close or before not in taken):
            yield before
    if follows and not claimed and (close or led):
        yield after


def _before(sentence: Sentence, index: int) -> list[str]:
    """Words before a list of contrasts, over a "both" that opens it."""
    both = index > 0 and sentence.marks[index - 1].kind == "side" and not sentence.between(index)
    return sentence.between(index - both)


def _own_word(sentence: Sentence, items: list[Item], number: int) -> bool:
    """True when a contrast and the next one each stand right behind a signal word: "low T1 and high T2 signal"."""
    return number + 2 < len(items) and all(
        items[at].kind == "Q" and at > 0 and items[at - 1].kind == "S" and not sentence.between(items[at].marks[0])
        for at in (number, number + 2)
    )


def _close_by(sentence: Sentence, items: list[Item], number: int, known: Lexicon) -> bool:
    """True when no comma stands between an item and the one before it."""
    if not 0 < number < len(items):
        return False
    first, last = items[number - 1].marks[-1], items[number].marks[0]
    words = sentence.words[sentence.marks[first].last : sentence.marks[last].first]
    return known.words["comma"].isdisjoint(words)


def _signals(sentence: Sentence, item: Item, lists: list[Item]) -> Iterator[Signal]:
    marks = [sentence.marks[index] for index in item.marks]
    polarity, phrase = _described(tuple((mark.kind, mark.value) for mark in marks))
    span = (marks[0].start, marks[-1].end)
    named = {name: index for some in reversed(lists) for index, name in zip(some.marks, some.contrasts, strict=True)}
    for name, index in named.items():
        contrast = sentence.marks[index]
        yield Signal(name, polarity, phrase, (span, (contrast.start, contrast.end)), item.marks[0])
    if not named:
        yield Signal("", polarity, phrase, (span,), item.marks[0])


@lru_cache(2**12)
def _described(run: tuple[tuple[str, str], ...]) -> tuple[str, str]:
    """Polarity and phrase of a run of signal words, given by kind and value."""
    kinds = [kind for kind, _ in run]
    words, parts, shape_words = ([value for kind, value in run if kind == one] for one in ("signal", "part", "shape"))
    polarities = [value for value in dict.fromkeys(words) if value != UNEVEN]
    degree = next((f"{value} " for kind, value in run[: kinds.index("signal")] if kind == "degree"), "")
    shapes = " ".join(dict.fromkeys(shape_words))
    lead = f"{shapes} {degree}".strip() + (" " if shapes or degree else "")
    if not polarities:
        return UNEVEN, "heterogeneous signal"
    polarity = polarities[0] if len(polarities) == 1 else MIXED
    if MIXED in polarities or not parts or len(words) != 2:
        return polarity, f"{lead}{polarity} signal"
    return polarity, f"{lead}{words[0]} signal with {words[1]} {parts[-1]}"


def _relaxations(sentence: Sentence, denied: frozenset[int]) -> list[Signal]:
    """Signals said by relaxation: "long T1 and T2" is low on T1 and high on T2."""
    marks, found = sentence.marks, []
    for index, mark in enumerate(marks):
        if mark.kind == "relaxation" and index not in denied:
            at = index + 1
            while at < len(marks) and marks[at].kind == "relaxation":  # "long and short T1"
                at += 1
            while at < len(marks) and (mark.value, marks[at].value) in _RELAXATION:
                polarity = _RELAXATION[mark.value, marks[at].value]
                span = (mark.start, marks[at].end)
                found.append(Signal(marks[at].value, polarity, f"{polarity} signal", (span,), index))
                at += 1
    return found


def _restrictions(sentence: Sentence, denied: frozenset[int]) -> Iterator[Signal]:
    """Restricted diffusion is high on DWI and low on ADC."""
    for index, mark in enumerate(sentence.marks):
        if mark.value == "restricted" and index not in denied:
            for contrast, polarity in (("DWI", "high"), ("ADC", "low")):
                yield Signal(contrast, polarity, f"{polarity} signal", ((mark.start, mark.end),), index)


def _enhancement(sentence: Sentence, item: Item, denied: frozenset[int]) -> Enhancement:
    marks = [sentence.marks[index] for index in item.marks]
    shapes = [mark.value for mark in marks if mark.kind == "shape"]
    ring = _RING in shapes or any(mark.kind == "part" and mark.value == "rim" for mark in marks)
    degree = next((f"{mark.value} " for mark in marks if mark.kind == "degree"), "")
    shape = f"{_RING} " if ring else f"{shapes[0]} " if shapes else ""
    phrase = f"{shape}{degree}high signal{_RING_END if ring else ''}"
    return Enhancement(item.marks[-1] not in denied, phrase, (marks[0].start, marks[-1].end), item.marks[-1])
