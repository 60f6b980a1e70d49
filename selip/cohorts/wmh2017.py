"""WMH Segmentation Challenge 2017: white matter hyperintensities, T1 and FLAIR of five scanners.

The release of 2022 holds training/ (60: 20 each of Utrecht, Singapore and Amsterdam GE3T) and test/ (110, from these
and two more Amsterdam scanners), both with masks. Amsterdam's examinations lie one folder deeper, by scanner. pre/ is
bias corrected with T1 aligned to FLAIR; orig/ is used where pre/ is missing. Label 2 is other pathology, which the
challenge does not score: IGNORE here too. The further observers' masks (additional_annotations/) are not used.
"""

from __future__ import annotations

import re
from pathlib import Path

from selip.cohorts.importing import file_layout
from selip.cohorts.importing.adapter import IGNORE, Adapter, Scan, StudyFiles
from selip.cohorts.importing.importer import adapter_source
from selip.data.cohort_declaration import of_collections

LAYOUT = """[training/ and test/]{Utrecht, Singapore, Amsterdam/GE3T, ...}/0/ with pre/ or orig/{FLAIR, T1}.nii.gz and
    wmh.nii.gz"""
_LEVELS = {1: 1, 2: IGNORE}
_FILE = (
    r"(?P<case>(?:(?:training|test)/)?(?:utrecht|singapore|amsterdam/[^/]+)/\d+)"
    rf"/(?P<kind>(?:pre|orig)/(?:FLAIR|T1)|wmh){file_layout.NIFTI}"
)
_SPLITS = {"training": "train", "test": "test"}


def scan(source: Path) -> Scan:
    """Examinations of the challenge below `source`; raises InputError when there are none."""
    listing = file_layout.list_files(source)
    groups, problems = file_layout.group_files(listing, _FILE)
    studies, parts = [], {}
    for group in groups:
        part = "pre" if any(kind.startswith("pre/") for kind in group.files) else "orig"
        volumes, missing = file_layout.pick_volumes(group, {f"{part}/t1": "T1", f"{part}/flair": "FLAIR"})
        problems += missing if volumes else []
        problems += [f"{group.case}: no pre/, orig/ taken"] if volumes and part == "orig" else []
        problems += [] if "wmh" in group.files else [f"{group.case}: no mask"]
        studies.append(_study(group, volumes))
        if split := _SPLITS.get(group.case.lower().split("/")[0]):
            parts[studies[-1].study] = split
    studies, moved = file_layout.apply_split(studies, file_layout.both_parts(parts))
    return file_layout.finish_scan(studies, [*problems, *moved], listing, LAYOUT)


def _study(group: file_layout.Group, volumes: dict[str, Path]) -> StudyFiles:
    *folders, number = group.case.split("/")
    site = "/".join(folders[1:] if folders[0].lower() in _SPLITS else folders)
    study = "-".join((*re.findall(r"\w+", site), number))
    return StudyFiles(
        patient=study,
        study=study,
        volumes=volumes,
        mask=group.files.get("wmh"),
        mask_contrast="FLAIR" if "FLAIR" in volumes else "",
        levels=_LEVELS,
        labels=("white matter hyperintensity",),
        site=site,
    )


ADAPTER = Adapter(
    name="wmh2017",
    summary="WMH Challenge 2017: white matter hyperintensities on T1 and FLAIR, with masks, five scanners",
    licence="CC BY-NC 4.0",
    citation="Kuijf et al., Standardized assessment of automatic segmentation of white matter hyperintensities and "
    "results of the WMH segmentation challenge. IEEE Transactions on Medical Imaging 38 (2019). arXiv:1904.00682",
    source="https://doi.org/10.34894/AECRSD",
    layout=LAYOUT,
    expected={"studies": 170, "patients": 170},
    declares=of_collections("WMH2017"),
    scan=scan,
)
COHORT = adapter_source(ADAPTER)
