"""Cohorts, one file each. A cohort is one file and one line here.

Each line names a `selip.cohort_source.CohortSource`, which is generated (`build`) or imported (`import_from`). Third
parties add theirs through the entry-point group "selip.cohorts".
"""

COHORTS = {
    "phantom": "selip.cohorts.phantom.source:COHORT",
    "phantom_glioma": "selip.cohorts.phantom_glioma:COHORT",
    "table": "selip.cohorts.table:COHORT",
}
