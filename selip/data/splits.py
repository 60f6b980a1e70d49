"""Patient-level train / val / test splits and their fingerprint."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np

SPLITS = ("train", "val", "test")
LEFT_OUT = "left out"
"""Part of what a run leaves out on purpose; no cohort on disk has it."""


def assign_splits(
    patients: Sequence[str], strata: Sequence[str], seed: int, fractions: tuple[float, float, float] = (0.7, 0.1, 0.2)
) -> dict[str, str]:
    """Splits patients at random, stratified, so that all repeats of a patient fall in one part.

    Args:
        patients: Patient ids; repeats are allowed and count once (the smallest of their strata is used).
        strata: Stratum of each entry of `patients`, as its label set.
        seed: Seed of the shuffle. The result does not depend on the order of `patients`.
        fractions: Shares of train, val and test, summing to 1.

    Returns:
        Patient id to "train", "val" or "test".
    """
    stratum_of: dict[str, str] = {}
    for patient, stratum in zip(patients, strata, strict=True):
        stratum_of[patient] = min(stratum, stratum_of.get(patient, stratum))
    shuffled = np.random.default_rng(seed).permutation(np.array(sorted(stratum_of), dtype=object))
    # Patients of a stratum are neighbours in this order, and each part takes an even comb of it: every stratum gets
    # its share to about one patient, also where strata are smaller than 1 / fraction.
    ordered = sorted(shuffled, key=lambda patient: stratum_of[patient])
    quota = np.cumsum(np.tile(fractions, (len(ordered), 1)), axis=0)
    taken = np.zeros(len(fractions))
    result = {}
    for patient, target in zip(ordered, quota, strict=True):
        part = int(np.argmax(target - taken))
        taken[part] += 1
        result[str(patient)] = SPLITS[part]
    return result


def split_fingerprint(splits: Mapping[str, str]) -> str:
    """SHA-256 (hex) of the sorted patient ids with the names of their parts."""
    lines = "".join(f"{patient}\t{splits[patient]}\n" for patient in sorted(splits))
    return hashlib.sha256(lines.encode()).hexdigest()
