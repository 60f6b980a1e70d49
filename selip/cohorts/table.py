"""A user's own NIfTI files and reports, listed in a CSV file: one row a volume.

Columns, the last six optional:
    patient, study: Ids; a study is one examination of one patient.
    contrast: T1, T2, FLAIR, DWI, ADC or T1c, or an alias (CONTRAST_ALIASES); letter case, "-", "_", " " do not matter.
    path: NIfTI file, relative to the CSV's folder (or to `root`).
    report: Free text of the study, the same in all its rows.
    findings: What this contrast shows, "at X shows Y; at Z shows W" or the normal sentence. Without it the text
        of the pair comes from the report (`selip.cohorts.importing.study_texts`).
    mask: Lesion mask on the grid of this row's volume, one file a study; label values above one half are lesion.
    labels: Names separated by semicolons; the split is stratified on them.
    split: train, val or test, in all rows or in none; with none the split is seeded, by patient.
    site, age: Of the study; age in years.

The whole table is checked before the first voxel is read, and one wrong row refuses it. A file that turns out to be
unreadable leaves out its study (`selip.cohorts.importing.importer`). Structured findings (the truth that graded
relevance needs) stay unknown where the table gives findings; else they are extracted from the report.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from selip.cohorts.cohort_source import CohortSource
from selip.cohorts.importing.adapter import Scan, StudyFiles
from selip.cohorts.importing.import_plan import SetFacts
from selip.cohorts.importing.importer import import_studies
from selip.cohorts.importing.volume_table import VolumeRow, check_splits, group_studies, read_rows
from selip.data.cohort import Cohort


def import_table(
    csv_file: Path | str,
    out: Path | str,
    *,
    root: Path | str | None = None,
    name: str = "",
    progress: Callable[[int, int], None] | None = None,
    say: Callable[[str], None] = lambda line: None,
    **options: Any,  # noqa: ANN401 (each field of Recipe has its own type)
) -> Cohort:
    """Imports the volumes of a table into a new cohort.

    Paths in the table are relative to `root`, the CSV's folder by default, and may not leave it; the cohort's name is
    the CSV's by default. The other arguments are those of `import_studies`.

    Raises:
        InputError: One line that names row, study or file; nothing is imported then.
    """
    csv_file = Path(csv_file)
    home = csv_file.parent if root is None else Path(root)
    rows = read_rows(csv_file, home)
    studies = tuple(_study(members) for members in group_studies(rows))
    check_splits(rows)
    facts, options = SetFacts(name or csv_file.stem), {"profile": "table", **options}
    return import_studies(facts, Scan(studies), out, root=home, progress=progress, say=say, **options)


def _study(rows: Sequence[VolumeRow]) -> StudyFiles:
    first, drawn_on = rows[0], next((row for row in rows if row.mask), None)
    return StudyFiles(
        patient=first.patient,
        study=first.study,
        volumes={row.contrast: row.path for row in rows},
        mask=drawn_on.mask if drawn_on else None,
        mask_contrast=drawn_on.contrast if drawn_on else "",
        report=first.report,
        texts={row.contrast: row.text for row in rows if row.text},
        labels=first.labels,
        split=first.split,
        site=first.site,
        age=first.age,
    )


COHORT = CohortSource(
    name="table",
    summary="Your own NIfTI files and reports, listed in a CSV file",
    source="the user's own",
    licence="their terms hold",
    import_from=import_table,
)
