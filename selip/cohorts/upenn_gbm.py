"""UPENN-GBM: glioblastomas, 611 before surgery (`_11`) and 60 at follow-up (`_21`), 41 of these of both.

Skull-stripped volumes are taken. The segmentation is the one corrected by hand where there is one (`images_segm`),
else the automated one (`automated_segm`); follow-ups have none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from selip.cohorts.importing.adapter import Adapter, StudyFiles
from selip.cohorts.importing.file_layout import NIFTI, Group, years
from selip.cohorts.importing.importer import adapter_source
from selip.cohorts.importing.tumour_sets import ClinicalRow, scan_tumours
from selip.data.cohort_declaration import of_collections

LAYOUT = (
    "images_structural/UPENN-GBM-<nnnnn>_{11,21}/UPENN-GBM-<nnnnn>_{11,21}_{T1,T1GD,T2,FLAIR}.nii.gz, "
    "images_segm/<id>_segm.nii.gz, automated_segm/<id>_automated_approx_segm.nii.gz, [UPENN-GBM_clinical_info*.csv]"
)
MASKS = ("segm", "automated_approx_segm")
PATTERN = rf"(?P<case>UPENN-GBM-\d{{5}}_\d{{2}})_(?P<kind>T1|T1GD|T2|FLAIR|{'|'.join(MASKS)})" + NIFTI
CONTRASTS: Mapping[str, str] = {"t1": "T1", "t1gd": "T1c", "t2": "T2", "flair": "FLAIR"}


def _describe(study: StudyFiles, group: Group, row: ClinicalRow) -> StudyFiles:
    patient, age = group.case.rpartition("_")[0], years(row.get("age_at_scan_years", ""))
    return replace(study, patient=patient, labels=("glioblastoma",), site="UPenn", age=age)


scan = partial(
    scan_tumours,
    layout=LAYOUT,
    pattern=PATTERN,
    describe=_describe,
    contrasts=CONTRASTS,
    masks=MASKS,
    tables=r"UPENN-GBM_clinical_info[^/]*\.csv$",
)
ADAPTER = Adapter(
    name="upenn_gbm",
    summary="UPENN-GBM: glioblastomas; T1, T1c, T2, FLAIR, segmentations",
    licence="CC BY 4.0, with the TCIA data usage policy",
    citation="Bakas et al. 2022, doi:10.1038/s41597-022-01560-7, doi:10.7937/TCIA.709X-DN49",
    source="https://www.cancerimagingarchive.net/collection/upenn-gbm/",
    layout=LAYOUT,
    expected={"studies": 671, "patients": 630, "glioblastoma": 671},
    declares=of_collections("UPENN-GBM"),
    scan=scan,
)
COHORT = adapter_source(ADAPTER)
