"""Findings from a report, by a lexicon and a grammar: no weights, the same text always gives the same facts.

Reading goes sentence by sentence. Words become marks (extraction_lexicon), marks become statements about places,
signals and signs (extraction_places, extraction_signals, extraction_scope), statements become lesions
(extraction_lesions).
The wording of a language lies in wording/<language>.yaml.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from importlib.resources import files

import yaml

from selip.reports.extraction.lesion_frames import Frame, polarity_of
from selip.reports.extraction.lesions import LesionReading, read
from selip.reports.extraction.lexicon import LANGUAGES, lexicon, sentences
from selip.reports.extraction.report_facts import UNSPECIFIED, Extraction, Fact, Lesion, Place, Span
from selip.reports.extraction.study_state import strange_words, understood

__all__ = ["LANGUAGES", "Extraction", "Fact", "Lesion", "Place", "extract"]

_CONTRASTS = ("T1", "T2", "FLAIR", "DWI", "ADC")
_SIGNS = ("enhancement", "edema", "midline_shift", "ventricle_compression")
_FALX = "falx/parasagittal"
_Node = tuple[str, str]
"""A region and its side."""


def extract(text: str, language: str = "en") -> Extraction:
    """Extract all that a report says.

    Returns:
        Its facts and lesions; nothing is recognised in a text about other matters.

    Raises:
        InputError: When there is no wording for the language.
    """
    known = lexicon(language)
    reading = read(sentences(text, known), known)
    lesions = tuple(frame.lesion() for frame in reading.frames)
    doubted = tuple(frame.lesion() for frame in reading.doubted)
    facts = tuple(_facts(reading))
    denied = tuple(dict.fromkeys(_denied(reading)))
    if lesions or any(fact.values == ("present",) for fact in facts):
        return Extraction(text, facts, lesions, False, strange_words(reading.sentences, known), doubted, denied)
    normal, words = understood(reading.sentences, known)
    return Extraction(text, facts, lesions, normal and not doubted, words, doubted, denied)


def _denied(reading: LesionReading) -> Iterator[str]:
    """Lesion types that are denied by name, other lesions by the words for them."""
    for sentence, unsaid in reading.sentences:
        if not unsaid.denied:
            continue
        for mark in (sentence.marks[index] for index in sorted(unsaid.denied)):
            if mark.kind == "type":
                yield mark.value
            elif mark.kind == "lesion" and mark.value != "adjective":
                yield " ".join(sentence.words[mark.first : mark.last])


def _facts(reading: LesionReading) -> Iterator[Fact]:
    frames = reading.frames
    yield from _locations(frames)
    yield from _signals(frames)
    for kind in _SIGNS:
        said = [sign for sign in reading.signs if sign.kind == kind]
        if said:
            present = any(sign.present for sign in said)
            spans = (span for sign in said if sign.present == present for span in sign.spans)
            yield Fact(kind, ("present" if present else "absent",), _ordered(spans))
    yield from _multiplicity(frames)


def _locations(frames: Sequence[Frame]) -> Iterator[Fact]:
    spans: dict[tuple[str, str], list[Span]] = {}
    for frame in frames:
        for place in frame.places:
            spans.setdefault((place.side, place.area), []).extend(place.spans)
    yield from (Fact("location", values, _ordered(some)) for values, some in spans.items())


def _signals(frames: Sequence[Frame]) -> Iterator[Fact]:
    """Signals of the main lesion: the first that is described."""
    main = next((frame for frame in frames if frame.main_signals or frame.enhancements), None)
    signals = main.main_signals if main else []
    for contrast in _CONTRASTS:
        said = [signal for signal in signals if signal.contrast == contrast]
        if said:
            spans = _ordered(span for signal in said for span in signal.spans)
            yield Fact("signal", (contrast, polarity_of(said, contrast)), spans)


def _multiplicity(frames: Sequence[Frame]) -> Iterator[Fact]:
    """Said, or several lesions with a place of their own, or places that do not touch."""
    spans = [span for frame in frames for span in frame.multiple]
    placed = [frame for frame in frames if frame.places]
    if spans or len(placed) > 1 or (placed and not placed[0].crosses and apart(placed[0].places)):
        shown = spans or [span for frame in placed for place in frame.places for span in place.spans]
        yield Fact("multiplicity", ("multiple",), _ordered(shown))


def _ordered(spans: Iterable[Span]) -> tuple[Span, ...]:
    return tuple(sorted(set(spans)))


@cache
def _touching() -> tuple[frozenset[str], list[frozenset[str]]]:
    """Regions that reach across the midline, and groups of regions that touch."""
    file = files("selip.reports.extraction") / "touching_regions.yaml"
    data = yaml.safe_load(file.read_text(encoding="utf-8"))
    groups = [*data["groups"], *([*data["deep"], *others] for others in data["with_deep"])]
    return frozenset(data["across_midline"]), [*map(frozenset, groups)]


def apart(places: Sequence[Place]) -> bool:
    """True when places are in more than one piece: not every one is reached from the first by regions that touch."""
    nodes = {node for place in places for node in _nodes(place)}
    reached: set[_Node] = set()
    edge = {min(nodes)} if nodes else set()
    while edge:
        reached |= edge
        edge = {node for node in nodes - reached if any(_touch(node, other) for other in edge)}
    return reached != nodes


def _nodes(place: Place) -> list[_Node]:
    """A bilateral place is two, unless the region itself reaches across the midline."""
    if place.area in _touching()[0]:
        return [(place.area, "midline")]
    area = place.region if place.area == "other" or (place.area == _FALX and place.side == "midline") else place.area
    return [(area, side) for side in (("left", "right") if place.side == "bilateral" else (place.side,))]


def _touch(one: _Node, other: _Node) -> bool:
    sides = {one[1], other[1]}
    if sides == {"left", "right"}:
        return False
    same = one[0] == other[0] and bool(sides & {UNSPECIFIED, "midline"})
    return same or any(one[0] in group and other[0] in group for group in _touching()[1])
