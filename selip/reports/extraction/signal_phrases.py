"""The marks of a sentence in the groups that say something of a signal: words, contrasts, enhancements."""

from __future__ import annotations

from typing import NamedTuple

from selip.reports.extraction.lexicon import Lexicon, Mark, Sentence

T1C = "T1c"
_DESCRIBING = frozenset({"signal", "shape", "degree", "part"})


class Item(NamedTuple):
    """A run of marks: signal words ("S"), an enhancement ("E") or a list of contrasts ("Q")."""

    kind: str
    marks: list[int]
    contrasts: tuple[str, ...] = ()


def items_of(sentence: Sentence, denied: frozenset[int], known: Lexicon) -> list[Item]:
    """Runs of signal words, enhancements and lists of contrasts of a sentence, in their order.

    `denied` are numbers of the marks that are denied.
    """
    items: list[Item] = []
    run: list[int] = []
    marks, comma = sentence.marks, known.words["comma"]
    for index, mark in enumerate(marks):
        if run and (mark.kind not in _DESCRIBING or not comma.isdisjoint(sentence.between(index))):
            run = _close(items, run, mark.kind == "enhancement" and run[-1] == index - 1, marks, denied)
        if mark.kind in _DESCRIBING:
            run.append(index)
        elif mark.kind == "enhancement" and (index or mark.value != "late"):
            items.append(Item("E", [*run, index]))
            run = []
        elif mark.kind == "contrast" and not (index and marks[index - 1].kind == "relaxation"):
            name = T1C if mark.value == "T1" and _with_agent(sentence, index, known) else mark.value
            last = items[-1] if items else None
            if (
                last
                and last.kind == "Q"
                and last.marks[-1] == index - 1
                and known.words["contrast"].issuperset(sentence.between(index))
            ):
                items[-1] = Item("Q", [*last.marks, index], (*last.contrasts, name))
            else:
                items.append(Item("Q", [index], (name,)))
    _close(items, run, False, marks, denied)
    return [part for number in range(len(items)) for part in _parted(sentence, items, number, known)]


def _parted(sentence: Sentence, items: list[Item], number: int, known: Lexicon) -> list[Item]:
    """A list whose last contrast has a signal of its own, as "high signal on DWI, ADC is low", in two."""
    item, words = items[number], known.words
    if len(item.contrasts) < 2 or not 0 < number < len(items) - 1:
        return [item]
    before, after = items[number - 1], items[number + 1]
    comma = sentence.between(item.marks[-1])
    behind = sentence.words[sentence.marks[item.marks[-1]].last : sentence.marks[after.marks[0]].first]
    listed = words["comma"].isdisjoint(comma) or not words["join"].isdisjoint(comma)
    apart = (words["comma"] | words["addition"] | words["preposition"]).isdisjoint(behind)
    if listed or not apart or (before.kind, after.kind) != ("S", "S"):
        return [item]
    return [Item("Q", item.marks[:-1], item.contrasts[:-1]), Item("Q", item.marks[-1:], item.contrasts[-1:])]


def _close(items: list[Item], run: list[int], enhances: bool, marks: list[Mark], denied: frozenset[int]) -> list[int]:
    """Ends a run; what stands behind its last signal word, right before "enhancement", describes that: returned."""
    words = [index for index in run if marks[index].kind == "signal" and index not in denied]
    if words:
        items.append(Item("S", [index for index in run if index <= words[-1] or not enhances]))
        run = [index for index in run if index > words[-1]]
    return run if enhances else []


def _with_agent(sentence: Sentence, index: int, known: Lexicon) -> bool:
    """True when a T1 is one after contrast agent: "post-contrast T1", "T1 images with contrast"."""
    marks, nouns = sentence.marks, known.words["contrast"] - known.words["comma"]
    if index and marks[index - 1].kind == "agent" and not sentence.between(index):
        return True
    if index + 1 == len(marks) or marks[index + 1].kind != "agent":
        return False
    return (nouns - known.words["join"] - {"("}).issuperset(sentence.between(index + 1))
