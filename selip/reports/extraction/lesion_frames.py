"""Lesions while they are read: places, signals and signs that belong together, sentence by sentence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from selip.data.findings import CONTRASTS
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
        if same is None and kept and not frame.places and frame.lesion_type in ("", kept[-1].lesion_type):
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
