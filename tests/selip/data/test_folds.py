"""Folds: every patient is scored once, by what never saw them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from selip.data.contrast_mapping import without_left_out
from selip.data.folds import fold_cohort, patient_folds
from selip.data.splits import LEFT_OUT
from selip.system.errors import InputError


def test_every_patient_is_in_the_test_part_of_one_fold_and_in_no_other_part_of_it(small_cohort):
    folds = patient_folds(small_cohort, 5, 0)
    tested = []
    for fold in range(1, 6):
        cohort = fold_cohort(small_cohort, folds, fold, 0)
        assert cohort.fold == f"{fold} of 5"
        parts = cohort.studies.groupby("patient_id")["split"].nunique()
        assert parts.max() == 1
        shares = cohort.studies["split"].value_counts(normalize=True)
        assert shares["test"] == pytest.approx(0.2, abs=0.05)
        assert shares["val"] == pytest.approx(0.1, abs=0.05)
        tested += sorted(cohort.studies.loc[cohort.studies["split"] == "test", "patient_id"])
        assert set(cohort.volumes["split"]) == {"train", "val", "test"}
    assert sorted(tested) == sorted(small_cohort.studies["patient_id"])


def test_folds_are_stratified_and_have_one_fingerprint_that_the_seed_decides(small_cohort):
    folds = patient_folds(small_cohort, 4, 0)
    labels = dict(zip(small_cohort.studies["patient_id"], small_cohort.studies["labels"], strict=True))
    commonest = max(set(labels.values()), key=[*labels.values()].count)
    counts = [sum(folds[one] == fold for one in folds if labels[one] == commonest) for fold in range(1, 5)]
    assert max(counts) - min(counts) <= 1
    prints = {fold_cohort(small_cohort, folds, fold, 0).info.split_fingerprint for fold in (1, 2)}
    assert len(prints) == 1
    other = fold_cohort(small_cohort, patient_folds(small_cohort, 4, 1), 1, 0).info.split_fingerprint
    assert other not in {*prints, small_cohort.info.split_fingerprint}


def test_the_folds_of_the_cohort_are_taken_or_refused(small_cohort):
    names = [f"f{int(patient[1:]) % 3}" for patient in small_cohort.studies["patient_id"]]
    own = replace(small_cohort, studies=small_cohort.studies.assign(fold=names))
    folds = patient_folds(own, 3, 0)
    assert {(name, folds[patient]) for name, patient in zip(names, own.studies["patient_id"], strict=True)} == {
        ("f0", 1), ("f1", 2), ("f2", 3),
    }  # fmt: skip
    for cohort, count, words in ((own, 5, "has 3 folds"), (small_cohort, 61, "60 patients")):
        with pytest.raises(InputError, match=words):
            patient_folds(cohort, count, 0)
    with pytest.raises(InputError, match="1 to 3"):
        fold_cohort(own, folds, 4, 0)


def test_contrasts_that_are_left_out_are_in_no_part_of_any_fold(small_cohort):
    gone = small_cohort.volumes["contrast"].iloc[0]
    kept = without_left_out(small_cohort, {gone: None})
    folds = patient_folds(kept, 3, 0)
    for fold in (1, 2, 3):
        cohort = fold_cohort(kept, folds, fold, 0)
        left_out = cohort.volumes["split"] == LEFT_OUT
        assert (left_out == (cohort.volumes["contrast"] == gone)).all()
        assert (cohort.studies["split"] == LEFT_OUT).equals(kept.studies["split"] == LEFT_OUT)
