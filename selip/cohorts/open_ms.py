"""Ljubljana's open multiple sclerosis data: two sets, two adapters, since they lie in different spaces.

open_ms: 30 patients once, T1, T1 with contrast, T2 and FLAIR in MNI space with the consensus of several raters.
open_ms_longitudinal: 20 other patients twice, T1, T2 and FLAIR as the scanner wrote them, thick slices, a grid each.
    Their gt.nii.gz shows what CHANGED between the two examinations, not the lesions, so it is no mask here.

Both are numbered patient01, patient02, ...; nothing published says that a person is in both.
"""

from __future__ import annotations

from pathlib import Path

from selip.cohorts.importing import file_layout
from selip.cohorts.importing.adapter import Adapter, Scan, StudyFiles
from selip.cohorts.importing.importer import adapter_source

LAYOUT = """cross_sectional_MNI/ or cross_sectional/MNI/, then patient01/{T1, T1POST, T2, FLAIR, GOLD_STANDARD}*.nii.gz,
    and patient_info.csv for ages"""
LAYOUT_LONGITUDINAL = """longitudinal_raw/ or longitudinal/raw/, then patient01/study1_{T1W, T2W, FLAIR}.nii.gz, and
    demographics.csv for ages"""
_LABELS = ("multiple sclerosis plaque",)
_CROSS = (
    r"cross_sectional[_/]MNI/(?P<case>patient\d+)/(?P<kind>T1POST|T1|T2|FLAIR|GOLD_STANDARD)"
    rf"(?:_[^/]*)?{file_layout.NIFTI}"  # the public repository appends the steps of preprocessing to the names
)
_LONGITUDINAL = rf"longitudinal[_/]raw/(?P<case>patient\d+/study\d+)_(?P<kind>T1W|T2W|FLAIR){file_layout.NIFTI}"


def scan(source: Path) -> Scan:
    """Cross-sectional examinations below `source`; raises InputError when there are none."""
    listing = file_layout.list_files(source)
    groups, problems = file_layout.group_files(listing, _CROSS)
    ages = _ages(listing, r"patient_info\.csv$", "age")
    studies = []
    for group in groups:
        case = group.case.lower()
        volumes, missing = file_layout.pick_volumes(group, {"t1": "T1", "t2": "T2", "flair": "FLAIR", "t1post": "T1c"})
        mask = group.files.get("gold_standard")
        if not volumes:
            problems.append(f"{case}: a mask without volumes, left out")
            continue
        problems += missing if mask else [*missing, f"{case}: no mask"]
        name, flair = f"cross-{case}", "FLAIR" if "FLAIR" in volumes else ""
        studies.append(StudyFiles(name, name, volumes, mask, flair, labels=_LABELS, age=ages.get(_number(case), "")))
    problems += _other(listing, _LONGITUDINAL, "longitudinal", "open_ms_longitudinal")
    return file_layout.finish_scan(studies, problems, listing, LAYOUT)


def scan_longitudinal(source: Path) -> Scan:
    """Longitudinal examinations below `source`; raises InputError when there are none."""
    listing = file_layout.list_files(source)
    groups, problems = file_layout.group_files(listing, _LONGITUDINAL)
    ages = _ages(listing, r"demographics\.csv$", "patient_age_at_first_study")
    studies = []
    for group in groups:
        person, visit = group.case.lower().split("/")
        volumes, missing = file_layout.pick_volumes(group, {"t1w": "T1", "t2w": "T2", "flair": "FLAIR"})
        problems += missing
        age = ages.get(_number(person), "") if visit == "study1" else ""
        patient = f"longitudinal-{person}"
        studies.append(StudyFiles(patient, f"{patient}-{visit}", volumes, labels=_LABELS, age=age))
    problems += _other(listing, _CROSS, "cross-sectional", "open_ms")
    return file_layout.finish_scan(studies, problems, listing, LAYOUT_LONGITUDINAL)


def _number(case: str) -> int:
    return int(case.removeprefix("patient"))


def _ages(listing: file_layout.Listing, pattern: str, column: str) -> dict[int, str]:
    """Number of the patient -> age in years."""
    rows = [row for path in file_layout.find_tables(listing, pattern) for row in file_layout.read_table(path)]
    known = [row for row in rows if row.get("patient_id", "").isdecimal()]
    return {int(row["patient_id"]): file_layout.years(row.get(column, "")) for row in known}


def _other(listing: file_layout.Listing, pattern: str, what: str, name: str) -> list[str]:
    """A line when the other of the two sets is there too."""
    groups, _ = file_layout.group_files(listing, pattern)
    there = f"{len(groups)} {what} examination{'s' * (len(groups) != 1)}"
    return [f"{there} in another space, left out: import with {name}"] if groups else []


_CITATION = (
    "Lesjak et al., A novel public MR image dataset of multiple sclerosis patients with lesion segmentations based on "
    "multi-rater consensus. Neuroinformatics (2017). doi:10.1007/s12021-017-9348-7"
)
ADAPTER = Adapter(
    name="open_ms",
    summary="Open MS data, cross-sectional: T1, T1c, T2 and FLAIR in MNI space, with consensus masks",
    licence="CC BY",
    citation=_CITATION,
    source="https://github.com/muschellij2/open_ms_data",
    layout=LAYOUT,
    expected={"studies": 30, "patients": 30},
    centre="world",
    scan=scan,
)
ADAPTER_LONGITUDINAL = Adapter(
    name="open_ms_longitudinal",
    summary="Open MS data, longitudinal: T1, T2 and FLAIR as scanned, two examinations a patient, no masks",
    licence="CC BY",
    citation="Lesjak et al., Validation of white-matter lesion change detection methods on a novel publicly available "
    "MRI image database. Neuroinformatics (2016).",
    source="https://github.com/muschellij2/open_ms_data",
    layout=LAYOUT_LONGITUDINAL,
    expected={"studies": 40, "patients": 20},
    scan=scan_longitudinal,
)
COHORT = adapter_source(ADAPTER)
COHORT_LONGITUDINAL = adapter_source(ADAPTER_LONGITUDINAL)
