"""BraTS 2021, training part of task 1: gliomas before surgery, with segmentation; grades were not published.

Case numbers do not tell patients. Two pairs are of one patient: UCSF-PDGM (version 5, column "BraTS21 ID") lists one
of each as a follow-up of the other's patient.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from selip.cohorts.importing.adapter import Adapter, StudyFiles
from selip.cohorts.importing.file_layout import NIFTI, Group
from selip.cohorts.importing.importer import adapter_source
from selip.cohorts.importing.tumour_sets import ClinicalRow, scan_tumours
from selip.data.cohort_declaration import of_collections

LAYOUT = "BraTS2021_<nnnnn>/BraTS2021_<nnnnn>_{t1,t1ce,t2,flair,seg}.nii[.gz]"
PATTERN = r"(?P<case>BraTS2021_\d{5})_(?P<kind>t1|t1ce|t2|flair|seg)" + NIFTI
SAME_PATIENT: Mapping[str, str] = {"brats2021_00557": "BraTS2021_00639", "brats2021_00758": "BraTS2021_00626"}


def _describe(study: StudyFiles, group: Group, row: ClinicalRow) -> StudyFiles:
    return replace(study, patient=SAME_PATIENT.get(group.case.lower(), group.case), labels=("glioma",))


scan = partial(scan_tumours, layout=LAYOUT, pattern=PATTERN, describe=_describe)
ADAPTER = Adapter(
    name="brats2021",
    summary="BraTS 2021: gliomas; T1, T1c, T2, FLAIR, segmentations",
    licence="CC BY 4.0 (TCIA), with the TCIA data usage policy",
    citation="Baid et al. 2021, arXiv:2107.02314; Menze et al. 2015, doi:10.1109/TMI.2014.2377694; "
    "Bakas et al. 2017, doi:10.1038/sdata.2017.117",
    source="https://www.cancerimagingarchive.net/analysis-result/rsna-asnr-miccai-brats-2021/",
    layout=LAYOUT,
    expected={"studies": 1251, "glioma": 1251},
    declares=of_collections("BraTS", "TCGA-GBM", "TCGA-LGG", "UCSF-PDGM", "UPENN-GBM"),
    scan=scan,
)
COHORT = adapter_source(ADAPTER)
