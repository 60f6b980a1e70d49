"""BraTS 2020, training part: gliomas before surgery, with segmentation; grades are in name_mapping.csv.

The segmentation of case 355 was published as `W39_1998.09.19_Segm.nii` and is found under that name. Validation
cases have no segmentation; they are taken without a mask, and said.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from selip.cohorts.importing.adapter import Adapter, StudyFiles
from selip.cohorts.importing.file_layout import NIFTI, Group, years
from selip.cohorts.importing.importer import adapter_source
from selip.cohorts.importing.tumour_sets import BRATS_CITATION, BRATS_LICENCE, GRADES, ClinicalRow, graded, scan_tumours
from selip.data.cohort_declaration import of_collections

LAYOUT = (
    "BraTS20_Training_<nnn>/BraTS20_Training_<nnn>_{t1,t1ce,t2,flair,seg}.nii[.gz], name_mapping.csv, survival_info.csv"
)
PATTERN = r"(?P<case>BraTS20_(?:Training|Validation)_\d{3})(?:_|/W39[^/]*_)(?P<kind>t1|t1ce|t2|flair|segm?)" + NIFTI


def describe(study: StudyFiles, group: Group, row: ClinicalRow) -> StudyFiles:
    """The study with grade and age of the tables. A group names nothing more."""
    return replace(graded(study, row.get("grade", "")), age=years(row.get("age", "")))


scan = partial(scan_tumours, layout=LAYOUT, pattern=PATTERN, describe=describe)
ADAPTER = Adapter(
    name="brats2020",
    summary="BraTS 2020: gliomas of high and low grade; T1, T1c, T2, FLAIR, segmentations",
    licence=BRATS_LICENCE,
    citation=BRATS_CITATION,
    source="https://www.med.upenn.edu/cbica/brats2020/data.html",
    layout=LAYOUT,
    expected={"studies": 369, "patients": 369, GRADES["hgg"]: 293, GRADES["lgg"]: 76},
    declares=of_collections("BraTS", "TCGA-GBM", "TCGA-LGG"),
    scan=scan,
)
COHORT = adapter_source(ADAPTER)
