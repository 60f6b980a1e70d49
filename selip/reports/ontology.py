"""Regions of the head as a tree and signal words on a scale, to grade how alike two clauses are.

The terms lie in ontology.yaml: compartment, structure (a lobe, the thalamus, the brainstem) and region below it. Two
different regions are as alike as the level that they share: 2/3 for the same structure, 1/3 for the same compartment
(the cerebral hemispheres, the infratentorial brain, the fluid spaces, ...), else 0. The tree and its grades are ours.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

DEPTH = 3
NO_SIDE = "midline"
_SIDE_WORDS = {"left": "left", "right": "right"} | dict.fromkeys(("bilateral", "bilaterally", "both"), "bilateral")

SidedRegion = tuple[str, str]
"""Canonical region and side ("left", "right", "bilateral", or "midline" where none is said)."""


@dataclass(frozen=True)
class Ontology:
    """The terms of ontology.yaml.

    Attributes:
        path: Canonical region to its path from the compartment down to itself, 1 to DEPTH names.
        region: Any term to its canonical region.
        signal: Signal word to its scale and its place on it, in [-1, 1].
        weakening: Words that halve the signal word behind them.
        pattern: Finds side words (group "side") and terms (group "region"), the longest term first.
    """

    path: Mapping[str, tuple[str, ...]]
    region: Mapping[str, str]
    signal: Mapping[str, tuple[str, float]]
    weakening: frozenset[str]
    pattern: re.Pattern[str]


@cache
def ontology() -> Ontology:
    """The packaged ontology, read once."""
    data = yaml.safe_load((files("selip.reports") / "ontology.yaml").read_text(encoding="utf-8"))
    path, region = {}, {}
    for names, place in _branches(data["regions"]):
        path[names[0]] = place
        region.update({_plain(name): names[0] for name in names})
    signal = {word: (scale, float(at)) for scale, words in data["signals"].items() for word, at in words.items()}
    terms = "|".join(map(re.escape, sorted(region, key=len, reverse=True)))
    pattern = re.compile(rf"\b(?:(?P<side>{'|'.join(_SIDE_WORDS)})|(?P<region>{terms})(?:e?s)?)\b")
    return Ontology(path, region, signal, frozenset(data["weakening"]), pattern)


def _branches(tree: Any, above: tuple[str, ...] = ()) -> Iterator[tuple[list[str], tuple[str, ...]]]:  # noqa: ANN401
    """Names of every node of the nested mappings and lists of YAML, with its path."""
    for key in tree:
        names = key.split(", ")
        place = (*above, names[0])
        yield names, place
        yield from _branches(tree[key] if isinstance(tree, dict) else (), place)


def _plain(text: str) -> str:
    return re.sub(r"\bthe ", "", text.lower().replace("-", " "))


def places(location: str) -> frozenset[SidedRegion]:
    """Places that a location names; empty when no term of it is known.

    A side word holds for the regions behind it, up to the next side word, so "left frontal and right parietal lobe" is
    not its mirror image; one behind all regions ("thalamus on the right") holds for all of them.
    """
    known, found, side, region_between = ontology(), [], NO_SIDE, True
    for match in known.pattern.finditer(_plain(location)):
        if match["side"]:
            said = _SIDE_WORDS[match["side"]]
            side = said if region_between or said == side else "bilateral"
        else:
            found.append((known.region[match["region"]], side))
        region_between = bool(match["region"])
    if all(where == NO_SIDE for _, where in found):
        found = [(region, side) for region, _ in found]
    return frozenset(found)


def place_grade(a: SidedRegion, b: SidedRegion) -> float:
    """Likeness of two places, in [0, 1]: the grade of the regions, times 1, 3/4 or 1/2 by agreement of the sides.

    The side counts only where the regions are alike. A bilateral or unsaid side agrees half with any other.
    """
    sides = {a[1], b[1]}
    factor = 1.0 if len(sides) == 1 else 0.5 if sides == {"left", "right"} else 0.75
    return factor * region_grade(a[0], b[0])


def region_grade(a: str, b: str) -> float:
    """1 for the same canonical region, else the number of levels that two regions share over LEVELS."""
    if a == b:
        return 1.0
    pairs = zip(ontology().path[a], ontology().path[b], strict=False)
    return sum(one == other for one, other in pairs) / DEPTH


def signal_place(signal: str) -> tuple[str, float] | None:
    """Scale and place in [-1, 1] of the first signal word of a phrase, halved behind "slightly"; None when unknown."""
    known, words = ontology(), signal.lower().split()
    first = next((number for number, word in enumerate(words) if word in known.signal), None)
    if first is None:
        return None
    scale, at = known.signal[words[first]]
    return scale, at / 2 if known.weakening & set(words[:first]) else at
