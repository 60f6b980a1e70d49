"""BraTS 2019, training part: gliomas before surgery, with grade and segmentation.

`HGG` and `LGG` hold one folder a patient; survival_data.csv has ages, name_mapping.csv grades.
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial

from selip.cohorts.importing.adapter import Adapter, StudyFiles
from selip.cohorts.importing.file_layout import NIFTI, Group, years
from selip.cohorts.importing.importer import adapter_source
from selip.cohorts.importing.tumour_sets import BRATS_CITATION, BRATS_LICENCE, GRADES, ClinicalRow, graded, scan_tumours
from selip.data.cohort_declaration import of_collections

LAYOUT = "{HGG,LGG}/BraTS19_<id>/BraTS19_<id>_{t1,t1ce,t2,flair,seg}.nii[.gz], [name_mapping.csv, survival_data.csv]"
PATTERN = r"(?P<case>BraTS19_[^/]+?)_(?P<kind>t1|t1ce|t2|flair|seg)" + NIFTI


def _describe(study: StudyFiles, group: Group, row: ClinicalRow) -> StudyFiles:
    folder = re.search(r"/(HGG|LGG)/", f"/{group.place}", re.IGNORECASE)
    site = group.case.split("_")[1]
    return replace(
        graded(study, folder[1] if folder else row.get("grade", "")), site=site, age=years(row.get("age", ""))
    )


scan = partial(scan_tumours, layout=LAYOUT, pattern=PATTERN, describe=_describe)
ADAPTER = Adapter(
    name="brats2019",
    summary="BraTS 2019: gliomas of high and low grade; T1, T1c, T2, FLAIR, segmentations",
    licence=BRATS_LICENCE,
    citation=BRATS_CITATION,
    source="https://www.med.upenn.edu/cbica/brats2019/data.html",
    layout=LAYOUT,
    expected={"studies": 335, "patients": 335, GRADES["hgg"]: 259, GRADES["lgg"]: 76},
    declares=of_collections("BraTS", "TCGA-GBM", "TCGA-LGG"),
    scan=scan,
)
COHORT = adapter_source(ADAPTER)
