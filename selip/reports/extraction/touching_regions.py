"""Regions that touch, to tell one lesion that spreads from lesions in several places."""

from __future__ import annotations

from collections.abc import Sequence

from selip.reports.extraction.report_facts import UNSPECIFIED, Place

_FALX, _MIDDLE_FALX = "falx/parasagittal", "falx"
_ONE = frozenset({"corpus callosum", "brainstem", "third ventricle", "fourth ventricle", "sellar region"})
_DEEP = frozenset({
    "insula", "cingulate", "basal ganglia", "thalamus", "internal capsule", "corona radiata", "centrum semiovale",
    "corpus callosum", "hippocampus", "lateral ventricle", "third ventricle", "periventricular", "cerebral hemisphere",
    "septum pellucidum", "external capsule", "sylvian fissure", "hypothalamus",
})  # fmt: skip
_GROUPS = (
    _DEEP | {"frontal lobe", "parietal lobe", "temporal lobe"},
    _DEEP | {"parietal lobe", "temporal lobe", "occipital lobe"},
    frozenset({
        "cerebellum", "brainstem", "fourth ventricle", "cerebellopontine angle", "tentorium", "skull base",
        "basal cistern",
    }),
    frozenset({"brainstem", "thalamus", "basal ganglia", "hippocampus", "internal capsule", "third ventricle"}),
    frozenset({"tentorium", "temporal lobe", "occipital lobe"}),
    frozenset({_FALX, "frontal lobe", "parietal lobe", "corpus callosum", "convexity/calvaria", "cingulate"}),
    frozenset({_FALX, "parietal lobe", "occipital lobe", "cerebral hemisphere", "tentorium"}),
    frozenset({_FALX, "skull base", "olfactory groove", "sellar region"}),
    frozenset({_MIDDLE_FALX, "frontal lobe", "parietal lobe", "corpus callosum", "skull base", "cerebral hemisphere"}),
    frozenset({"skull base", "sellar region", "cavernous sinus", "sphenoid ridge", "olfactory groove", "frontal lobe"}),
    frozenset({"skull base", "sellar region", "cavernous sinus", "sphenoid ridge", "temporal lobe", "brainstem"}),
)  # fmt: skip
_Node = tuple[str, str]


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
    if place.area in _ONE:
        return [(place.area, "midline")]
    area = place.region if place.area == "other" or (place.area == _FALX and place.side == "midline") else place.area
    return [(area, side) for side in (("left", "right") if place.side == "bilateral" else (place.side,))]


def _touch(one: _Node, other: _Node) -> bool:
    sides = {one[1], other[1]}
    if sides == {"left", "right"}:
        return False
    same = one[0] == other[0] and bool(sides & {UNSPECIFIED, "midline"})
    return same or any(one[0] in group and other[0] in group for group in _GROUPS)
