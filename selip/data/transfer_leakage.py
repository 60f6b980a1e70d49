"""Leakage from one cohort into another: what training has seen against the test part of another one."""

from __future__ import annotations

from typing import Any, Literal

import pandas as pd

from selip.data.cohort import Cohort
from selip.data.leakage_audit import cohort_name
from selip.data.near_duplicates import NEAR_DUPLICATE_PERCENT, near_duplicates

SEEN = ("train", "val")


def crossing_audit(trained: Cohort, scored: Cohort) -> dict[str, Any]:
    """Patients, identical volumes and near-identical reports of train or val of `trained` in the test part of `scored`.

    Identical is: the same stored voxels (SHA-256), whatever the ids. An image that was resampled otherwise is not found
    that way; its report or its patient's id may be.
    """
    names = [cohort_name(one) for one in (trained, scored)]
    if names[0] == names[1]:
        names = [f"{name} {one.info.content_hash[:8]}" for name, one in zip(names, (trained, scored), strict=True)]
    tables = (trained.studies, scored.studies), (trained.volumes, scored.volumes)
    (studies, test_studies), (volumes, test_volumes) = ((_seen(one), _test(other)) for one, other in tables)
    return {
        "trained_on": names[0],
        "scored_on": names[1],
        "ids": what_ids_say(trained, scored),
        "shared_ids": sorted({*studies["patient_id"]} & {*test_studies["patient_id"]}),
        "identical_volumes": _identical(volumes, test_volumes),
        "near_duplicate_reports": near_duplicates(studies, test_studies),
        "near_duplicate_percent": NEAR_DUPLICATE_PERCENT,
    }


def what_ids_say(trained: Cohort, scored: Cohort) -> Literal["same source", "other source", "counters"]:
    """What it means that two patients have the same id.

    "counters": a cohort is generated, its ids are numbers that every build counts from one. "same source": both are of
    one measured source, so the same id is the same patient. "other source": nobody knows; a set that was published
    again under another name keeps its ids, and so does chance.
    """
    if trained.info.synthetic or scored.info.synthetic:
        return "counters"
    return "same source" if trained.info.name == scored.info.name else "other source"


def _seen(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["split"].isin(SEEN)]


def _test(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["split"] == "test"]


def _identical(volumes: pd.DataFrame, test: pd.DataFrame) -> list[tuple[str, str]]:
    """Each volume of test with the first volume that has its voxels."""
    first = volumes.drop_duplicates("sha256").set_index("sha256")["volume_id"]
    same = test[test["sha256"].isin(first.index)]
    return [(str(first[digest]), str(name)) for digest, name in zip(same["sha256"], same["volume_id"], strict=True)]
