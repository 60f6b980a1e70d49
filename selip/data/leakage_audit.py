"""What a sceptic asks of a split: who is in it, and what it shares with itself. Listed, not refused."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from typing import Any

import pandas as pd

from selip.data.cohort import Cohort
from selip.data.near_duplicates import NEAR_DUPLICATE_PERCENT, near_duplicate_reports
from selip.data.splits import LEFT_OUT, SPLITS


def cohort_audit(cohort: Cohort) -> dict[str, Any]:
    """Sizes and labels of each part; patients, identical volumes and near-identical reports that parts share."""
    kept = (table[table["split"] != LEFT_OUT] for table in (cohort.studies, cohort.volumes))
    cohort = replace(cohort, **dict(zip(("studies", "volumes"), kept, strict=True)))
    return {
        "name": cohort_name(cohort),
        "split_fingerprint": cohort.info.split_fingerprint,
        "parts": {part: _part(cohort, part) for part in SPLITS},
        "patients_in_several_parts": _in_several_parts(cohort.studies, "patient_id"),
        "identical_volumes": _identical_volumes(cohort.volumes),
        "near_duplicate_reports": near_duplicate_reports(cohort),
        "near_duplicate_percent": NEAR_DUPLICATE_PERCENT,
    }


def cohort_name(cohort: Cohort) -> str:
    """Cohort and profile, as "phantom-quick"."""
    return "-".join(part for part in (cohort.info.name, cohort.info.profile) if part)


def _part(cohort: Cohort, part: str) -> dict[str, Any]:
    studies = cohort.studies[cohort.studies["split"] == part]
    labels = Counter(label for text in studies["labels"] for label in json.loads(text or "[]"))
    return {
        "patients": int(studies["patient_id"].nunique()),
        "studies": len(studies),
        "volumes": int((cohort.volumes["split"] == part).sum()),
        "labels": dict(sorted(labels.items())),
    }


def _in_several_parts(table: pd.DataFrame, column: str) -> list[str]:
    parts = table.groupby(column)["split"].nunique()
    return sorted(str(value) for value in parts.index[parts > 1])


def _identical_volumes(volumes: pd.DataFrame) -> list[tuple[str, str]]:
    """Pairs of volumes with the same voxels in different parts: the first of the content, and each other."""
    leaking = set(_in_several_parts(volumes, "sha256"))
    found = []
    for _, same in volumes[volumes["sha256"].isin(leaking)].groupby("sha256", sort=True):
        first = same.iloc[0]
        others = same[same["split"] != first["split"]]["volume_id"]
        found += [(str(first["volume_id"]), str(other)) for other in others]
    return found
