"""Places that a sentence gives lesions: regions with their sides (rules 1 to 9 of the annotation guide)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from selip.reports.extraction.lexicon import Lexicon, Sentence
from selip.reports.extraction.report_facts import UNSPECIFIED, Place, Span
from selip.reports.extraction.surroundings import CONTENT, SIDES, beside_region, is_healthy, is_of_stranger

_MIDLINE = "midline"
_FALX = "falx/parasagittal"
_LIST_ENDS = frozenset({"contrast", "type"})


class Located(NamedTuple):
    """A place and the number of the mark of its region."""

    at: int
    place: Place


class _Side(NamedTuple):
    name: str
    mark: int | None = None


def places_of(sentence: Sentence, taken: frozenset[int], denied: frozenset[int], known: Lexicon) -> list[Located]:
    """The places of lesions in a sentence, in their order.

    `taken` are numbers of regions that are not places of lesions, `denied` numbers of the marks that are denied.
    """
    marks = sentence.marks
    content = [index for index, mark in enumerate(marks) if mark.kind in CONTENT]
    if all(index in denied for index in content):
        return []
    sides = _sides(sentence, known)
    near = _near_ventricle(sentence, known)
    found = []
    for index, side in sides.items():
        if (
            index in taken
            or _only_side(sentence, index, known)
            or _denied_there(sentence, index, content, denied, known)
            or _unreached(sentence, index, known)
            or is_healthy(sentence, index, denied, known)
            or is_of_stranger(sentence, index, content, known)
        ):
            continue
        region = "periventricular white matter" if index in near else marks[index].value
        spans = tuple(sorted({_span(sentence, at) for at in (index, side.mark) if at is not None}))
        found += [Located(index, place) for place in _parts(region, side, spans, known)]
    exact = [item for item in found if item.place.region not in known.vague]
    return _named_once(exact or found)


def _parts(region: str, side: _Side, spans: tuple[Span, ...], known: Lexicon) -> Iterator[Place]:
    """The region; of one that stands for several, as the posterior fossa, each of them."""
    for part in known.parts.get(region, (region,)):
        middle = part != region and part in known.unpaired and side.name == UNSPECIFIED
        yield Place(part, _MIDLINE if middle else side.name, known.area[part], spans)


def _named_once(found: list[Located]) -> list[Located]:
    """Without what names again, with no side, a region that a side was given before: "left pons ... brainstem"."""
    kept: list[Located] = []
    for item in found:
        before = {one.place.region for one in kept if one.place.area == item.place.area}
        general = item.place.side == UNSPECIFIED or item.place.region in {item.place.area, *before}
        if not before or not general or len(item.place.spans) > 1:
            kept.append(item)
    return kept


def _only_side(sentence: Sentence, index: int, known: Lexicon) -> bool:
    """True when a hemisphere only gives another region its side: "the white matter of both hemispheres"."""
    marks = sentence.marks
    at = index - 1
    while at >= 0 and marks[at].kind in SIDES:
        at -= 1
    if at < 0 or marks[at].kind != "region" or known.area[marks[index].value] != "cerebral hemisphere":
        return False
    words = known.words
    gap = sentence.words[marks[at].last : marks[index].first]
    joined = not (words["comma"] | words["join"]).isdisjoint(gap)
    return not joined and not words["relation"].isdisjoint(gap)


def _span(sentence: Sentence, index: int) -> Span:
    return sentence.marks[index].start, sentence.marks[index].end


def _denied_there(sentence: Sentence, index: int, content: list[int], denied: frozenset[int], known: Lexicon) -> bool:
    """True when what is said before a region is denied of it: "no lesion in the cerebellum"."""
    before = max((at for at in content if at < index and sentence.marks[at].value != "denied"), default=None)
    if before is None or before not in denied or _leads_to_lesion(sentence, index, content, denied, known):
        return False
    if _described_before(sentence, before, content, denied, known):
        return False
    words = sentence.words[sentence.marks[before].last : sentence.marks[index].first]
    return known.words["comma"].isdisjoint(words) and known.words["break"].isdisjoint(words)


def _described_before(
    sentence: Sentence, index: int, content: list[int], denied: frozenset[int], known: Lexicon
) -> bool:
    """True when a lesion without a place yet is named right before what is denied: "infarct without haemorrhage in"."""
    earlier = max((at for at in content if at < index), default=None)
    if earlier is None or earlier in denied or any(mark.kind == "region" for mark in sentence.marks[:index]):
        return False
    words = sentence.words[sentence.marks[earlier].last : sentence.marks[index].first]
    return known.words["comma"].isdisjoint(words) and known.words["join"].isdisjoint(words) and "but" not in words


def _leads_to_lesion(
    sentence: Sentence, index: int, content: list[int], denied: frozenset[int], known: Lexicon
) -> bool:
    """True when a region is that of a lesion right behind it that is there: "no oedema around the frontal mass"."""
    after = next((at for at in content if at > index), None)
    if after is None or after in denied:
        return False
    words = sentence.words[sentence.marks[index].last : sentence.marks[after].first]
    return all(word not in known.words[kind] for word in words for kind in ("comma", "break", "preposition", "join"))


def _unreached(sentence: Sentence, index: int, known: Lexicon) -> bool:
    """True when a lesion is said not to reach a region: "does not extend into the cavernous sinus"."""
    marks, words = sentence.marks, known.words
    negation = next((mark for mark in reversed(marks[:index]) if mark.kind in {"negation", *CONTENT}), None)
    if negation is None or negation.kind != "negation":
        return False
    gap = sentence.words[negation.last : marks[index].first]
    return not words["reach"].isdisjoint(gap) and (words["comma"] | words["break"]).isdisjoint(gap)


def _sides(sentence: Sentence, known: Lexicon) -> dict[int, _Side]:
    """Number of each region's mark to its side; a side holds for the list of regions behind it up to the next one."""
    marks, found, carried = sentence.marks, dict[int, _Side](), _Side(UNSPECIFIED)
    for index, mark in enumerate(marks):
        if mark.kind == "larger" or (mark.kind in _LIST_ENDS and found):
            carried = _Side(UNSPECIFIED)
        elif mark.kind == "side" or (mark.kind == "direction" and beside_region(sentence, index)):
            behind = _regions_before(sentence, index, found, known)
            found.update(dict.fromkeys(behind, _Side(mark.value, index)))
            carried = carried if behind else _Side(mark.value, index)
        elif mark.kind == "region":
            own = index > 0 and marks[index - 1].kind in SIDES and carried.mark == index - 1
            apart = mark.value in known.unpaired and not own
            found[index] = _Side(_MIDLINE) if apart else carried
    _share_sides(sentence, found, known)
    return found


def _regions_before(sentence: Sentence, index: int, found: dict[int, _Side], known: Lexicon) -> list[int]:
    """Regions that a side word behind them belongs to: "the frontal and parietal lobes on the left"."""
    marks, words = sentence.marks, known.words
    gap = sentence.between(index)
    compares = marks[index].value == "bilateral" and marks[index].last - marks[index].first > 1  # ", left > right"
    leads = known.spaced and words["side_behind"].isdisjoint(gap) and not compares
    leads = leads and sentence.words[marks[index].first] != "bilaterally"
    last = index - 1
    while not leads and last > 0 and marks[last].kind in {"lesion", "type"} and sentence.between(last) in ([], [":"]):
        last -= 1
    if not index or marks[last].kind != "region" or leads or not (compares or words["comma"].isdisjoint(gap)):
        return []
    if index + 1 < len(marks) and marks[index + 1].kind == "region":
        ahead = sentence.between(index + 1)
        if words["comma"].isdisjoint(ahead) and words["join"].isdisjoint(ahead):
            return []
    behind, at = [], last
    while at >= 0 and marks[at].kind == "region" and found[at].mark is None:
        behind.append(at)
        at -= 1
    return behind


def _share_sides(sentence: Sentence, found: dict[int, _Side], known: Lexicon) -> None:
    """Give a region without a side that of what it belongs to: "the horn of the left ventricle"."""
    marks = sentence.marks
    for one, other in zip(found, list(found)[1:], strict=False):
        words = sentence.words[marks[one].last : marks[other].first]
        related = not words or not known.words["relation"].isdisjoint(words)
        if not related or not known.words["comma"].isdisjoint(words) or not known.words["join"].isdisjoint(words):
            continue
        same = known.area[marks[one].value] == known.area[marks[other].value]
        sideless = found[one].mark is None and _takes_side(marks[one].value, known)
        if (found[other].mark or -1) > one and (same or sideless):
            found[one] = found[other]
        elif found[other].mark is None and known.area[marks[other].value] == _FALX and found[one].mark is not None:
            found[other] = found[one]


def _takes_side(region: str, known: Lexicon) -> bool:
    return region not in known.unpaired or known.area[region] == _FALX


def _near_ventricle(sentence: Sentence, known: Lexicon) -> frozenset[int]:
    """Numbers of the lateral ventricles (and their horns) that a lesion is beside, not in."""
    marks, found = sentence.marks, set[int]()
    for index, mark in enumerate(marks):
        if mark.kind != "region" or known.area[mark.value] != "lateral ventricle":
            continue
        at = index - 1
        if at >= 0 and marks[at].kind in SIDES:
            at -= 1
        if at >= 0 and (at in found or (marks[at].kind in {"near", "zone"} and beside_region(sentence, at))):
            found.add(index)
    return frozenset(found)
