"""Leakage: who is in a split, what its parts share, and what one cohort shares with another. Listed, not refused.

A run directory keeps it as `audit.json`:

    {"schema_version": 1, "cohorts": [{"name": "phantom-quick", "split_fingerprint": "5a79...", "parts": {"train":
    {"patients": 900, "studies": 900, "volumes": 1866, "labels": {"normal": 207, "infarct": 88}}, ...},
    "patients_in_several_parts": [], "identical_volumes": [["v12", "v90"]], "near_duplicate_reports": [["s4", "s77"]]}]}
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, ValidationError
from rapidfuzz import fuzz, process, utils

from selip.data.cohort import Cohort
from selip.data.splits import LEFT_OUT, SPLITS
from selip.system.errors import InputError

AUDIT_FILE = "audit.json"
NEAR_DUPLICATE_PERCENT = 90


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PartFacts(_Strict):
    """Sizes of one part of a split, and how many of its studies have each label."""

    patients: int
    studies: int
    volumes: int
    labels: dict[str, int] = {}


class CohortAudit(_Strict):
    """Leaks and balance of one cohort.

    Attributes:
        name: Cohort and profile.
        split_fingerprint: Its split.
        parts: train, val and test.
        patients_in_several_parts: Patients that leak.
        identical_volumes: Pairs of volumes with the same content in different parts.
        near_duplicate_reports: Pairs of studies in different parts whose reports say nearly the same.
        near_duplicate_percent: Token sort ratio from which two reports are such a pair.
    """

    name: str
    split_fingerprint: str
    parts: dict[str, PartFacts]
    patients_in_several_parts: list[str] = []
    identical_volumes: list[tuple[str, str]] = []
    near_duplicate_reports: list[tuple[str, str]] = []
    near_duplicate_percent: float = NEAR_DUPLICATE_PERCENT


class CrossingAudit(_Strict):
    """All that train and val of one cohort share with the test part of another.

    Attributes:
        trained_on: Name of the one.
        scored_on: Name of the other.
        ids: What the same id of two patients means: "same source", it is one patient; "other source", nobody knows;
            "counters", nothing, as every generated cohort counts its patients from one.
        shared_ids: Patients of the other whose id the one has too.
        identical_volumes: Pairs of volumes with the same voxels.
        near_duplicate_reports: Pairs of studies, of the other and of the one, whose reports say nearly the same.
        near_duplicate_percent: Token sort ratio from which two reports are such a pair.
    """

    trained_on: str
    scored_on: str
    ids: Literal["same source", "other source", "counters"]
    shared_ids: list[str] = []
    identical_volumes: list[tuple[str, str]] = []
    near_duplicate_reports: list[tuple[str, str]] = []
    near_duplicate_percent: float = NEAR_DUPLICATE_PERCENT


class AuditFacts(_Strict):
    """The file: the cohort of the records first, then a transfer cohort where there is one; and leakage between two.

    The regime is what the texts of the training cohort ask of a method of soft targets, question to answer.
    """

    schema_version: Literal[1] = 1
    cohorts: list[CohortAudit]
    crossings: list[CrossingAudit] = []
    regime: dict[str, str] = {}


def cohort_audit(cohort: Cohort) -> CohortAudit:
    """Sizes and labels of each part; patients, identical volumes and near-identical reports that parts share."""
    kept = (table[table["split"] != LEFT_OUT] for table in (cohort.studies, cohort.volumes))
    cohort = replace(cohort, **dict(zip(("studies", "volumes"), kept, strict=True)))
    return CohortAudit(
        name=cohort_name(cohort),
        split_fingerprint=cohort.info.split_fingerprint,
        parts={part: _part(cohort, part) for part in SPLITS},
        patients_in_several_parts=_in_several_parts(cohort.studies, "patient_id"),
        identical_volumes=_identical_volumes(cohort.volumes),
        near_duplicate_reports=near_duplicate_reports(cohort),
    )


def cohort_name(cohort: Cohort) -> str:
    """Cohort and profile, as "phantom-quick", and which fold of it is scored."""
    name = "-".join(part for part in (cohort.info.name, cohort.info.profile) if part)
    return name + f", fold {cohort.fold}" * bool(cohort.fold)


def _part(cohort: Cohort, part: str) -> PartFacts:
    studies = cohort.studies[cohort.studies["split"] == part]
    labels = Counter(label for text in studies["labels"] for label in json.loads(text or "[]"))
    return PartFacts(
        patients=studies["patient_id"].nunique(),
        studies=len(studies),
        volumes=int((cohort.volumes["split"] == part).sum()),
        labels=dict(sorted(labels.items())),
    )


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


TILE = 512


def near_duplicate_reports(cohort: Cohort) -> list[tuple[str, str]]:
    """Studies of val and test whose report is near-identical to one of train, each with that study of train.

    Near-identical is a token sort ratio (rapidfuzz: edit distance of the sorted words, case and punctuation aside) of
    NEAR_DUPLICATE_PERCENT or more. They are listed, not refused: two patients may well be described alike.
    """
    train = cohort.studies["split"] == "train"
    return near_duplicates(cohort.studies[train], cohort.studies[~train])


def near_duplicates(known: pd.DataFrame, others: pd.DataFrame) -> list[tuple[str, str]]:
    """Studies of `others` whose report is near-identical to one of `known`, each with the nearest of those.

    Both are rows of `studies`, of one cohort or of two.
    """
    known, others = (table[table["report"].str.strip() != ""] for table in (known, others))
    found: list[tuple[str, str]] = []
    for start in range(0, len(others) if len(known) else 0, TILE):
        tile = others.iloc[start : start + TILE]
        scores = process.cdist(
            tile["report"].tolist(),
            known["report"].tolist(),
            scorer=fuzz.token_sort_ratio,
            processor=utils.default_process,
            score_cutoff=NEAR_DUPLICATE_PERCENT,
            dtype=np.uint8,
            workers=-1,
        )
        for row in np.flatnonzero(scores.max(1)):
            found.append((str(tile["study_id"].iloc[row]), str(known["study_id"].iloc[scores[row].argmax()])))
    return found


SEEN = ("train", "val")


def crossing_audit(trained: Cohort, scored: Cohort) -> CrossingAudit:
    """Patients, identical volumes and near-identical reports of train or val of `trained` in the test part of `scored`.

    Identical is: the same stored voxels (SHA-256), whatever the ids. An image that was resampled otherwise is not found
    that way; its report or its patient's id may be.
    """
    names = [cohort_name(one) for one in (trained, scored)]
    if names[0] == names[1]:
        names = [f"{name} {one.info.content_hash[:8]}" for name, one in zip(names, (trained, scored), strict=True)]
    tables = (trained.studies, scored.studies), (trained.volumes, scored.volumes)
    (studies, test_studies), (volumes, test_volumes) = ((_seen(one), _test(other)) for one, other in tables)
    return CrossingAudit(
        trained_on=names[0],
        scored_on=names[1],
        ids=what_ids_say(trained, scored),
        shared_ids=sorted({*studies["patient_id"]} & {*test_studies["patient_id"]}),
        identical_volumes=_identical(volumes, test_volumes),
        near_duplicate_reports=near_duplicates(studies, test_studies),
    )


def what_ids_say(trained: Cohort, scored: Cohort) -> Literal["same source", "other source", "counters"]:
    """Say what it means that two patients have the same id: a set published again under another name keeps its ids."""
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


def read_audit_facts(run_dir: Path, split_fingerprint: str) -> AuditFacts | None:
    """The facts in a run directory, None where nobody left any.

    Raises:
        InputError: When the file cannot be read, or none of its cohorts has the records' split.
    """
    path = run_dir / AUDIT_FILE
    if not path.is_file():
        return None
    try:
        found = AuditFacts.model_validate_json(path.read_bytes())
    except (ValidationError, OSError) as error:
        first = " ".join(" ".join(str(error).splitlines()[:3]).split())
        raise InputError(f"got {path}, which is no audit of schema 1 ({first}); delete it and run again") from error
    splits = [cohort.split_fingerprint for cohort in found.cohorts]
    if split_fingerprint not in splits:
        raise InputError(
            f"got {path} of the splits {', '.join(splits)}; allowed: that of the records, {split_fingerprint}; "
            "delete it and run again"
        )
    return found
