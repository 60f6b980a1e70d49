"""Lesions out of sentences: what is said belongs to one place until another one is spoken of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from operator import attrgetter

from selip.reports.extraction.lesion_frames import Frame, merged
from selip.reports.extraction.lexicon import Lexicon, Sentence
from selip.reports.extraction.negation import DENIABLE, Unsaid, exception_of, unsaid_marks
from selip.reports.extraction.places import Located, places_of
from selip.reports.extraction.sentence_reader import Event, SentenceReader
from selip.reports.extraction.signals import signals_of
from selip.reports.extraction.surroundings import StatedSign, signs, taken_regions, zone_marks

_BEFORE_LESION = frozenset({"shape", "degree", "part", "side", "larger", "ignored", "multiple", "contrast", "region"})
_LESION = frozenset({"lesion", "type", "enhancement"})
_NO_LESION = frozenset({"site", "adjective"})
_NONE: frozenset[int] = frozenset()


@dataclass
class LesionReading:
    """A report while it is read: lesions in order, yes/no statements, sentences and what each does not say is there.

    Lesions in `doubted` are neither affirmed nor denied.
    """

    frames: list[Frame] = field(default_factory=list)
    doubted: list[Frame] = field(default_factory=list)
    signs: list[StatedSign] = field(default_factory=list)
    sentences: list[tuple[Sentence, Unsaid]] = field(default_factory=list)


def read(text_sentences: Iterator[Sentence], known: Lexicon) -> LesionReading:
    """Lesions and statements of a report."""
    reading = LesionReading()
    for number, sentence in enumerate(text_sentences):
        unsaid = unsaid_marks(sentence, known)
        reading.sentences.append((sentence, unsaid))
        if sentence.marks:
            reading.signs += signs(sentence, unsaid, known)
            if not _outside(sentence):
                _read_sentence(reading, sentence, number, unsaid, known)
    reading.frames = merged(reading.frames) or _unplaced(reading.sentences)
    reading.signs += [
        StatedSign("enhancement", item.present, (item.span,)) for frame in reading.frames for item in frame.enhancements
    ]
    return reading


def _read_sentence(reading: LesionReading, sentence: Sentence, number: int, unsaid: Unsaid, known: Lexicon) -> None:
    events = _events(sentence, unsaid.absent, known, unsaid.either)
    if unsaid.hidden:
        events = [event for event in events if event.kind != "enhancement" or event.at not in unsaid.hidden]
    if events:
        reader = SentenceReader(reading.frames, sentence, number, known)
        reader.read(events)
        reading.signs += [StatedSign("enhancement", item.present, (item.span,)) for item in reader.enhancements]
    if unsaid.uncertain | unsaid.either:
        deniable = {index for index, mark in enumerate(sentence.marks) if mark.kind in DENIABLE}
        doubts = _events(sentence, frozenset(deniable - unsaid.uncertain - unsaid.either), known)
        doubts = [event for event in doubts if event.kind != "enhancement" or event.value.present]
        SentenceReader(reading.doubted, sentence, number, known).read(doubts)


def _outside(sentence: Sentence) -> bool:
    """True when a sentence speaks of no part of the brain, but of a sinus or the scalp."""
    return "outside" in sentence.kinds and "region" not in sentence.kinds


def _unplaced(said: Sequence[tuple[Sentence, Unsaid]]) -> list[Frame]:
    """A lesion of which no more is said than that it is there."""
    there = any(
        (mark.kind == "lesion" or index in unsaid.either)
        and mark.value not in _NO_LESION
        and index not in unsaid.absent
        for sentence, unsaid in said
        if not _outside(sentence)
        for index, mark in enumerate(sentence.marks)
    )
    return [Frame()] if there else []


def _is_detail(sentence: Sentence, index: int, known: Lexicon) -> bool:
    """True when a type only goes with one whose place was named: "infarct in the left pons with haemorrhage"."""
    marks = sentence.marks
    before = next((at for at in range(index - 1, -1, -1) if marks[at].kind in {"type", "region"}), None)
    placed_ahead = next((mark.kind for mark in marks[index + 1 :] if mark.kind in {"type", "region"}), "") == "region"
    if before is None or placed_ahead or all(mark.kind != "type" for mark in marks[:index]):
        return False
    gap = sentence.words[marks[before].last : marks[index].first]
    return not (known.words["addition"] - known.words["join"]).isdisjoint(gap)


def _events(sentence: Sentence, denied: frozenset[int], known: Lexicon, either: frozenset[int] = _NONE) -> list[Event]:
    """Events of a sentence, in its order; types in `either` may be the type, none of them is."""
    zone = zone_marks(sentence, known)
    events = []
    for index, mark in enumerate(sentence.marks):
        if mark.kind == "type" and index not in denied | either and not _is_detail(sentence, index, known):
            events.append(Event(index, "type", mark.value))
        elif mark.kind == "larger" and index not in zone and _next_kind(sentence, index) != "edema":
            events.append(Event(index, "larger", (mark.start, mark.end)))
        elif mark.kind == "multiple" and _counts_lesions(sentence, index):
            events.append(Event(index, "multiple", (mark.start, mark.end)))
        elif mark.kind == "crossing":
            events.append(Event(index, "crossing", None))
    signals, enhancements = signals_of(sentence, denied, zone, known)
    events += [Event(signal.at, "signal", signal) for signal in signals]
    events += [Event(item.at, "enhancement", item) for item in enhancements]
    breaks = [event.at for event in events if event.kind not in {"multiple", "crossing"}]
    exception = exception_of(sentence, known)
    spared = {at for at, mark in enumerate(sentence.marks) if mark.kind == "region" and mark.first < exception}
    places = places_of(sentence, taken_regions(sentence, known) | spared, denied, known)
    return sorted([*events, *_lists(places, breaks)], key=attrgetter("at"))


def _lists(places: Sequence[Located], breaks: Sequence[int]) -> Iterator[Event]:
    """Places that are named together, with no other statement between them."""
    group: list[Located] = []
    for located in places:
        if group and any(group[-1].at < at < located.at for at in breaks):
            yield Event(group[0].at, "place", [item.place for item in group])
            group = []
        group.append(located)
    if group:
        yield Event(group[0].at, "place", [item.place for item in group])


def _next_kind(sentence: Sentence, index: int) -> str:
    return next((mark.kind for mark in sentence.marks[index + 1 :] if mark.kind not in _BEFORE_LESION), "")


def _counts_lesions(sentence: Sentence, index: int) -> bool:
    """True when a number word speaks of lesions, as "two foci", and not of signals, as "scattered high signal"."""
    rest = [at for at in range(index + 1, len(sentence.marks)) if sentence.marks[at].kind not in _BEFORE_LESION]
    if not rest:
        return False
    first = sentence.marks[rest[0]]
    if first.kind == "signal" and sentence.found[first.first][0].lower().endswith("ies"):  # "multiple hyperintensities"
        return True
    if first.kind == "signal" and len(rest) > 1 and not sentence.between(rest[1]):
        first = sentence.marks[rest[1]]
    return first.kind in _LESION
