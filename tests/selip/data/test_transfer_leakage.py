"""Leakage between two cohorts: everything where one trains on what the other tests, nothing on a sound split."""

from __future__ import annotations

from dataclasses import replace

import pytest

from selip.data.leakage_audit import crossing_audit

SWAPPED = {"train": "test", "test": "train", "val": "val"}


def swapped(cohort):
    """The cohort with train as its test part."""
    tables = {name: getattr(cohort, name) for name in ("studies", "volumes")}
    return replace(cohort, **{name: table.assign(split=table["split"].map(SWAPPED)) for name, table in tables.items()})


def renamed(cohort, name="measured", synthetic=False):
    return replace(cohort, info=replace(cohort.info, name=name, synthetic=synthetic))


def test_a_sound_split_has_nothing_of_itself_across_parts(small_cohort):
    found = crossing_audit(small_cohort, small_cohort)
    assert (found.shared_ids, found.identical_volumes) == ([], [])


def test_all_of_a_test_part_that_training_has_seen_is_found(small_cohort):
    found = crossing_audit(small_cohort, swapped(small_cohort))
    train = small_cohort.volumes.iloc[small_cohort.rows("train")]
    assert sorted(found.identical_volumes) == sorted((name, name) for name in train["volume_id"])
    assert found.shared_ids == sorted(set(train["patient_id"]))
    written = small_cohort.studies[(small_cohort.studies["split"] == "train") & (small_cohort.studies["report"] != "")]
    assert [study for study, _ in found.near_duplicate_reports] == written["study_id"].tolist()


def test_val_of_training_counts_as_seen_and_train_of_the_scored_cohort_does_not(small_cohort):
    volumes, studies = small_cohort.volumes, small_cohort.studies
    only_val = replace(
        small_cohort,
        studies=studies.assign(split=studies["split"].replace("val", "test").where(studies["split"] == "val", "train")),
        volumes=volumes.assign(split=volumes["split"].replace("val", "test").where(volumes["split"] == "val", "train")),
    )
    found = crossing_audit(small_cohort, only_val)
    assert {name for _, name in found.identical_volumes} == set(volumes.loc[volumes["split"] == "val", "volume_id"])


@pytest.mark.parametrize(
    ("first", "second", "ids"),
    [
        (("a", False), ("a", False), "same source"),
        (("a", False), ("b", False), "other source"),
        (("a", True), ("a", True), "counters"),
        (("a", False), ("b", True), "counters"),
    ],
)
def test_what_the_same_id_means_depends_on_where_it_comes_from(small_cohort, first, second, ids):
    assert crossing_audit(renamed(small_cohort, *first), renamed(small_cohort, *second)).ids == ids


def test_cohorts_that_are_called_alike_are_told_apart_by_their_hash(small_cohort):
    other = replace(small_cohort, info=replace(small_cohort.info, content_hash="f" * 64))
    found = crossing_audit(small_cohort, other)
    assert found.trained_on == f"phantom-quick {small_cohort.info.content_hash[:8]}"
    assert found.scored_on == "phantom-quick ffffffff"
    assert crossing_audit(small_cohort, renamed(small_cohort)).scored_on == "measured-quick"
