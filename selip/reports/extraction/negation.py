"""Sentences that do not say a thing is there: it is denied, uncertain, or was seen before and is gone."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from selip.reports.extraction.lexicon import Lexicon, Mark, Sentence

DENIABLE = frozenset({"enhancement", "edema", "shift", "change", "lesion", "type", "signal", "midline"})
_LESION = frozenset({"lesion", "type", "signal"})
_SWITCHES = frozenset({
    "negation", "negation_behind", "enhancement", "hedge", "hedge_behind", "exclusion", "gone", "gone_behind",
})  # fmt: skip
_OF_PLACE = frozenset({"region", "side", "direction", "near", "part", "degree", "shape", "multiple"})
_ENDS_OF_NOUN = ("relation", "preposition", "given", "alternative", "join", "comma", "break", "refusal")
_REACH_OF_NOT = 4  # words: "cannot be completely excluded"


class Unsaid(NamedTuple):
    """Numbers of the marks of a sentence that it does not say are there.

    Attributes:
        denied: As "no oedema".
        uncertain: As "possible infarct": neither there nor denied.
        past: As "the resected meningioma": there no longer.
        either: Types of which one is there, as "glioma or metastasis".
    """

    denied: frozenset[int] = frozenset()
    uncertain: frozenset[int] = frozenset()
    past: frozenset[int] = frozenset()
    either: frozenset[int] = frozenset()

    @property
    def hidden(self) -> frozenset[int]:
        """Marks that are neither affirmed nor denied."""
        return self.uncertain | self.past

    @property
    def absent(self) -> frozenset[int]:
        """Marks that are not affirmed."""
        return self.denied | self.uncertain | self.past


_NOTHING = Unsaid()


def unsaid_marks(sentence: Sentence, known: Lexicon) -> Unsaid:
    """Marks that a sentence denies ("no edema or midline shift"), doubts, or calls gone."""
    either = frozenset(_alternatives(sentence, known))
    if _SWITCHES.isdisjoint(sentence.kinds):
        return Unsaid(either=either) if either else _NOTHING
    switches = [index for index, mark in enumerate(sentence.marks) if mark.kind in _SWITCHES]
    found: dict[str, set[int]] = {"denied": set(), "uncertain": set(), "past": set()}
    for index in switches:
        if index in either:
            continue
        name, marks = _reached(sentence, index, known)
        if name:
            found[name].update(marks)
    kinds = {sentence.marks[index].kind for index in found["past"]}
    keeps = _LESION if kinds.isdisjoint(_LESION) else _LESION | {"enhancement"}
    signs = {index for index in found["past"] if sentence.marks[index].kind not in keeps}
    uncertain = found["uncertain"] - found["past"]
    denied = (found["denied"] | signs) - uncertain
    behind = exception_of(sentence, known)
    if behind:
        denied = {at for at in denied if sentence.marks[at].kind not in _LESION or sentence.marks[at].first > behind}
    unsaid = Unsaid(frozenset(denied), frozenset(uncertain), frozenset(found["past"] - signs))
    return unsaid._replace(either=either - unsaid.absent)


def exception_of(sentence: Sentence, known: Lexicon) -> int:
    """The word behind which only a place stands: "no infarct except in the left pons"; 0 for none."""
    first = next((mark.last for mark in sentence.marks if mark.kind == "besides"), 0)
    behind = [mark.kind for mark in sentence.marks if mark.first >= first]
    plain = known.vocabulary.issuperset(sentence.words[first:]) and known.words["be"].isdisjoint(sentence.words[first:])
    return first if first and plain and "region" in behind and _OF_PLACE.issuperset(behind) else 0


def _alternatives(sentence: Sentence, known: Lexicon) -> Iterator[int]:
    """Types of which one is there, and the "versus" between them: "glioma or metastasis", "infarct versus abscess"."""
    marks, words = sentence.marks, known.words
    types = [index for index, mark in enumerate(marks) if mark.kind == "type"]
    run = types[:1]
    alternative = False
    for one, other in pairwise([*types, len(marks)]):
        between = marks[one + 1 : other]
        gap = sentence.words[marks[one].last : marks[other].first] if other < len(marks) else ["."]
        parted = any(word in words["alternative"] or word == "/" for word in gap)
        parted = parted or any(mark.value == "either" for mark in between)
        near = all(mark.kind in {"hedge", "degree", "shape"} for mark in between)
        if near and (parted or gap == [","]):
            run, alternative = [*run, *range(one + 1, other + 1)], alternative or parted
            continue
        if alternative:
            yield from run
        run, alternative = [other], False


def _reached(sentence: Sentence, index: int, known: Lexicon) -> tuple[str, Iterator[int]]:
    """The effect of a mark on others, and their numbers."""
    mark = sentence.marks[index]
    if mark.kind == "negation":
        if _excludes(sentence, index) or _of_agent(sentence, index):
            return "", iter(())
        at_end = mark.last == len(sentence.words)  # "edema: none"
        return "denied", (_back if at_end else _ahead)(sentence, index, known)
    if mark.kind == "enhancement":
        return ("denied", iter((index,))) if mark.value == "denied" else ("", iter(()))
    if mark.kind == "negation_behind":
        return "denied", _back(sentence, index, known)
    if mark.kind == "exclusion":
        doubted = mark.value == "ahead" or any(_excludes(sentence, at) == mark for at in range(index))
        return "uncertain" if doubted else "denied", (_ahead if mark.value == "ahead" else _back)(
            sentence, index, known
        )
    if mark.kind.startswith("gone"):
        return _gone(sentence, index, known)
    return "uncertain", _doubted(sentence, index, known)


def _gone(sentence: Sentence, index: int, known: Lexicon) -> tuple[str, Iterator[int]]:
    mark = sentence.marks[index]
    if mark.value == "seen before" and not known.words["persistence"].isdisjoint(sentence.words):
        return "", iter(())
    ahead = [] if mark.kind == "gone_behind" else list(_ahead(sentence, index, known))
    return "past", iter(ahead) if ahead else _back(sentence, index, known)


def _doubted(sentence: Sentence, index: int, known: Lexicon) -> Iterator[int]:
    mark = sentence.marks[index]
    if mark.value == "either" or mark.kind == "hedge_behind" or mark.last == len(sentence.words):
        yield from _back(sentence, index, known)
    if mark.kind == "hedge":
        yield from _ahead(sentence, index, known)


def _excludes(sentence: Sentence, index: int) -> Mark | None:
    """The mark of "excluded" in "cannot be excluded", if `index` is its negation."""
    marks = sentence.marks
    if marks[index].kind != "negation":
        return None
    later = next((mark for mark in marks[index + 1 :] if mark.kind not in {"hedge", "degree", "ignored"}), None)
    near = later is not None and later.kind == "exclusion" and later.first - marks[index].last <= _REACH_OF_NOT
    return later if near else None


def _of_agent(sentence: Sentence, index: int) -> bool:
    """True when contrast agent is what was not given: "without contrast", not "without contrast enhancement"."""
    marks = sentence.marks
    if index + 1 == len(marks) or marks[index + 1].kind != "agent":
        return False
    return index + 2 == len(marks) or marks[index + 2].kind != "enhancement" or bool(sentence.between(index + 2))


def _ahead(sentence: Sentence, index: int, known: Lexicon) -> Iterator[int]:
    """A comma ends a denial, unless an "or" or a bare noun comes: "no edema, mass effect or shift". So may an "and"."""
    words, marks = known.words, sentence.marks
    listed = _end_of_list(sentence, index, known)
    of_these = marks[index].value == "none of"
    for later in range(index + 1, len(marks)):
        if of_these and _is_given(sentence, later, known):  # "none of the lesions enhances"
            continue
        given = later > index + 1 and not marks[index].kind.startswith("gone") and _is_given(sentence, later, known)
        if marks[later].kind in {"negation", "course", "besides"} or given:
            return
        gap, deniable = sentence.between(later), marks[later].kind in DENIABLE
        ended = not words["join"].isdisjoint(gap) and not (deniable and gap[-1] in words["join"])
        comma = not words["comma"].isdisjoint(gap) and marks[later].first > listed
        if ended or not words["break"].isdisjoint(gap) or (comma and not _bare(sentence, later, known)):
            return
        if deniable:
            yield later


def _end_of_list(sentence: Sentence, index: int, known: Lexicon) -> int:
    """The word of the last "or" before another matter: commas up to it part what is denied."""
    mark, words = sentence.marks[index], known.words
    if mark.value != "no" and mark.kind == "negation":
        return 0
    last = 0
    for at in range(mark.last, len(sentence.words)):
        if sentence.words[at] in words["break"]:
            break
        if sentence.words[at] in words["alternative"]:
            last = at
    comma = next((at for at in range(last, len(sentence.words)) if sentence.words[at] in words["comma"]), None)
    return (len(sentence.words) if comma is None else comma) if last else 0


def _bare(sentence: Sentence, later: int, known: Lexicon) -> bool:
    """True when a noun stands alone between commas: "no infarct, haemorrhage, mass"."""
    words, mark = sentence.words, sentence.marks[later]
    if mark.kind not in {"lesion", "type", "edema", "shift", "midline"}:
        return False
    start = mark.first
    while start and words[start - 1] not in known.words["comma"]:
        start -= 1
    end = next((at for at in range(mark.last, len(words)) if words[at] in known.words["comma"]), len(words))
    covered = {at for one in sentence.marks if one.kind in DENIABLE for at in range(one.first, one.last)}
    return all(at in covered or words[at] in known.words["qualifier"] for at in range(start, end))


def _back(sentence: Sentence, index: int, known: Lexicon) -> Iterator[int]:
    stops = known.words["break"] | known.words["comma"]
    found: list[int] = []
    for earlier in range(index, 0, -1):
        if not stops.isdisjoint(sentence.between(earlier)) or sentence.marks[earlier - 1].kind == "besides":
            break
        if sentence.marks[earlier - 1].kind in DENIABLE:
            found.append(earlier - 1)
    yield from (at for at in found if at == found[-1] or not _is_given(sentence, at, known))


def _is_given(sentence: Sentence, index: int, known: Lexicon) -> bool:
    """True when a lesion is taken as known where something else of it is denied: "no oedema around the meningioma"."""
    mark, words = sentence.marks[index], known.words
    if mark.kind not in {"lesion", "type"}:
        return False
    at = mark.first - 1
    ends = {word for name in _ENDS_OF_NOUN for word in words[name]}
    while at >= 0 and sentence.words[at] not in ends:
        at -= 1
    return at > 0 and sentence.words[at] in words["given"] and sentence.words[at - 1] in words["about"]
