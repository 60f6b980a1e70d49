"""Parts that the tumour sets share: labels of segmentations, terms of BraTS, clinical tables, the scan."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from selip.cohorts.importing import file_layout
from selip.cohorts.importing.adapter import Scan, StudyFiles
from selip.system.errors import InputError

ClinicalRow = Mapping[str, str]
Describe = Callable[[StudyFiles, file_layout.Group, ClinicalRow], StudyFiles]

BRATS_CONTRASTS: Mapping[str, str] = {"t1": "T1", "t1ce": "T1c", "t2": "T2", "flair": "FLAIR"}
# Necrotic and non-enhancing core 1, oedema 2, enhancing tumour 4, which is 3 from 2023 on (arXiv:2107.02314, table 1;
# arXiv:2305.19369): with the nested levels of importing/adapter.py the core is 2, oedema alone 1, enhancing 3.
BRATS_LEVELS: Mapping[int, int] = {1: 2, 2: 1, 4: 3}
BRATS_2023_LEVELS: Mapping[int, int] = {1: 2, 2: 1, 3: 3}
GRADES: Mapping[str, str] = {"hgg": "high-grade glioma", "lgg": "low-grade glioma"}
SEGMENTATIONS = ("seg", "segm")

BRATS_LICENCE = "the challenge's terms, accepted on registration: research use, citing the papers"
BRATS_CITATION = (
    "Menze et al. 2015, doi:10.1109/TMI.2014.2377694; Bakas et al. 2017, doi:10.1038/sdata.2017.117; "
    "Bakas et al. 2018, arXiv:1811.02629"
)


def scan_tumours(
    root: Path,
    layout: str,
    pattern: str,
    describe: Describe,
    *,
    contrasts: Mapping[str, str] = BRATS_CONTRASTS,
    levels: Mapping[int, int] = BRATS_LEVELS,
    masks: tuple[str, ...] = SEGMENTATIONS,
    tables: str = r"(name_mapping|survival)[^/]*\.csv$",
) -> Scan:
    """Examinations whose files carry their case and kind in their names.

    Args:
        root: The folder that the user downloaded.
        layout: What it must look like, for the error.
        pattern: See `selip.cohorts.importing.file_layout.group_files`.
        describe: Adds labels, patient, site and age: (study, its files, its rows of the clinical tables).
        contrasts: Kind of file -> contrast.
        levels: Label value -> level.
        masks: Kinds of file that are the segmentation, the best first.
        tables: Regular expression for the places of the clinical tables.

    Raises:
        InputError: Nothing of the layout is there.
    """
    listing = file_layout.list_files(root)
    groups, problems = file_layout.group_files(listing, pattern)
    rows, unread = clinical_rows(listing, tables)
    studies = []
    spelling: dict[str, str] = {}
    for group in groups:
        volumes, missing = file_layout.pick_volumes(group, contrasts)
        mask = next((group.files[kind] for kind in masks if kind in group.files), None)
        study = StudyFiles(group.case, group.case, volumes, mask, levels=levels)
        study = describe(study, group, rows.get(clinical_key(group.case), {}))
        studies.append(replace(study, patient=spelling.setdefault(study.patient.lower(), study.patient)))
        problems += missing
        problems += [] if mask else [f"{group.case}: no segmentation, taken without a mask"]
    return file_layout.finish_scan(studies, [*problems, *unread], listing, layout)


def clinical_rows(listing: file_layout.Listing, tables: str) -> tuple[dict[str, dict[str, str]], list[str]]:
    """Rows of the clinical tables by the ids in them, and a line for each table that cannot be read.

    Ids are in the columns with "id" in their name; the key is their `clinical_key`. Rows of several tables are joined.
    """
    rows: dict[str, dict[str, str]] = {}
    problems = []
    for path in file_layout.find_tables(listing, tables):
        try:
            table = file_layout.read_table(path)
        except InputError as error:
            problems.append(str(error))
            continue
        for row in table:
            for key in {clinical_key(value) for column, value in row.items() if "id" in column}:
                rows.setdefault(key, {}).update(row)
    return rows, problems


def clinical_key(case: str) -> str:
    """An id without letter case and leading zeros: tables write "UCSF-PDGM-004" for "UCSF-PDGM-0004"."""
    return re.sub(r"\d+", lambda digits: str(int(digits[0])), case.strip().lower())


def graded(study: StudyFiles, grade: str) -> StudyFiles:
    """The study with the label of "HGG" or "LGG", none for any other grade."""
    label = GRADES.get(grade.lower())
    return replace(study, labels=(label,) if label else ())
