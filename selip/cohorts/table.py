"""A user's own NIfTI files and reports, listed in a CSV file: one row a volume.

Columns, the first four required; a row needs a report, findings or a mask too:
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
    region, side: Place of the lesion that a clinical table gives: the findings that are measured on the mask get it.
    label:NAME, value:NAME: Classes and numbers of the study that are tasks of their own, and `fold` the fold of the
        patient. What they mean is declared in the YAML file beside the CSV (mine.yaml for mine.csv), see
        `selip.data.cohort_declaration`.

The whole table is checked before the first voxel is read, and one wrong row refuses it. A file that turns out to be
unreadable leaves out its study (`selip.cohorts.importing.importer`). Structured findings (the truth that graded
relevance needs) are those of the table where it gives them for every contrast, else extracted from the report or, where
there is none, measured on the mask.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from selip.cohorts.cohort_source import CohortSource
from selip.cohorts.importing.adapter import Scan, StudyFiles
from selip.cohorts.importing.import_plan import SetFacts
from selip.cohorts.importing.importer import import_studies
from selip.cohorts.importing.study_rows import check_described, check_folds, check_splits, group_studies
from selip.cohorts.importing.volume_table import VolumeRow, read_rows
from selip.data.cohort import Cohort
from selip.data.cohort_declaration import read_declaration


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
    grouped = group_studies(rows)
    check_described(grouped)
    check_splits(rows)
    check_folds(rows)
    studies = tuple(_study(members) for members in grouped)
    declared = read_declaration(csv_file.with_suffix(".yaml"))
    facts = SetFacts(name or csv_file.stem, declared.sheet.licence, declares=declared)
    options = {"profile": "table", **options}
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
        place=first.clinical_place,
        own=first.own,
    )


COHORT = CohortSource(
    name="table",
    summary="Your own NIfTI files and reports, listed in a CSV file",
    source="the user's own",
    licence="their terms hold",
    import_from=import_table,
)
