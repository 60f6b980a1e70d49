"""MSLesSeg (ICPR 2024): multiple sclerosis, T1, T2 and FLAIR in MNI space with lesion masks; 75 patients.

train/P1/T1/P1_T1_FLAIR.nii.gz: the folder T1 is the first TIMEPOINT of patient P1, not the contrast. The test part has
one timepoint a patient and no folder for it: test/P74/P74_FLAIR.nii.gz. Volumes are brain-extracted, 182 x 218 x 182 at
1 mm. 53 patients with 93 timepoints are for training, 22 for testing.
"""

from __future__ import annotations

import re
from pathlib import Path

from selip.cohorts.importing import file_layout
from selip.cohorts.importing.adapter import Adapter, Scan, StudyFiles
from selip.cohorts.importing.importer import adapter_source

LAYOUT = """train/P1/T1/P1_T1_{T1, T2, FLAIR, MASK}.nii.gz (the folder T1 is a timepoint) and
    test/P74/P74_{T1, T2, FLAIR, MASK}.nii.gz"""
_CONTRASTS = {"t1": "T1", "t2": "T2", "flair": "FLAIR"}
_FILE = rf"(?:^|/)(?P<case>P\d+(?:_T\d+)?)_(?P<kind>T1|T2|FLAIR|MASK){file_layout.NIFTI}"
_PART = re.compile(r"(?:^|/)(train|test)/", re.IGNORECASE)


def scan(source: Path) -> Scan:
    """Examinations of MSLesSeg below `source`; raises InputError when there are none."""
    listing = file_layout.list_files(source)
    groups, problems = file_layout.group_files(listing, _FILE)
    studies, parts = [], {}
    for group in groups:
        volumes, missing = file_layout.pick_volumes(group, _CONTRASTS)
        problems += missing if volumes else []
        problems += [] if "mask" in group.files else [f"{group.case}: no mask"]
        studies.append(_study(group, volumes))
        if part := _PART.search(group.place):
            parts[studies[-1].study] = part[1].lower()
    studies, moved = file_layout.apply_split(studies, file_layout.both_parts(parts))
    return file_layout.finish_scan(studies, [*problems, *moved], listing, LAYOUT)


def _study(group: file_layout.Group, volumes: dict[str, Path]) -> StudyFiles:
    return StudyFiles(
        patient=group.case.upper().partition("_")[0],
        study=group.case.upper(),
        volumes=volumes,
        mask=group.files.get("mask"),
        mask_contrast="FLAIR" if "FLAIR" in volumes else "",
        labels=("multiple sclerosis plaque",),
    )


ADAPTER = Adapter(
    name="mslesseg",
    summary="MSLesSeg: multiple sclerosis on T1, T2 and FLAIR in MNI space, with masks, repeats of patients",
    licence="CC BY 4.0",
    citation="Guarnera, Rondinella, Crispino et al., MSLesSeg: baseline and benchmarking of a new Multiple Sclerosis "
    "Lesion Segmentation dataset. Scientific Data 12, 920 (2025). doi:10.1038/s41597-025-05250-y",
    source="https://doi.org/10.6084/m9.figshare.27919209",
    layout=LAYOUT,
    expected={"studies": 115, "patients": 75},
    centre="world",
    scan=scan,
)
COHORT = adapter_source(ADAPTER)
