"""ISLES 2022: acute and subacute infarcts, DWI, ADC and FLAIR of three centres; the public training part.

Releases differ: the examinations lie in the top folder or under rawdata/, and letter case of names changes. FLAIR is on
a grid of its own; the mask is on that of DWI and ADC. The test part is not public. Which examination is of which
centre is not published.

Counts and terms: Hernandez Petzsche et al., Scientific Data 9, 762 (2022): 250 training cases, one a patient.
"""

from __future__ import annotations

from pathlib import Path

from selip.cohorts.importing.adapter import Adapter, Scan, StudyFiles
from selip.cohorts.importing.file_layout import NIFTI, Group, finish_scan, group_files, list_files, pick_volumes
from selip.cohorts.importing.importer import adapter_source
from selip.cohorts.importing.participants import read_people
from selip.data.cohort_declaration import of_collections

LAYOUT = """[rawdata/]sub-strokecase0001/ses-0001/{dwi/*_dwi.nii.gz, dwi/*_adc.nii.gz, anat/*_FLAIR.nii.gz} and
    derivatives/sub-strokecase0001/ses-0001/*_msk.nii.gz"""
_CONTRASTS = {"flair": "FLAIR", "dwi": "DWI", "adc": "ADC"}
_FILE = (
    r"^(?!.*derivatives/.*_(?:dwi|adc|flair)\.).*"  # copies that a user resampled lie under derivatives too
    rf"/(?P<case>sub-strokecase\d+_ses-\d+)_(?P<kind>dwi|adc|flair|msk){NIFTI}"
)


def scan(source: Path) -> Scan:
    """Examinations of ISLES 2022 below `source`; raises InputError when there are none."""
    listing = list_files(source)
    groups, problems = group_files(listing, _FILE)
    people = read_people(listing)
    problems += people.problems
    studies = []
    for group in groups:
        volumes, missing = pick_volumes(group, _CONTRASTS)
        problems += missing if volumes else []
        problems += [] if "msk" in group.files else [f"{group.case}: no mask"]
        studies.append(_study(group, volumes, people.of(group.case)))
    problems += people.without_examination([study.study for study in studies])
    return finish_scan(studies, problems, listing, LAYOUT)


def _patient(group: Group) -> str:
    return group.case.lower().partition("_")[0]


def _study(group: Group, volumes: dict[str, Path], person: dict[str, str]) -> StudyFiles:
    return StudyFiles(
        patient=_patient(group),
        study=group.case.lower(),
        volumes=volumes,
        mask=group.files.get("msk"),
        mask_contrast=next((contrast for contrast in ("DWI", "ADC") if contrast in volumes), ""),
        labels=("infarct",),
        age=person.get("age", ""),
    )


ADAPTER = Adapter(
    name="isles2022",
    summary="ISLES 2022: acute to subacute infarcts on DWI, ADC and FLAIR, with masks",
    licence="CC BY 4.0",
    citation="Hernandez Petzsche et al., ISLES 2022: A multi-center magnetic resonance imaging stroke lesion "
    "segmentation dataset. Scientific Data 9, 762 (2022). doi:10.1038/s41597-022-01875-5",
    source="https://doi.org/10.5281/zenodo.7153326",
    layout=LAYOUT,
    expected={"studies": 250, "patients": 250},
    declares=of_collections("ISLES2022"),
    scan=scan,
)
COHORT = adapter_source(ADAPTER)
