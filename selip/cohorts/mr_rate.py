"""MR-RATE: 98,334 studies of 83,425 patients with radiology reports (Forithmus, 2026; gated).

Read after its public guide (github.com/forithmus/MR-RATE, data-preprocessing/docs/dataset_guide.md), without the data
at hand. Taken from there, and so assumed here:

- mri/batchNN/<study_uid>/img/<study_uid>_<series_id>.nii.gz, unzipped; series_id is modality-role-plane[-N], as
  "t1w-raw-axi-2". T1w, T2w and FLAIR are used; SWI and MRA are none of our contrasts. The co-registered and atlas
  repositories (coreg_img/, atlas_img/) are read where there is no img/.
- metadata/batchNN_metadata.csv, a row a series: patient_uid, study_uid, series_id, SeriesNumber, Patient'sAge,
  Manufacturer, Manufacturer'sModelName (scanner model is the site here).
- reports/batchNN_reports.csv, a row a study: study_uid, report, findings, impression. Findings and impression are the
  text where they are filled in, since the whole report repeats the referral's question.
- splits.csv: patient_uid, study_uid, split (train, val, test), by patient.

Tables may be Parquet. Two things no table tells yet: which T1w had contrast agent (of several series of a contrast the
lowest SeriesNumber is taken, so T1 is most likely the plain one, and there is no T1c), and which series show the spine.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from selip.cohorts.importing import file_layout
from selip.cohorts.importing.adapter import Adapter, Scan, StudyFiles
from selip.cohorts.importing.importer import adapter_source
from selip.data.findings import CONTRASTS
from selip.system.errors import InputError, one_line

LAYOUT = """mri/batch00/<study_uid>/img/<study_uid>_<series_id>.nii.gz (unzipped), metadata/batch00_metadata.csv,
    reports/batch00_reports.csv, splits.csv"""
SPACES = ("", "coreg_", "atlas_")
_CONTRASTS = {"t1w": "T1", "t2w": "T2", "flair": "FLAIR"}
_SPLITS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}


@dataclass(frozen=True)
class _Tables:
    """Rows of the tables, by study_uid.

    Attributes:
        facts: patient_uid, age and scanner.
        numbers: (study_uid, series_id) -> SeriesNumber, the order in which series were acquired.
        reports: Text of the report.
        splits: train, val or test.
    """

    facts: Mapping[str, Mapping[str, str]]
    numbers: Mapping[tuple[str, str], float]
    reports: Mapping[str, str]
    splits: Mapping[str, str]


def scan(source: Path) -> Scan:
    """Studies of MR-RATE below `source`; raises InputError when there are none, or a table of it cannot be read."""
    listing = file_layout.list_files(source)
    groups, problems = _series_files(listing)
    tables = _read_tables(listing)
    patients = {study for study, facts in tables.facts.items() if facts["patient_uid"]}
    known = [group for group in groups if group.case in patients]
    problems += [f"{group.case}: no patient in the tables, left out" for group in groups if group.case not in patients]
    studies = [_study(group, tables) for group in known]
    several = sum(len(group.files) > len(study.volumes) for group, study in zip(known, studies, strict=True))
    silent = sum(not study.report for study in studies)
    problems += [f"{several} studies with several series of a contrast: the first acquired is taken"] if several else []
    problems += [f"{silent} studies without a report"] if silent else []
    named = {study.study: tables.splits[study.study] for study in studies if study.study in tables.splits}
    studies, moved = file_layout.apply_split(studies, file_layout.both_parts(named))
    return file_layout.finish_scan(studies, [*problems, *moved], listing, LAYOUT)


def _series_files(listing: file_layout.Listing) -> tuple[list[file_layout.Group], list[str]]:
    """Series by study, of the first of SPACES that is there: volumes of one study in one space."""
    for space in SPACES:
        groups, problems = file_layout.group_files(
            listing,
            rf"/(?P<case>[^/]+)/{space}img/(?P=case)_(?:{space})?"
            rf"(?P<kind>(?:t1w|t2w|flair)-[a-z]+-[a-z]+(?:-\d+)?){file_layout.NIFTI}",
        )
        if groups:
            break
    return groups, problems


def _study(group: file_layout.Group, tables: _Tables) -> StudyFiles:
    facts = tables.facts[group.case]
    return StudyFiles(
        patient=facts["patient_uid"],
        study=group.case,
        volumes=_volumes(group, tables.numbers),
        report=tables.reports.get(group.case, ""),
        site=facts["scanner"],
        age=facts["age"],
    )


def _volumes(group: file_layout.Group, numbers: Mapping[tuple[str, str], float]) -> dict[str, Path]:
    """The first acquired series of each contrast; axial before others where the tables do not tell."""

    def order(series: str) -> tuple[float, bool, str]:
        return numbers.get((group.case, series), math.inf), "-axi" not in series, series

    volumes: dict[str, Path] = {}
    for series in sorted(group.files, key=order):
        volumes.setdefault(_CONTRASTS[series.partition("-")[0]], group.files[series])
    return {contrast: volumes[contrast] for contrast in CONTRASTS if contrast in volumes}


def _read_tables(listing: file_layout.Listing) -> _Tables:
    splits = {row["study_uid"]: row for row in _rows(listing, "(?:^|/)splits")}
    facts = {study: _facts(row) for study, row in splits.items()}
    numbers = {}
    for row in _rows(listing, "_metadata"):
        facts[row["study_uid"]] = _facts(row)
        number = row.get("seriesnumber", "")
        numbers[row["study_uid"], row.get("series_id", "").lower()] = float(number) if number.isdecimal() else math.inf
    reports = {row["study_uid"]: _report(row) for row in _rows(listing, "_reports")}
    parts = {study: _SPLITS.get(row.get("split", "").lower(), "") for study, row in splits.items()}
    return _Tables(facts, numbers, reports, {study: part for study, part in parts.items() if part})


def _facts(row: Mapping[str, str]) -> dict[str, str]:
    scanner = (row.get("manufacturer", ""), row.get("manufacturer'smodelname", ""))
    return {
        "patient_uid": row.get("patient_uid", ""),
        "age": file_layout.years(row.get("patient'sage", "")),
        "scanner": " ".join(filter(None, scanner)),
    }


def _report(row: Mapping[str, str]) -> str:
    sections = filter(None, (row.get("findings", ""), row.get("impression", "")))
    return " ".join(sections) or row.get("report", "")


def _rows(listing: file_layout.Listing, name: str) -> Iterator[dict[str, str]]:
    """Rows of the tables of one kind, CSV or Parquet, names of columns in lower case; those of no study are skipped."""
    for path in file_layout.find_tables(listing, rf"{name}\.(?:csv|parquet)$"):
        rows = file_layout.read_table(path) if path.suffix.lower() == ".csv" else _read_parquet(path)
        if rows and not any("study_uid" in row for row in rows):
            raise InputError(f"got {path} without a column study_uid; download it again")
        yield from (row for row in rows if row.get("study_uid"))


def _read_parquet(path: Path) -> list[dict[str, str]]:
    try:
        table = pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise InputError(f"got {path}, no Parquet table ({one_line(error)}); download it again") from error
    table = table.astype(object).where(table.notna(), "").astype(str)
    return table.rename(columns=str.lower).to_dict("records")


ADAPTER = Adapter(
    name="mr_rate",
    summary="MR-RATE: head and spine MRI with radiology reports, T1, T2 and FLAIR used; gated",
    licence="CC BY-NC-SA 4.0, and the terms accepted on its page: research only, no redistribution",
    citation="MR-RATE: A Vision-Language Foundation Model and Dataset for Magnetic Resonance Imaging. Forithmus, 2026.",
    source="https://huggingface.co/datasets/Forithmus/MR-RATE",
    layout=LAYOUT,
    expected={"studies": 98334, "patients": 83425},
    scan=scan,
)
COHORT = adapter_source(ADAPTER)
