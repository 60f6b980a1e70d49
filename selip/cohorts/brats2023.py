"""BraTS 2023, training parts: gliomas (GLI; SSA from Sub-Saharan Africa; PED of children), meningiomas, metastases.

Folders end in the patient's number and that of the examination, -000, -001: one patient. Any of the five parts may be
there; a count holds for the parts of that label, and none is given for metastases, whose release grew.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from selip.cohorts.importing.adapter import Adapter, StudyFiles
from selip.cohorts.importing.file_layout import NIFTI, Group
from selip.cohorts.importing.importer import adapter_source
from selip.cohorts.importing.tumour_sets import BRATS_2023_LEVELS, ClinicalRow, scan_tumours
from selip.data.cohort_declaration import of_collections

LAYOUT = "BraTS-{GLI,MEN,MET,PED,SSA}-<nnnnn>-<nnn>/BraTS-<...>-{t1n,t1c,t2w,t2f,seg}.nii[.gz]"
PATTERN = r"(?P<case>BraTS-(?:GLI|MEN|MET|PED|SSA)-\d{5}-\d{3})-(?P<kind>t1n|t1c|t2w|t2f|seg)" + NIFTI
CONTRASTS: Mapping[str, str] = {"t1n": "T1", "t1c": "T1c", "t2w": "T2", "t2f": "FLAIR"}
LABELS: Mapping[str, str] = {
    "GLI": "glioma", "SSA": "glioma", "PED": "pediatric high-grade glioma", "MEN": "meningioma", "MET": "metastasis",
}  # fmt: skip
SITES: Mapping[str, str] = {"SSA": "Sub-Saharan Africa"}


def _describe(study: StudyFiles, group: Group, row: ClinicalRow) -> StudyFiles:
    part = group.case.split("-")[1].upper()
    return replace(study, patient=group.case.rpartition("-")[0], labels=(LABELS[part],), site=SITES.get(part, ""))


scan = partial(
    scan_tumours, layout=LAYOUT, pattern=PATTERN, describe=_describe, contrasts=CONTRASTS, levels=BRATS_2023_LEVELS
)
ADAPTER = Adapter(
    name="brats2023",
    summary="BraTS 2023: gliomas, meningiomas, metastases; T1, T1c, T2, FLAIR, segmentations",
    licence="the challenge's terms, accepted on Synapse: research use, citing the papers",
    citation="Baid et al. 2021, arXiv:2107.02314 (GLI); Adewole et al. 2023, arXiv:2305.19369 (SSA); LaBella et al. "
    "2023, arXiv:2305.07642 (MEN); Moawad et al. 2023, arXiv:2306.00838 (MET); Kazerooni et al. 2023, "
    "arXiv:2305.17033 (PED)",
    source="https://www.synapse.org/brats2023",
    layout=LAYOUT,
    expected={LABELS["GLI"]: 1251 + 60, LABELS["MEN"]: 1000, LABELS["PED"]: 99},
    declares=of_collections("BraTS", "TCGA-GBM", "TCGA-LGG", "UCSF-PDGM", "UPENN-GBM"),
    scan=scan,
)
COHORT = adapter_source(ADAPTER)
