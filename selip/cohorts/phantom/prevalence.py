"""Prevalence of the combinations of lesion type and region: how one is drawn, and which ones only test has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import cache

import numpy as np

from selip.cohorts.phantom.lesions import Kind, kinds_shown
from selip.cohorts.phantom.profiles import Profile

HELD_OUT_STREAM = 5
Combination = tuple[str, str]
"""Lesion type and whole region."""


def pick_kind(kinds: Sequence[Kind], tail: float, rng: np.random.Generator) -> Kind:
    """A type, drawn by weight ** (1 + tail)."""
    weights = np.array([kind.weight for kind in kinds]) ** (1 + tail)
    return kinds[rng.choice(len(kinds), p=weights / weights.sum())]


def pick_region(regions: Sequence[str], tail: float, rng: np.random.Generator) -> str:
    """A region, drawn by 1 / position ** tail."""
    if not tail:
        return regions[int(rng.integers(len(regions)))]
    weights = np.arange(1, len(regions) + 1) ** -tail
    return regions[rng.choice(len(regions), p=weights / weights.sum())]


@cache
def held_out(profile: Profile, seed: int) -> frozenset[Combination]:
    """Combinations that no patient of train or val has, about the share `profile.held_out` of all.

    Each type keeps another region and each region another type, so that nothing but their meeting is new in test.
    """
    kinds = kinds_shown(profile.contrasts, profile.regions, profile.lesion_types)
    every = [
        (kind.name, region)
        for kind in kinds
        for region in kind.regions
        if not profile.regions or region in profile.regions
    ]
    left = Counter(name for pair in every for name in pair)
    found: set[Combination] = set()
    rng = np.random.default_rng(np.random.SeedSequence((seed, HELD_OUT_STREAM)))
    for number in rng.permutation(len(every)):
        pair = every[number]
        if len(found) < round(profile.held_out * len(every)) and min(left[name] for name in pair) > 1:
            found.add(pair)
            left.subtract(pair)
    return frozenset(found)
