"""The state of a study as its report has it: how much was understood, and whether it is called normal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from selip.reports.extraction.lexicon import Lexicon, Mark, Sentence
from selip.reports.extraction.negation import Unsaid

_ASSERTIVE = frozenset({"degree", "shape", "multiple", "change", "signal", "larger", "relaxation", "zone", "crossing"})
_PLACES = frozenset({"region", "side", "midline", "edema", "near", "parenchyma", "part"})
_PREDICATES = frozenset({"negation", "negation_behind", "normal", "in_place"})
_SEEN = frozenset({"lesion", "type", "signal"})
_WHOLE = frozenset({"normal", "ignored", "contrast", "agent", "degree", "negation", "negation_behind"})
_HEAVY = frozenset({"degree", "shape", "multiple", "signal"})

Said = Sequence[tuple[Sentence, Unsaid]]
"""The sentences of a report, and what each does not say is there."""


def strange_words(said: Said, known: Lexicon) -> tuple[str, ...]:
    """Words of a report that are neither known nor denied, each once."""
    return tuple(dict.fromkeys(word for sentence, _ in said for word in _written(sentence, _strange(sentence, known))))


def understood(said: Said, known: Lexicon) -> tuple[bool, tuple[str, ...]]:
    """True when a report without a finding calls the study normal; and its words that were not understood.

    Normal is a study that as a whole is called that, or of whose brain all is denied, in statements that were all
    understood.
    """
    whole, evidence, clear = False, False, True
    missed: dict[str, None] = {}
    for sentence, unsaid in said:
        more = not known.words["more"].isdisjoint(sentence.words)
        if not sentence.marks and not more and known.vocabulary.issuperset(sentence.words):
            continue
        words = _written(sentence, _strange(sentence, known) or _unclear(sentence, unsaid, known))
        missed.update(dict.fromkeys(words))
        whole = whole or _is_whole(sentence, unsaid, known)
        evidence = evidence or _is_evidence(sentence, unsaid, known)
        clear = clear and not words and not unsaid.hidden and not more
    return whole or (evidence and clear), tuple(missed)


def _written(sentence: Sentence, words: list[int]) -> list[str]:
    return [sentence.found[at][0].lower() for at in words]


def _strange(sentence: Sentence, known: Lexicon) -> list[int]:
    """Numbers of the words that are neither known nor denied."""
    words, vocabulary = sentence.words, known.vocabulary
    if vocabulary.issuperset(words):
        return []
    strange = [at for at, word in enumerate(words) if word not in vocabulary and not word[0].isdigit()]
    if not strange:
        return []
    denied = set(_denied_words(sentence, known))
    return [at for at in strange if at not in denied]


def _unclear(sentence: Sentence, unsaid: Unsaid, known: Lexicon) -> list[int]:
    """Numbers of known words that assert something, though no finding, as "the ventricles are prominent"."""
    marks, kinds = sentence.marks, sentence.kinds
    if unsaid.uncertain or ("outside" in kinds and "region" not in kinds):
        return []
    denied = set(_denied_words(sentence, known))
    loose = [
        mark
        for index, mark in enumerate(marks)
        if _not_normal(sentence, index, known)
        or (index not in unsaid.absent and mark.first not in denied and _is_loose(marks, index))
    ]
    central = "midline" in kinds and any(mark.value == "centre" for mark in marks)
    if not loose and not central and _PREDICATES.isdisjoint(kinds):
        loose = [mark for mark in marks if mark.kind in _PLACES]
    loose = loose or _excepted(sentence, known)
    return [at for mark in loose for at in range(mark.first, mark.last)]


def _excepted(sentence: Sentence, known: Lexicon) -> list[Mark]:
    """Marks of places behind an exception: "no infarct except in the pons", not "but normal ventricles"."""
    words = sentence.words
    last = max((at for at, word in enumerate(words) if word in known.words["exception"]), default=len(words))
    behind = [mark for mark in sentence.marks if mark.first > last]
    return [] if any(mark.kind in _PREDICATES for mark in behind) else [mark for mark in behind if mark.kind in _PLACES]


def _is_loose(marks: list[Mark], index: int) -> bool:
    """True when a mark asserts something by itself: a degree, a change or a signal, but not "clearly normal"."""
    if marks[index].kind == "degree" and index + 1 < len(marks) and marks[index + 1].kind == "normal":
        return False
    return marks[index].kind in _ASSERTIVE


def _not_normal(sentence: Sentence, index: int, known: Lexicon) -> bool:
    """True when a denial reaches "normal", as in "not entirely normal", or it is nearly that."""
    before, mark = (sentence.marks[index - 1] if index else None), sentence.marks[index]
    if mark.kind == "normal" and sentence.words[mark.first - 1] in known.words["hardly"] and mark.first:
        return True
    if mark.kind != "normal" or before is None or before.kind != "negation":
        return False
    stops = (known.words[name] for name in ("comma", "break", "join", "preposition", "be"))
    return all(some.isdisjoint(sentence.between(index)) for some in stops)


def _denied_words(sentence: Sentence, known: Lexicon) -> Iterator[int]:
    """Numbers of the words in the reach of a denial, whatever they mean."""
    words, stops = sentence.words, known.words["comma"] | known.words["break"]
    for mark in sentence.marks:
        if mark.kind == "negation" and mark.last < len(words):
            yield from range(mark.first, _reach(sentence, mark, known))
        elif mark.kind in {"negation", "negation_behind"}:
            start = mark.first
            while start and words[start - 1] not in stops:
                start -= 1
            yield from range(start, mark.last)


def _reach(sentence: Sentence, negation: Mark, known: Lexicon) -> int:
    """The word that ends a denial: a "but", or a comma or "and" before what is described."""
    words, heavy = sentence.words, {mark.first for mark in sentence.marks if mark.kind in _HEAVY}
    stops = known.words["comma"] | known.words["join"]
    alternatives = [at for at, word in enumerate(words) if word in known.words["alternative"]]
    last = max(alternatives, default=0)
    for at in range(negation.last, len(words)):
        if words[at] in known.words["break"]:
            return at
        if at > last and words[at] in stops:
            ahead = next((later for later in range(at + 1, len(words)) if words[later] in stops), len(words))
            if any(
                later in heavy or words[later] in known.words["article"] or words[later] in known.words["be"]
                for later in range(at + 1, ahead)
            ):
                return at
    return len(words)


def _is_whole(sentence: Sentence, unsaid: Unsaid, known: Lexicon) -> bool:
    """True when the study as a whole is called normal: "normal brain MRI", "no abnormality"."""
    marks = sentence.marks
    nothing = {at for at in unsaid.denied if marks[at].kind == "lesion" and marks[at].value == "any"}
    called = any(mark.kind == "normal" and mark.value == "study" for mark in marks)
    if not nothing and (not called or any(mark.kind.startswith("negation") for mark in marks)):
        return False
    if any(mark.kind not in _WHOLE and index not in nothing for index, mark in enumerate(marks)):
        return False
    covered = {at for mark in marks for at in range(mark.first, mark.last)}
    allowed = known.words["study"] | known.words["whole"]
    return all(at in covered or word in allowed for at, word in enumerate(sentence.words))


def _is_evidence(sentence: Sentence, unsaid: Unsaid, known: Lexicon) -> bool:
    """True when a lesion of the brain is denied, and no more left to others, or its tissue called normal."""
    marks = sentence.marks
    if not known.words["further"].isdisjoint(sentence.words):
        return False
    if any(marks[index].kind in _SEEN and marks[index].value != "adjective" for index in unsaid.denied):
        return True
    return not known.words["tissue"].isdisjoint(sentence.words) and any(mark.kind == "normal" for mark in marks)
