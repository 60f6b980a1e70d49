from __future__ import annotations

from dataclasses import replace

from selip.data.leakage_audit import cohort_audit


def test_a_clean_split_shares_nothing_and_its_sizes_add_up(small_cohort):
    found = cohort_audit(small_cohort)
    assert not found.patients_in_several_parts
    assert not found.identical_volumes
    assert sum(part.volumes for part in found.parts.values()) == len(small_cohort.volumes)
    assert sum(part.patients for part in found.parts.values()) == small_cohort.studies["patient_id"].nunique()
    assert sum(found.parts["train"].labels.values()) >= found.parts["train"].studies


def test_leaks_are_named(small_cohort):
    studies, volumes = small_cohort.studies.copy(), small_cohort.volumes.copy()
    train, test = (studies.index[studies["split"] == part][0] for part in ("train", "test"))
    studies.loc[test, "patient_id"] = studies.loc[train, "patient_id"]
    studies.loc[test, "report"] = studies.loc[train, "report"]
    one, other = (volumes.index[volumes["split"] == part][0] for part in ("train", "test"))
    volumes.loc[other, "sha256"] = volumes.loc[one, "sha256"]
    found = cohort_audit(replace(small_cohort, studies=studies, volumes=volumes))
    assert found.patients_in_several_parts == [studies.loc[train, "patient_id"]]
    pair = {volumes.loc[one, "volume_id"], volumes.loc[other, "volume_id"]}
    assert [set(pairs) for pairs in found.identical_volumes] == [pair]
    assert studies.loc[test, "study_id"] in dict(found.near_duplicate_reports)
