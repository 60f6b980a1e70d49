from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selip.data.splits import SPLITS, assign_splits, split_fingerprint

FRACTIONS = (0.7, 0.1, 0.2)


def cohort(n: int, n_strata: int = 3) -> tuple[list[str], list[str]]:
    return [f"p{k:04d}" for k in range(n)], [f"label {k % n_strata}" for k in range(n)]


@settings(max_examples=40, deadline=None, derandomize=True)
@given(n=st.integers(1, 300), seed=st.integers(0, 1000), n_strata=st.integers(1, 12))
def test_parts_have_their_shares_overall_and_in_every_stratum(n, seed, n_strata):
    patients, strata = cohort(n, n_strata)
    splits = assign_splits(patients, strata, seed)
    assert set(splits) == set(patients)
    for part, fraction in zip(SPLITS, FRACTIONS, strict=True):
        assert abs(Counter(splits.values())[part] - fraction * n) <= 1
        for stratum in set(strata):
            members = [patient for patient, label in zip(patients, strata, strict=True) if label == stratum]
            assert abs(sum(splits[patient] == part for patient in members) - fraction * len(members)) < 2


def test_the_seed_decides():
    patients, strata = cohort(60)
    assert assign_splits(patients, strata, 1) == assign_splits(patients, strata, 1)
    assert assign_splits(patients, strata, 1) != assign_splits(patients, strata, 2)


@settings(max_examples=20, deadline=None, derandomize=True)
@given(st.randoms(use_true_random=False))
def test_order_and_repeats_of_patients_do_not_matter(random):
    patients, strata = cohort(40)
    pairs = list(zip(patients, strata, strict=True)) + [(patients[3], strata[3])] * 2 + [(patients[5], strata[5])]
    random.shuffle(pairs)
    assert assign_splits(*zip(*pairs, strict=True), seed=0) == assign_splits(patients, strata, seed=0)


def test_a_patient_in_two_strata_is_in_one_part_whatever_comes_first():
    patients, strata = cohort(30)
    forward = assign_splits([*patients, "p0000"], [*strata, "zebra"], 0)
    assert forward == assign_splits(["p0000", *patients], ["zebra", *strata], 0)


def test_other_fractions_are_kept():
    patients, strata = cohort(50)
    assert Counter(assign_splits(patients, strata, 0, (0.5, 0.0, 0.5)).values()) == {"train": 25, "test": 25}


def test_the_fingerprint_is_of_patients_and_parts_not_of_order():
    splits = assign_splits(*cohort(20), 0)
    assert split_fingerprint(splits) == split_fingerprint(dict(reversed(splits.items())))
    assert len(split_fingerprint(splits)) == 64


@pytest.mark.parametrize("change", ["part", "name", "fewer", "more"])
def test_the_fingerprint_feels_every_change(change):
    splits = assign_splits(*cohort(20), 0)
    changed = dict(splits)
    part = changed.pop("p0007")
    if change == "part":
        changed["p0007"] = "val" if part != "val" else "test"
    elif change == "name":
        changed["p0007 "] = part
    elif change == "more":
        changed |= {"p0007": part, "p9999": "train"}
    assert split_fingerprint(changed) != split_fingerprint(splits)
