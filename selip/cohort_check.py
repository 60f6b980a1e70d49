"""Soundness of a cohort folder: `selip cohort check`."""

from __future__ import annotations

from pathlib import Path

import zarr

from selip.cohort import ROWS_PER_SHARD, Cohort, manifest_hash, voxel_hash
from selip.errors import InputError
from selip.findings import CONTRASTS
from selip.splits import SPLITS, split_fingerprint


def check_cohort(root: Path | str) -> list[str]:
    """Problems of a cohort folder, one line each; an empty list means it is sound.

    Checks the schema, that patients are disjoint across parts, the fingerprint and both hashes, that every volume is
    in the store, and that contrasts are known ones.

    Raises:
        InputError: When the folder is no cohort at all.
    """
    cohort = Cohort.open(root)
    return [*_check_tables(cohort), *_check_hashes(cohort), *_check_voxels(cohort)]


def _check_tables(cohort: Cohort) -> list[str]:
    studies, volumes = cohort.studies, cohort.volumes
    problems = [f"split {part!r} is unknown; allowed: {', '.join(SPLITS)}" for part in {*studies["split"]} - {*SPLITS}]
    problems += [f"contrast {name!r} is unknown" for name in sorted({*volumes["contrast"]} - {*CONTRASTS})]
    parts = studies.groupby("patient_id")["split"].nunique()
    problems += [f"patient {patient} is in {count} parts" for patient, count in parts.items() if count > 1]
    for table, key in ((studies, "study_id"), (volumes, "volume_id")):
        problems += [f"{key} {name} occurs twice" for name in sorted(set(table.loc[table[key].duplicated(), key]))]
    problems += [f"volume {row.volume_id} has no text" for row in volumes.itertuples() if not row.text.strip()]
    known = studies.drop_duplicates("study_id").set_index("study_id")
    for row in volumes.itertuples():
        if row.study_id not in known.index:
            problems.append(f"volume {row.volume_id} belongs to no study")
        elif (row.patient_id, row.split) != (known.at[row.study_id, "patient_id"], known.at[row.study_id, "split"]):
            problems.append(f"volume {row.volume_id} has another patient or part than its study")
    return problems


def _check_hashes(cohort: Cohort) -> list[str]:
    problems = []
    splits = dict(zip(cohort.studies["patient_id"], cohort.studies["split"], strict=True))
    if split_fingerprint(splits) != cohort.info.split_fingerprint:
        problems.append("the split is not the one of the fingerprint in cohort.json")
    studies, volumes = ((cohort.root / name).read_text() for name in ("studies.csv", "volumes.csv"))
    if manifest_hash(cohort.info, studies, volumes) != cohort.info.content_hash:
        problems.append("the manifests are not those of the content hash in cohort.json")
    return problems


def _check_voxels(cohort: Cohort) -> list[str]:
    problems = []
    for name, rows in (("volumes", len(cohort.volumes)), ("masks", len(cohort.studies))):
        try:
            shape = zarr.open_array(cohort.root / "store.zarr" / name, mode="r").shape
        except (OSError, KeyError, ValueError) as error:
            raise InputError(f"got no store.zarr/{name} in {cohort.root} ({error}); build the cohort again") from error
        if shape != (rows, *cohort.info.shape):
            problems.append(f"store.zarr/{name} is {shape}, not {(rows, *cohort.info.shape)}")
    if problems:
        return problems
    for start in range(0, len(cohort.volumes), ROWS_PER_SHARD):
        block = range(start, min(start + ROWS_PER_SHARD, len(cohort.volumes)))
        for row, array in zip(block, cohort.read_volumes(block), strict=True):
            entry = cohort.volumes.iloc[row]
            if voxel_hash(array) != entry["sha256"]:
                problems.append(f"volume {entry['volume_id']} does not have the voxels of its hash")
            elif array.min() == array.max():
                problems.append(f"volume {entry['volume_id']} is constant")
    return problems
