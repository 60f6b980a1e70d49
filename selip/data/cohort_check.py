"""Soundness of a cohort folder: `selip cohort check`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from selip.data.cohort import IGNORE, LEVELS, ROWS_PER_SHARD, Cohort, manifest_hash, voxel_hash
from selip.data.findings import CONTRASTS, findings_from_json, is_normal
from selip.data.splits import SPLITS, split_fingerprint
from selip.data.states import COLUMN, NORMAL, STATES, UNKNOWN, states_of
from selip.system.errors import InputError, listed

MASK_VALUES = (0, *LEVELS, IGNORE)


def check_cohort(root: Path | str) -> list[str]:
    """Problems of a cohort folder, one line each; an empty list means it is sound.

    Checks the tables (known contrasts and parts, ids once, texts, states, findings and labels), that patients and
    identical voxels are in one part, the split's fingerprint, the content hash, and the hash of every stored volume and
    mask.

    Raises:
        InputError: When the folder is no cohort at all.
    """
    cohort = Cohort.open(root, verify=False)
    return [*_check_tables(cohort), *_check_hashes(cohort), *_check_voxels(cohort)]


def check_parts(cohort: Cohort, needed: Sequence[str] = SPLITS) -> None:
    """Raises InputError when a part that is needed is empty, before anything is trained in vain."""
    empty = [part for part in needed if not len(cohort.rows(part))]
    if empty:
        raise InputError(
            f"got a cohort without a {' or '.join(empty)} part in {cohort.root}; allowed: volumes in "
            f"{', '.join(needed)}; add patients, or a split column"
        )


def check_same_grid(cohort: Cohort, second: Cohort, key: str = "transfer") -> None:
    """Raises InputError when the second cohort, named by `key`, has a grid that no model of the first could read."""
    grids = [(one.info.shape, one.info.spacing_mm) for one in (cohort, second)]
    if grids[0] != grids[1]:
        raise InputError(
            f"got a second cohort {second.root} of {grids[1][0]} voxels of {grids[1][1]} mm beside {grids[0][0]} of "
            f"{grids[0][1]} mm; allowed: one grid; choose its profile, import it with --like, or set {key}=null"
        )


def _check_tables(cohort: Cohort) -> list[str]:
    studies, volumes = cohort.studies, cohort.volumes
    problems = [f"split {part!r} is unknown; allowed: {', '.join(SPLITS)}" for part in {*studies["split"]} - {*SPLITS}]
    problems += [f"contrast {name!r} is unknown" for name in sorted({*volumes["contrast"]} - {*CONTRASTS})]
    parts = studies.groupby("patient_id")["split"].nunique()
    problems += [f"patient {patient} is in {count} parts" for patient, count in parts.items() if count > 1]
    for table, key in ((studies, "study_id"), (volumes, "volume_id")):
        problems += [f"{key} {name} occurs twice" for name in sorted(set(table.loc[table[key].duplicated(), key]))]
    problems += [f"volume {row.volume_id} has no text" for row in volumes.itertuples() if not row.text.strip()]
    problems += _check_states(volumes)
    empty = sorted({*studies["study_id"]} - {*volumes["study_id"]})
    problems += [f"study {name} has no volume" for name in empty]
    problems += [
        f"study {row.study_id} has unreadable findings or labels" for row in studies.itertuples() if not _readable(row)
    ]
    parts = volumes.groupby("sha256")["split"].nunique()
    problems += [f"the same voxels are in {count} parts (sha256 {name})" for name, count in parts.items() if count > 1]
    known = studies.drop_duplicates("study_id").set_index("study_id")
    for row in volumes.itertuples():
        if row.study_id not in known.index:
            problems.append(f"volume {row.volume_id} belongs to no study")
        elif (row.patient_id, row.split) != (known.at[row.study_id, "patient_id"], known.at[row.study_id, "split"]):
            problems.append(f"volume {row.volume_id} has another patient or part than its study")
    return problems


def _check_states(volumes: pd.DataFrame) -> list[str]:
    """Problems of the stored states: an unknown word, or the normal sentence with another state than normal."""
    rows = zip(volumes["volume_id"], volumes["text"], states_of(volumes), strict=True)
    return [
        f"volume {name} has state {state!r}; allowed: {', '.join(STATES)}"
        if state not in STATES
        else f"volume {name} has the normal sentence and is {state}"
        for name, text, state in rows
        if state not in STATES or (is_normal(text) and state != NORMAL)
    ]


def refuse_shared_collections(trained: Cohort, scored: Cohort | None) -> None:
    """Refuses to score on one cohort what another trains when both are from one public collection, by their sheets.

    Raises:
        InputError: They are.
    """
    shared = {*trained.info.sheet.collections} & {*scored.info.sheet.collections} if scored else set()
    if scored and shared:
        raise InputError(
            f"got {scored.root} to score what {trained.root} trains, both of {', '.join(sorted(shared))}: patients may "
            "be in both; allowed: cohorts that share no collection; choose another, or say allow_overlap=true"
        )


def state_line(cohort: Cohort) -> str:
    """Counts of normal, abnormal and unknown volumes, and the first studies that have an unknown one."""
    states = states_of(cohort.volumes)
    counted = ", ".join(f"{state} {np.count_nonzero(states == state)}" for state in STATES)
    studies = list(dict.fromkeys(cohort.volumes["study_id"][states == UNKNOWN]))
    unknown = f"; unknown, so in no task: {listed(studies)}" if studies else ""
    kept = COLUMN in cohort.volumes or cohort.info.synthetic
    missing = "" if kept else "; no states are stored: import the set again to have them"
    return f"volumes: {counted}{unknown}{missing}"


def _readable(study: Any) -> bool:  # noqa: ANN401 (a row of itertuples)
    """True when findings and labels of a row of `studies` are JSON of the right kind."""
    try:
        findings_from_json(study.findings or "[]")
        return all(isinstance(label, str) for label in json.loads(study.labels))
    except (ValueError, TypeError):
        return False


def _check_hashes(cohort: Cohort) -> list[str]:
    problems = []
    splits = dict(zip(cohort.studies["patient_id"], cohort.studies["split"], strict=True))
    if split_fingerprint(splits) != cohort.info.split_fingerprint:
        problems.append("the split is not the one of the fingerprint in cohort.json")
    tables = (cohort.root / "studies.csv", cohort.root / "volumes.csv")
    if manifest_hash(cohort.info, *tables) != cohort.info.content_hash:
        problems.append("the manifests are not those of the content hash in cohort.json")
    return problems


def _check_voxels(cohort: Cohort) -> list[str]:
    tables = {"volumes": (cohort.volumes, "volume_id", "sha256"), "masks": (cohort.studies, "study_id", "mask_sha256")}
    problems = []
    for name, (table, _, _) in tables.items():
        shape, expected = cohort.store(name).shape, (len(table), *cohort.info.shape)
        if shape != expected:
            problems.append(f"store.zarr/{name} is {shape}, not {expected}")
    if problems:
        return problems
    for name, (table, key, column) in tables.items():
        for start in range(0, len(table), ROWS_PER_SHARD):
            block = table.iloc[start : start + ROWS_PER_SHARD]
            for array, entry, digest in zip(
                cohort.read(name, range(start, start + len(block))), block[key], block[column], strict=True
            ):
                if voxel_hash(array) != digest:
                    problems.append(f"{name[:-1]} of {entry} does not have the voxels of its hash")
                elif name == "volumes" and array.min() == array.max():
                    problems.append(f"volume of {entry} is constant")
                elif name == "masks" and not np.isin(array, MASK_VALUES).all():
                    problems.append(f"mask of {entry} has values other than {MASK_VALUES}")
    return problems
