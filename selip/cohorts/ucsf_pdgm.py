"""UCSF-PDGM: diffuse gliomas before surgery on one 3 T scanner, with DWI and ADC, diagnosis and grade.

Of the volumes with and without bias correction (`_bias`) those without are taken. `_FU<days>d` is a second
examination of the same patient; version 3 had these under numbers of their own (RENAMED).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from selip.cohorts.importing.adapter import Adapter, StudyFiles
from selip.cohorts.importing.file_layout import NIFTI, Group, years
from selip.cohorts.importing.importer import adapter_source
from selip.cohorts.importing.tumour_sets import ClinicalRow, scan_tumours
from selip.data.cohort_declaration import of_collections

LAYOUT = (
    "UCSF-PDGM-<nnnn>[_FU<nnn>d]_nifti/UCSF-PDGM-<nnnn>_{T1,T1c,T2,FLAIR,DWI,ADC,tumor_segmentation}.nii.gz, "
    "[UCSF-PDGM-metadata*.csv]"
)
PATTERN = r"(?P<case>UCSF-PDGM-\d{4}(?:_FU\d+d)?)_(?P<kind>T1|T1c|T2|FLAIR|DWI|ADC|tumor_segmentation)" + NIFTI
CONTRASTS: Mapping[str, str] = {"t1": "T1", "t1c": "T1c", "t2": "T2", "flair": "FLAIR", "dwi": "DWI", "adc": "ADC"}
RENAMED: Mapping[str, str] = {
    "0138": "0429", "0175": "0396", "0181": "0409", "0278": "0431", "0289": "0391", "0315": "0433",
}  # fmt: skip


def _describe(study: StudyFiles, group: Group, row: ClinicalRow) -> StudyFiles:
    number = group.case.upper().removeprefix("UCSF-PDGM-")[:4]
    return replace(
        study,
        patient=f"UCSF-PDGM-{RENAMED.get(number, number)}",
        labels=_labels(row),
        site="UCSF",
        age=years(row.get("age at mri", "")),
    )


def _labels(row: ClinicalRow) -> tuple[str, ...]:
    """As ("WHO grade 4", "glioblastoma"): the grade, and the diagnosis of WHO 2021 without its molecular part."""
    diagnosis = re.match(r"\w+", row.get("final pathologic diagnosis (who 2021)", ""))
    grade = re.match(r"[1-4]", row.get("who cns grade", ""))
    return (*((f"WHO grade {grade[0]}",) if grade else ()), *((diagnosis[0].lower(),) if diagnosis else ()))


scan = partial(
    scan_tumours,
    layout=LAYOUT,
    pattern=PATTERN,
    describe=_describe,
    contrasts=CONTRASTS,
    masks=("tumor_segmentation",),
    tables=r"UCSF-PDGM-metadata[^/]*\.csv$",
)
ADAPTER = Adapter(
    name="ucsf_pdgm",
    summary="UCSF-PDGM: diffuse gliomas; T1, T1c, T2, FLAIR, DWI, ADC, segmentations, diagnosis",
    licence="CC BY 4.0, with the TCIA data usage policy",
    citation="Calabrese et al. 2022, doi:10.1148/ryai.220058, doi:10.7937/tcia.bdgf-8v37",
    source="https://www.cancerimagingarchive.net/collection/ucsf-pdgm/",
    layout=LAYOUT,
    expected={"studies": 501, "patients": 495},
    declares=of_collections("UCSF-PDGM"),
    scan=scan,
)
COHORT = adapter_source(ADAPTER)
