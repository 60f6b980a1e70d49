"""Folds: a cohort cut so that every patient is in one test part, one fold at a time.

    fold k of K      test: the patients of fold k; val: an eighth of the others, by seed; train: the rest

Folds are those of the column `fold`, else patient-level ones by seed, stratified on labels and own classes. All folds
of a cohort have one fingerprint, that of patients and folds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pandas as pd

from selip.data.cohort import Cohort
from selip.data.cohort_declaration import FOLD, LABEL
from selip.data.splits import LEFT_OUT, assign_splits, split_fingerprint
from selip.system.errors import InputError

SHARES_OF_TRAIN = (7 / 8, 1 / 8, 0.0)


def patient_folds(cohort: Cohort, n_folds: int, seed: int) -> dict[str, int]:
    """Patient to fold, from 1: the cohort's own folds in the order of their names, else stratified ones by seed.

    Raises:
        InputError: The cohort brings another number of folds, a patient is in two, or there are fewer patients.
    """
    studies = cohort.studies[cohort.studies["split"] != LEFT_OUT]
    if FOLD in studies:
        names = {name: number for number, name in enumerate(sorted(studies[FOLD].unique()), start=1)}
        if len(names) != n_folds or studies.groupby("patient_id")[FOLD].nunique().max() > 1:
            raise InputError(
                f"got folds={n_folds} for {cohort.root}, whose column fold has {len(names)} folds; allowed: as many, "
                "and one of them a patient; mend either"
            )
        return {str(patient): names[fold] for patient, fold in zip(studies["patient_id"], studies[FOLD], strict=True)}
    columns = ["labels", *(column for column in cohort.info.tasks if column.startswith(LABEL))]
    strata = dict(zip(studies["patient_id"], studies[columns].agg("|".join, axis=1), strict=True))
    if len(strata) < n_folds:
        raise InputError(f"got folds={n_folds} for {len(strata)} patients; allowed: at most as many; lower it")
    shuffled = np.random.default_rng(seed).permutation(np.array(sorted(strata), dtype=object))
    ordered = sorted(shuffled, key=lambda patient: strata[patient])
    return {str(patient): place % n_folds + 1 for place, patient in enumerate(ordered)}


def fold_cohort(cohort: Cohort, folds: Mapping[str, int], fold: int, seed: int) -> Cohort:
    """The cohort whose test part is one fold.

    Args:
        cohort: All of it.
        folds: Patient to fold.
        fold: The fold to score.
        seed: Seed of the patients that become val.

    Raises:
        InputError: There is no such fold.
    """
    count = max(folds.values())
    if fold not in folds.values():
        raise InputError(f"got fold {fold}; allowed: 1 to {count}; choose one")
    others = sorted(patient for patient, number in folds.items() if number != fold)
    labels = dict(zip(cohort.studies["patient_id"], cohort.studies["labels"], strict=True))
    parts = assign_splits(others, [labels[patient] for patient in others], seed + fold, SHARES_OF_TRAIN)
    parts |= {patient: "test" for patient, number in folds.items() if number == fold}
    studies, volumes = (_in_parts(table, parts) for table in (cohort.studies, cohort.volumes))
    fingerprint = split_fingerprint({patient: f"fold {number}" for patient, number in folds.items()})
    info = replace(cohort.info, split_fingerprint=fingerprint)
    return replace(cohort, info=info, studies=studies, volumes=volumes, fold=f"{fold} of {count}")


def _in_parts(table: pd.DataFrame, parts: Mapping[str, str]) -> pd.DataFrame:
    """The table with its rows in their patients' parts; what is in no part, as a contrast left out, stays there."""
    found = table["patient_id"].map(parts).fillna(LEFT_OUT)
    return table.assign(split=found.mask(table["split"] == LEFT_OUT, LEFT_OUT))
