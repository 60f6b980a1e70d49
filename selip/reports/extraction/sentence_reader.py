"""The marks of a sentence as events, one after the other, and the lesions that they build."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from selip.reports.extraction.lesion_frames import Frame
from selip.reports.extraction.lexicon import Lexicon, Sentence
from selip.reports.extraction.report_facts import Place, Span
from selip.reports.extraction.signals import Enhancement, Signal

_REACH_OF_ARTICLE = 7  # words


class Event(NamedTuple):
    """An event: the number of its mark, its kind ("place", "signal", "type" and others), and what it stands for."""

    at: int
    kind: str
    value: Any


class SentenceReader:
    """Adds what one sentence says to the frames of the report."""

    def __init__(self, frames: list[Frame], sentence: Sentence, number: int, known: Lexicon) -> None:
        self.frames, self.number = frames, number
        self.anaphoric = bool(sentence.words) and sentence.words[0] in known.words["anaphor"]
        self.introduces = any(
            _is_new(sentence, index, known) for index, mark in enumerate(sentence.marks) if mark.kind == "lesion"
        )
        self.opens = self.larger = False
        self.types: list[str] = []
        self.type_ahead = ""
        self.multiple: list[Span] = []
        self.enhancements: list[Enhancement] = []

    @property
    def frame(self) -> Frame | None:
        """The lesion that is spoken of."""
        return self.frames[-1] if self.frames else None

    def read(self, events: Sequence[Event]) -> None:
        """Goes through the events; what waits for a place in the end belongs to the lesion before."""
        kinds = [event.kind for event in events]
        place = kinds.index("place") if "place" in kinds else 0
        self.opens = "signal" in kinds[:place] and "larger" not in kinds[:place] and not self.anaphoric
        self.waits = "place" in kinds and self.introduces
        self.last_place = max((event.at for event in events if event.kind == "place"), default=-1)
        for number, event in enumerate(events):
            self.type_ahead = _type_ahead(events[number + 1 :])
            getattr(self, f"_{event.kind}")(event.value)  # a method a kind
        if self.types and (self.frame is None or self._is_other(self.frame, self.types[0])):
            self._begin()
        if self.frame is not None:
            self._hand_over(self.frame)

    def _begin(self, signal_first: bool = False) -> Frame:
        frame = Frame(sentence=self.number, signal_first=signal_first)
        self.frames.append(frame)
        return frame

    def _hand_over(self, frame: Frame) -> None:
        """Gives a frame what was said before it; of several lesion types each has a frame with its places."""
        frame.lesion_type = frame.lesion_type or "".join(self.types[:1])
        others = [name for name in self.types if not _alike(name, frame.lesion_type)]
        self.frames[-1:] = [*(Frame([*frame.places], lesion_type=name, sentence=self.number) for name in others), frame]
        frame.multiple += self.multiple
        frame.enhancements += self.enhancements
        self.types, self.multiple, self.enhancements = [], [], []

    @staticmethod
    def _is_other(frame: Frame, name: str) -> bool:
        """True when a frame is of another lesion type."""
        return bool(name and frame.lesion_type) and not _alike(name, frame.lesion_type)

    def _place(self, places: list[Place]) -> None:
        frame = self.frame
        if frame is not None and self.larger:
            areas = {place.area for place in frame.places}
            places = [place for place in places if place.area not in areas]
        elif frame is None or self._elsewhere(frame, places):
            frame = self._begin()
        frame.places += places
        frame.sentence, frame.described = self.number, False
        self._hand_over(frame)
        self.waits = False

    def _elsewhere(self, frame: Frame, places: list[Place]) -> bool:
        """True when places belong to another lesion than the one that was spoken of."""
        if not frame.places:
            return self._is_other(frame, "".join(self.types[:1]))
        if frame.sentence == self.number:
            return frame.described or self._is_other(frame, "".join(self.types[:1]) or self.type_ahead)
        return bool(self.introduces or self.types or not frame.covers(places))

    def _signal(self, signal: Signal) -> None:
        frame = self.frame
        ended = frame is not None and (frame.sentence != self.number or self._leads_to_place(frame, signal))
        if frame is None or (self.opens and ended):
            frame = self._begin(signal_first=True)
            self._hand_over(frame)
        frame.add(signal)

    def _leads_to_place(self, frame: Frame, signal: Signal) -> bool:
        """True when another place follows, after a lesion whose signal came before its place."""
        return frame.signal_first and bool(frame.places) and signal.at < self.last_place

    def _enhancement(self, enhancement: Enhancement) -> None:
        if self.waits or (self.frame is None and not enhancement.present):  # a denied one opens no lesion
            self.enhancements.append(enhancement)
            return
        frame = self.frame or self._begin(signal_first=True)
        frame.enhancements.append(enhancement)
        frame.described = True

    def _type(self, name: str) -> None:
        frame = self.frame
        here = frame is not None and (self.anaphoric or (frame.sentence == self.number and bool(frame.places)))
        if frame is not None and here and frame.lesion_type in ("", name):
            frame.lesion_type = name
        else:
            self.types.append(name)

    def _larger(self, span: Span) -> None:
        self.larger = True
        if self.frame is None:
            self.multiple.append(span)
        else:
            self.frame.larger = True
            self.frame.multiple.append(span)

    def _crossing(self, _: None) -> None:
        if self.frame is not None:
            self.frame.crosses = True

    def _multiple(self, span: Span) -> None:
        frame = self.frame
        if frame is None or frame.sentence != self.number or (self.opens and frame.signal_first and frame.places):
            self.multiple.append(span)
        else:
            frame.multiple.append(span)


def _type_ahead(events: Sequence[Event]) -> str:
    """The lesion type that is named before any other place, "" for none."""
    first = next((event for event in events if event.kind in {"type", "place"}), None)
    return first.value if first is not None and first.kind == "type" else ""


def _alike(one: str, other: str) -> bool:
    """True when a name says the same as another, or less: "infarct" and "acute infarct"."""
    return one in other or other in one


def _is_new(sentence: Sentence, index: int, known: Lexicon) -> bool:
    """True when a lesion is spoken of for the first time: "a mass", "two nodules", not "the mass"."""
    first = sentence.marks[index].first
    words = sentence.words[max(0, first - _REACH_OF_ARTICLE) : first]
    counted = any(mark.kind == "multiple" and first - mark.last < _REACH_OF_ARTICLE for mark in sentence.marks[:index])
    determiner = next((word for word in reversed(words) if word == "the" or word in known.words["article"]), "")
    return counted or determiner in known.words["article"]
