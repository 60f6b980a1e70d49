"""Checks of the rows of a table beside each other: of one study, of one patient."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from selip.cohorts.importing.volume_table import VolumeRow
from selip.data.cohort_declaration import FOLD
from selip.system.errors import InputError

STUDY_FIELDS = ("patient", "report", "labels", "split", "site", "age", "clinical_place", "own")


def group_studies(rows: Sequence[VolumeRow]) -> list[list[VolumeRow]]:
    """Rows by study in order of first appearance.

    Raises:
        InputError: Rows of a study disagree about what a study has once, or a contrast of it occurs twice.
    """
    studies: dict[str, list[VolumeRow]] = defaultdict(list)
    for row in rows:
        for other in studies[row.study]:
            _check_pair(other, row)
        studies[row.study].append(row)
    return list(studies.values())


def check_described(studies: Sequence[Sequence[VolumeRow]]) -> None:
    """Refuses a row without report, findings and mask; the mask of a study is of all its rows.

    Raises:
        InputError: There is one.
    """
    for rows in studies:
        has_mask = any(row.mask for row in rows)
        bare = next((row for row in rows if not (row.report or row.text or has_mask)), None)
        if bare:
            raise InputError(
                f"{bare.place}: got no report, no findings and no mask; allowed: one of them at least; "
                "add one or remove the study"
            )


def check_folds(rows: Sequence[VolumeRow]) -> None:
    """Refuses a table that gives folds, but not one fold to each patient; see `check_splits` for splits.

    Raises:
        InputError: A patient is in two folds, or in none.
    """
    folds: dict[str, str] = {}
    for row in rows if any(FOLD in row.own for row in rows) else ():
        fold = row.own.get(FOLD, "")
        if folds.setdefault(row.patient, fold) != fold or not fold:
            raise InputError(
                f"{row.place}: got fold {fold!r} for patient {row.patient}; allowed: one fold a patient, the same in "
                "all rows; fill it in"
            )


def check_splits(rows: Sequence[VolumeRow]) -> None:
    """Refuses a table that gives a split, but not one part to each patient.

    Raises:
        InputError: A patient is in two parts, or some rows have a split and some have none.
    """
    blank = [row for row in rows if not row.split]
    if len(blank) == len(rows):
        return
    if blank:
        raise InputError(f"{blank[0].place}: got no split; allowed: a split in all rows or in none; fill it in")
    first: dict[str, VolumeRow] = {}
    for row in rows:
        other = first.setdefault(row.patient, row)
        if row.split != other.split:
            raise InputError(
                f"{row.place}: got split {row.split} for patient {row.patient}, who is in {other.split} in row "
                f"{other.number}; allowed: one part a patient; move the patient's studies together"
            )


def _check_pair(first: VolumeRow, row: VolumeRow) -> None:
    """Refuses two rows of one study that disagree, or are of one contrast."""
    for key in STUDY_FIELDS:
        one, other = (str(getattr(each, key)) for each in (first, row))
        if one != other:
            raise InputError(
                f"{row.place}: got {key} {other[:40]!r} and, in row {first.number} of the same study, {one[:40]!r}; "
                f"allowed: one {key} a study; mend the rows or rename the study"
            )
    if row.contrast == first.contrast:
        raise InputError(
            f"{row.place}: got this contrast again, as in row {first.number}; allowed: one volume of a contrast a "
            "study; remove one or give it another study id"
        )
    if row.mask and first.mask and row.mask != first.mask:
        raise InputError(f"{row.place}: got mask {row.mask} and {first.mask}; allowed: one mask a study; keep one")
