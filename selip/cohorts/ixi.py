"""IXI: T1 and T2 of healthy volunteers from three London hospitals.

Site and ids are in the name: IXI002-Guys-0828-T1.nii.gz (Guys 1.5 T, HH 3 T, IOP 1.5 T). PD, MRA and diffusion series
are not of our contrasts and are left out, and counted. The site calls its subjects "normal, healthy": each volume's
text is the normal sentence for that reason; nobody read the scans one by one.

Ages are in IXI.xls, which no part of this project reads: saved as IXI.csv beside the volumes it is used. A person whose
rows in it disagree gets no age. The site publishes "nearly 600" as the count; its T1 archive holds 581.
"""

from __future__ import annotations

import re
from pathlib import Path

from selip.cohorts.importing import file_layout
from selip.cohorts.importing.adapter import Adapter, Scan, StudyFiles
from selip.cohorts.importing.importer import adapter_source
from selip.data.findings import NORMAL_TEXT

LAYOUT = "IXI002-Guys-0828-{T1, T2}.nii.gz, in one folder or in IXI-T1/ and IXI-T2/, and IXI.csv (of IXI.xls) for ages"
_CASE = r"(?:^|/)(?P<case>IXI\d+-[A-Z]+-\d+)"
_OTHERS = re.compile(rf"{_CASE}-(?P<kind>PD|MRA|DTI)(?:-\d+)?{file_layout.NIFTI}", re.IGNORECASE)


def scan(source: Path) -> Scan:
    """Examinations of IXI below `source`; raises InputError when there are none."""
    listing = file_layout.list_files(source)
    groups, problems = file_layout.group_files(listing, rf"{_CASE}-(?P<kind>T1|T2){file_layout.NIFTI}")
    ages = _ages(listing)
    studies = []
    for group in groups:
        volumes, missing = file_layout.pick_volumes(group, {"t1": "T1", "t2": "T2"})
        problems += missing
        studies.append(_study(group, volumes, ages))
    return file_layout.finish_scan(studies, [*_left_out(listing), *problems], listing, LAYOUT)


def _study(group: file_layout.Group, volumes: dict[str, Path], ages: dict[int, str]) -> StudyFiles:
    person, site, _ = group.case.split("-")
    return StudyFiles(
        patient=person.upper(),
        study=group.case,
        volumes=volumes,
        texts=dict.fromkeys(volumes, NORMAL_TEXT),
        labels=("normal",),
        site=site,
        age=ages.get(int(person[3:]), ""),
    )


def _left_out(listing: file_layout.Listing) -> list[str]:
    """A line for each other series, with how many there are, and one for a table that cannot be read."""
    kinds = [match["kind"].upper() for place in listing.files if (match := _OTHERS.search(place))]
    lines = [f"{kinds.count(kind)} {kind} files left out: none of our contrasts" for kind in sorted({*kinds})]
    if file_layout.find_tables(listing, r"IXI\.xlsx?$") and not file_layout.find_tables(listing, r"IXI\.csv$"):
        lines.append("IXI.xls: not read, ages stay unknown: save it as IXI.csv")
    return lines


def _ages(listing: file_layout.Listing) -> dict[int, str]:
    """Number of the person -> age in years with two digits after the point, where all rows agree."""
    found: dict[int, set[str]] = {}
    for path in file_layout.find_tables(listing, r"IXI\.csv$"):
        for row in file_layout.read_table(path):
            if row.get("ixi_id", "").isdecimal() and (age := file_layout.years(row.get("age", ""))):
                found.setdefault(int(row["ixi_id"]), set()).add(f"{float(age):.2f}")
    return {number: ages.pop() for number, ages in found.items() if len(ages) == 1}


ADAPTER = Adapter(
    name="ixi",
    summary="IXI: T1 and T2 of healthy volunteers, three hospitals, site known",
    licence="CC BY-SA 3.0",
    citation="IXI: Information eXtraction from Images (EPSRC GR/S21533/02), brain-development.org.",
    source="https://brain-development.org/ixi-dataset/",
    layout=LAYOUT,
    expected={"T1": 581},
    scan=scan,
)
COHORT = adapter_source(ADAPTER)
