"""The facts of a cohort that the audit shows: `audit.json` in a run directory.

An example:

    {"schema_version": 1, "cohorts": [{"name": "phantom-quick", "split_fingerprint": "5a79...", "parts": {"train":
    {"patients": 900, "studies": 900, "volumes": 1866, "labels": {"normal": 207, "infarct": 88}}, ...},
    "patients_in_several_parts": [], "identical_volumes": [["v12", "v90"]], "near_duplicate_reports": [["s4", "s77"]],
    "near_duplicate_percent": 90}]}
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from selip.system.errors import InputError

FILE = "audit.json"


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
    near_duplicate_percent: float = 90


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
    near_duplicate_percent: float = 90


class AuditFacts(_Strict):
    """The file: the cohort of the records first, then a transfer cohort where there is one; and leakage between two.

    The regime is what the texts of the training cohort ask of a method of soft targets, question to answer.
    """

    schema_version: Literal[1] = 1
    cohorts: list[CohortAudit]
    crossings: list[CrossingAudit] = []
    regime: dict[str, str] = {}


def read_audit_facts(run_dir: Path, split_fingerprint: str) -> AuditFacts | None:
    """The facts in a run directory, None where nobody left any.

    Raises:
        InputError: When the file cannot be read, or none of its cohorts has the records' split.
    """
    path = run_dir / FILE
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
