"""Surroundings that a sentence speaks of, and structures that are pushed aside: neither is a place of a lesion."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from selip.reports.extraction.lexicon import Lexicon, Mark, Sentence
from selip.reports.extraction.negation import Unsaid
from selip.reports.extraction.report_facts import Span

VENTRICLES = frozenset({"lateral ventricle", "third ventricle", "fourth ventricle"})
SIDES = frozenset({"side", "direction"})
CONTENT = frozenset({"lesion", "type", "signal", "enhancement", "relaxation", "larger"})
_LESIONS = frozenset({"lesion", "type", "signal"})
_BESIDE_NORMAL = SIDES | {"region", "negation", "degree", "near", "part", "shape", "multiple", "ignored"}
_STRUCTURE = frozenset({"region", "side", "near", "parenchyma", "zone"})
_BESIDE = frozenset({"degree", "direction", "change", "negation", "shape", "shift", "normal"})
_TAKING = frozenset({"change", "crossing", "shift", "edema"})
_SIGNS = frozenset({"edema", "shift", "in_place", "midline", "change"})
_NONE: frozenset[int] = frozenset()
_SIGNAL = frozenset({"signal", "degree", "shape", "contrast"})
_DESCRIBES = frozenset({"signal", "edema", "parenchyma", "relaxation", "type", "enhancement"})


class StatedSign(NamedTuple):
    """A yes/no statement.

    Attributes:
        kind: "edema", "midline_shift" or "ventricle_compression" ("enhancement" is one too).
        present: Whether it is affirmed.
        spans: The pieces of the text that say it.
    """

    kind: str
    present: bool
    spans: tuple[Span, ...]


def zone_marks(sentence: Sentence, known: Lexicon) -> frozenset[int]:
    """Numbers of the marks that speak of what surrounds a lesion, up to a comma.

    A zone that a comma parts from its description reaches over that ("around the lesion, high signal is seen"), and a
    list of signals goes on.
    """
    marks, found = sentence.marks, set[int]()
    if "zone" not in sentence.kinds:
        return _NONE
    for index, mark in enumerate(marks):
        if mark.kind != "zone" or beside_region(sentence, index) or _counts(sentence, mark):
            continue
        described = ""
        for later in range(index + 1, len(marks)):
            kind = marks[later].kind
            listed = described == "signal" and kind in _SIGNAL
            if described and not listed and not known.words["comma"].isdisjoint(sentence.between(later)):
                break
            described = described or (kind if kind in _DESCRIBES else "")
            found.add(later)
    return frozenset(found)


def _counts(sentence: Sentence, mark: Mark) -> bool:
    return mark.last < len(sentence.words) and sentence.words[mark.last].isdigit()


def beside_region(sentence: Sentence, index: int) -> bool:
    """True when a mark stands right before a region, a side word between them allowed."""
    marks = sentence.marks
    at = index + 1
    if at < len(marks) and marks[at].kind in SIDES:
        at += 1
    return at < len(marks) and marks[at].kind == "region" and marks[at].first - marks[index].last <= at - index + 2


def affected(sentence: Sentence, index: int, known: Lexicon) -> list[int]:
    """Numbers of the marks of the structures that a change speaks of, as "compression of the anterior horn"."""
    where = sentence.marks[index].value.split()[-1]
    ahead = _chain(sentence, index, 1, known) if where != "behind" else []
    if where == "before" or (where == "either" and _leads_on(sentence, index, known)):
        return ahead
    return _chain(sentence, index, -1, known)


def _leads_on(sentence: Sentence, index: int, known: Lexicon) -> bool:
    """True when another change follows that names the structure: "compression and narrowing of the ventricle"."""
    marks = sentence.marks
    if index + 1 < len(marks) and not known.words["comma"].isdisjoint(sentence.between(index + 1)):
        return False
    return index + 1 < len(marks) and marks[index + 1].kind == "change" and marks[index + 1].value.endswith("before")


def _chain(sentence: Sentence, index: int, step: int, known: Lexicon, allowed: frozenset[str] = _BESIDE) -> list[int]:
    """Marks of structures from `index` on, in either direction, up to a comma or another matter."""
    stops = known.words["comma"] | known.words["break"]
    found: list[int] = []
    at = index + step
    while 0 <= at < len(sentence.marks):
        kind = sentence.marks[at].kind
        gap = sentence.between(at if step > 0 else at + 1)
        if not stops.isdisjoint(gap) or (kind not in _STRUCTURE and (kind not in allowed or found)):
            break
        if kind in _STRUCTURE:
            found.append(at)
        at += step
    return found


def taken_regions(sentence: Sentence, known: Lexicon) -> frozenset[int]:
    """Numbers of the regions that are not the place of a lesion: compressed, crossed, or the place of edema."""
    found: set[int] = set()
    if _TAKING.isdisjoint(sentence.kinds):
        return _NONE
    for index, mark in enumerate(sentence.marks):
        if mark.kind == "change":
            found.update(affected(sentence, index, known))
        elif mark.kind == "crossing" and not _inside(sentence, index, known):
            found.update(_chain(sentence, index, 1, known, _BESIDE | {"midline"}))
        elif mark.kind == "shift":
            found.update(_chain(sentence, index, 1, known))
        elif mark.kind == "edema":
            found.update(_of_edema(sentence, index, known))
    return frozenset(found)


def _of_edema(sentence: Sentence, index: int, known: Lexicon) -> list[int]:
    """Regions that edema lies in: "left parietal edema", "edema extends into the thalamus", not around a lesion."""
    marks, found = sentence.marks, []
    stops = known.words["join"] | known.words["comma"] | {":"}
    if index + 1 < len(marks) and stops.isdisjoint(sentence.between(index + 1)):
        around = marks[index + 1].kind == "zone"
        if not around:
            found += _chain(sentence, index, 1, known)
        elif index + 2 < len(marks) and not known.words["reach"].isdisjoint(sentence.between(index + 2)):
            found += _chain(sentence, index + 1, 1, known)
    at = index - 1
    while at >= 0 and marks[at].kind in _STRUCTURE and marks[at].last == marks[at + 1].first:
        found.append(at)
        at -= 1
    return found


def _inside(sentence: Sentence, index: int, known: Lexicon) -> bool:
    """True when a crossing happens in a structure, as "cross in the corpus callosum", which then is a place."""
    behind = sentence.marks[index].last
    return behind < len(sentence.words) and sentence.words[behind] in known.words["preposition"]


def signs(sentence: Sentence, unsaid: Unsaid, known: Lexicon) -> Iterator[StatedSign]:
    """The yes/no statements of a sentence about edema, midline and ventricles."""
    marks, denied = sentence.marks, unsaid.denied
    if _SIGNS.isdisjoint(sentence.kinds):
        return
    for index, mark in enumerate(marks):
        span = (mark.start, mark.end)
        if index in unsaid.uncertain:
            continue
        if mark.kind == "edema":
            yield StatedSign("edema", index not in denied, (span,))
        elif mark.kind in {"shift", "in_place"} or _central(sentence, index, known):
            middle = _midline_of(marks, index)
            if middle is not None:
                present = mark.kind == "shift" and index not in denied
                yield StatedSign("midline_shift", present, tuple(sorted((span, (middle.start, middle.end)))))
        elif mark.kind == "change" and mark.value.startswith("compressed"):
            pressed = [
                marks[at] for at in affected(sentence, index, known) if known.area.get(marks[at].value) in VENTRICLES
            ]
            if pressed:
                spans = sorted({span, *((other.start, other.end) for other in pressed)})
                yield StatedSign("ventricle_compression", index not in denied, tuple(spans))


def _central(sentence: Sentence, index: int, known: Lexicon) -> bool:
    """True when "central" is said of the midline."""
    marks = sentence.marks
    if marks[index].value != "centre" or not index or marks[index - 1].kind != "midline":
        return False
    stops = known.words["comma"] | known.words["break"] | known.words["join"]
    return stops.isdisjoint(sentence.between(index))


def _midline_of(marks: list[Mark], index: int) -> Mark | None:
    """The midline that a shift speaks of: the nearest mark on either side, qualifiers skipped."""
    skipped = {"degree", "side", "direction", "negation", "shape", "shift"}
    for some in (marks[index + 1 :], marks[index - 1 :: -1] if index else []):
        nearest = next((mark for mark in some if mark.kind not in skipped), None)
        if nearest is not None and nearest.kind == "midline":
            return nearest
    return None


def is_healthy(sentence: Sentence, index: int, denied: frozenset[int], known: Lexicon) -> bool:
    """True when a region is called normal or without lesion: "brainstem normal", "normal pons", "pons: no lesion"."""
    marks, stops = sentence.marks, known.words["comma"] | known.words["break"]
    first, last = index, index + 1
    while _goes_on(sentence, first, stops) and marks[first - 1].kind not in CONTENT:
        first -= 1
    if _goes_on(sentence, first, stops):  # behind a lesion: no subject of its own
        return _is_called_normal(sentence, index, stops | known.words["join"])
    if any(mark.kind == "normal" for mark in marks[first:index]):
        return not any(mark.kind == "negation" for mark in marks[first:index])
    while (_goes_on(sentence, last, stops) or _listed(sentence, last)) and marks[last].kind in _BESIDE_NORMAL:
        last += 1
    if not _goes_on(sentence, last, stops):
        return any(mark.kind == "negation" for mark in marks[index:last])  # what is denied there is an unknown word
    mark = marks[last]
    return mark.kind == "normal" or (mark.kind in _LESIONS and last in denied and mark.value != "denied")


def _goes_on(sentence: Sentence, at: int, stops: frozenset[str]) -> bool:
    """True when no stop stands between a mark and the one before it."""
    if not 0 < at < len(sentence.marks) or "besides" in {sentence.marks[at].kind, sentence.marks[at - 1].kind}:
        return False
    return stops.isdisjoint(sentence.between(at))


def _is_called_normal(sentence: Sentence, index: int, stops: frozenset[str]) -> bool:
    """True when "normal" stands right before a region, a side word between them allowed."""
    while _goes_on(sentence, index, stops) and sentence.marks[index - 1].kind in SIDES:
        index -= 1
    return _goes_on(sentence, index, stops) and sentence.marks[index - 1].kind == "normal"


def _listed(sentence: Sentence, at: int) -> bool:
    """True when a comma alone stands before a region of a list."""
    return at < len(sentence.marks) and sentence.between(at) == [","] and sentence.marks[at].kind in {"region", "side"}


def is_of_stranger(sentence: Sentence, index: int, content: list[int], known: Lexicon) -> bool:
    """True when a later region has an unknown noun of its own: "left frontal glioma and right parietal xanthoma"."""
    marks, stops = sentence.marks, known.words["join"] | known.words["comma"]
    before = next((at for at in range(index - 1, -1, -1) if marks[at].kind == "region"), None)
    if before is None or not any(at < index for at in content):
        return False
    last = marks[index + 1].first if index + 1 < len(marks) else len(sentence.words)
    behind = "".join(sentence.words[marks[index].last : last][:1])
    strange = behind.isalpha() and behind not in known.vocabulary
    return strange and not stops.isdisjoint(sentence.words[marks[before].last : marks[index].first])
