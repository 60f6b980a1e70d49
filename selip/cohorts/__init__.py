"""Cohorts, one file each. A cohort is one file and one line here.

Each line names a `selip.cohorts.cohort_source.CohortSource`, which is generated (`build`) or imported (`import_from`).
Third parties add theirs through the entry-point group "selip.cohorts".
"""

COHORTS = {
    "bids": "selip.cohorts.bids:COHORT",
    "brats2019": "selip.cohorts.brats2019:COHORT",
    "brats2020": "selip.cohorts.brats2020:COHORT",
    "brats2021": "selip.cohorts.brats2021:COHORT",
    "brats2023": "selip.cohorts.brats2023:COHORT",
    "figshare_tumours": "selip.cohorts.figshare_tumours:COHORT",
    "isles2022": "selip.cohorts.isles2022:COHORT",
    "ixi": "selip.cohorts.ixi:COHORT",
    "lgg_kaggle": "selip.cohorts.lgg_kaggle:COHORT",
    "mr_rate": "selip.cohorts.mr_rate:COHORT",
    "mslesseg": "selip.cohorts.mslesseg:COHORT",
    "open_ms": "selip.cohorts.open_ms:COHORT",
    "open_ms_longitudinal": "selip.cohorts.open_ms:COHORT_LONGITUDINAL",
    "phantom": "selip.cohorts.phantom.generate:COHORT",
    "phantom_glioma": "selip.cohorts.phantom_glioma:COHORT",
    "radgenome": "selip.cohorts.radgenome:COHORT",
    "table": "selip.cohorts.table:COHORT",
    "textbrats": "selip.cohorts.textbrats:COHORT",
    "ucsf_pdgm": "selip.cohorts.ucsf_pdgm:COHORT",
    "upenn_gbm": "selip.cohorts.upenn_gbm:COHORT",
    "wmh2017": "selip.cohorts.wmh2017:COHORT",
}
