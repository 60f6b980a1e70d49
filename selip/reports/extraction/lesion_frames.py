"""Lesions while they are read: places, signals and signs that belong together, sentence by sentence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from selip.data.findings import CONTRASTS
from selip.reports.extraction.lexicon import Lexicon, Sentence
from selip.reports.extraction.report_facts import Lesion, Place, Span
from selip.reports.extraction.signal_phrases import T1C
from selip.reports.extraction.signals import MIXED, UNEVEN, Enhancement, Signal

_READ = frozenset({"", *CONTRASTS})  # SWI, T2* and others are read, so that no other contrast gets their signal


@dataclass
class Frame:
    """A lesion, or several with one description, while it is read.

    Attributes:
        places: Where.
        signals: What is said of it in general.
        larger_signals: What is said of its larger or largest part, which then stands for it.
        enhancements: What is said of enhancement.
        lesion_type: As "metastasis".
        multiple: Pieces of the text that say that there are several.
        larger: Whether a larger part has been named.
        sentence: Number of the sentence of its last place.
        signal_first: Whether a signal came before its place.
        described: Whether a signal or enhancement was said after its last place.
        crosses: Whether it is said to cross the midline.
    """

    places: list[Place] = field(default_factory=list)
    signals: list[Signal] = field(default_factory=list)
    larger_signals: list[Signal] = field(default_factory=list)
    enhancements: list[Enhancement] = field(default_factory=list)
    lesion_type: str = ""
    multiple: list[Span] = field(default_factory=list)
    larger: bool = False
    sentence: int = -1
    signal_first: bool = False
    described: bool = False
    crosses: bool = False

    @property
    def main_signals(self) -> list[Signal]:
        """Signals of the larger part; of the whole on contrasts where nothing is said of that part."""
        said = {signal.contrast for signal in self.larger_signals}
        return self.larger_signals + [signal for signal in self.signals if signal.contrast not in said]

    def covers(self, places: Sequence[Place]) -> bool:
        """True when none of `places` is new."""
        known = {(place.area, place.side) for place in self.places}
        return all((place.area, place.side) in known or (place.area, "bilateral") in known for place in places)

    def add(self, signal: Signal) -> None:
        """Adds what is said of a contrast."""
        (self.larger_signals if self.larger else self.signals).append(signal)
        self.described = True

    def absorb(self, other: Frame) -> None:
        """Adds all that another frame says of the same lesion."""
        self.signals += other.signals
        self.larger_signals += other.larger_signals
        self.enhancements += other.enhancements
        self.multiple += other.multiple
        self.lesion_type = self.lesion_type or other.lesion_type

    def lesion(self) -> Lesion:
        """The lesion as it is given out; enhancement is what T1c shows."""
        signals: dict[str, str] = {}
        for signal in self.main_signals:
            if signal.contrast not in _READ:
                continue
            known = signals.setdefault(signal.contrast, signal.phrase)
            if known != signal.phrase and polarity_of(self.main_signals, signal.contrast) == MIXED:
                signals[signal.contrast] = "mixed signal"
        shown = [item for item in self.enhancements if item.present]
        if shown:
            signals[T1C] = shown[0].phrase
        enhancement = "present" if shown else "absent" if self.enhancements else ""
        return Lesion(tuple(dict.fromkeys(self.places)), signals, self.lesion_type, bool(self.multiple), enhancement)


def polarity_of(signals: Sequence[Signal], contrast: str) -> str:
    """Polarity of a contrast over all that is said of it; two different ones are mixed."""
    polarities = {signal.polarity for signal in signals if signal.contrast == contrast} - {UNEVEN}
    return polarities.pop() if len(polarities) == 1 else MIXED


def merged(frames: Sequence[Frame]) -> list[Frame]:
    """Frames with what belongs together put together.

    A frame without a place goes to the one before it. One with the places of an earlier one goes to that when only
    one of the two has signals: an impression names again what was described.
    """
    kept: list[Frame] = []
    for frame in frames:
        same = next((one for one in kept if _again(one, frame)), None)
        if same is None and kept and not frame.places:
            same = kept[-1]
        if same is not None:
            same.absorb(frame)
        else:
            kept.append(frame)
    return kept


def _again(one: Frame, other: Frame) -> bool:
    if {(place.area, place.side) for place in one.places} != {(place.area, place.side) for place in other.places}:
        return False
    types = {one.lesion_type, other.lesion_type} - {""}
    return len(types) < 2 and bool(one.places) and not (one.main_signals and other.main_signals)


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
        self.lesion_type = ""
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
        for event in events:
            getattr(self, f"_{event.kind}")(event.value)  # a method a kind
        frame = self.frame or (self._begin() if self.lesion_type else None)
        if frame is not None:
            self._hand_over(frame)

    def _begin(self, signal_first: bool = False) -> Frame:
        frame = Frame(sentence=self.number, signal_first=signal_first)
        self.frames.append(frame)
        return frame

    def _hand_over(self, frame: Frame) -> None:
        frame.lesion_type = frame.lesion_type or self.lesion_type
        frame.multiple += self.multiple
        frame.enhancements += self.enhancements
        self.lesion_type, self.multiple, self.enhancements = "", [], []

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
            return False
        if frame.sentence == self.number:
            return frame.described
        return bool(self.introduces or self.lesion_type or not frame.covers(places))

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
            self.lesion_type = name

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


def _is_new(sentence: Sentence, index: int, known: Lexicon) -> bool:
    """True when a lesion is spoken of for the first time: "a mass", "two nodules", not "the mass"."""
    first = sentence.marks[index].first
    words = sentence.words[max(0, first - _REACH_OF_ARTICLE) : first]
    counted = any(mark.kind == "multiple" and first - mark.last < _REACH_OF_ARTICLE for mark in sentence.marks[:index])
    determiner = next((word for word in reversed(words) if word == "the" or word in known.words["article"]), "")
    return counted or determiner in known.words["article"]
