"""Any data set in the Brain Imaging Data Structure (https://bids-specification.readthedocs.io).

Volumes are those of sub-*/[ses-*/]{anat, dwi}, never those of derivatives/ or sourcedata/; what a file shows follows
from its suffix and entities (`contrast_of`). One file a contrast and session is taken: the first by run, then the one
with the fewest entities; the others are named in a problem line. A dwi file of several volumes (its .bval lists them)
is left out, since a mean over directions is not what a reader sees: give the trace image.

Lesion masks may lie anywhere below the folder, mostly under derivatives/ (`is_lesion_mask`). The volume whose grid a
mask is on is read from its name (T1w, T2w, FLAIR, dwi, adc), else from its folder (dwi/).

participants.tsv and sessions.tsv give age, site and a study label (columns age; site or center; diagnosis or group;
see `selip.cohorts.importing.participants`). Folders sub-* in which nothing can be read, and rows of nobody here, are
named.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from selip.cohorts.importing.adapter import Adapter, Scan, StudyFiles
from selip.cohorts.importing.file_layout import NIFTI, Group, Listing, finish_scan, group_files, list_files, read_text
from selip.cohorts.importing.importer import adapter_source
from selip.cohorts.importing.participants import read_people
from selip.data.findings import CONTRASTS
from selip.system.errors import counted, listed

LAYOUT = """sub-01/[ses-1/]{anat/*_T1w.nii.gz, *_ce-gadolinium_T1w.nii.gz, *_T2w.nii.gz, *_FLAIR.nii.gz,
    dwi/*_dwi.nii.gz, *_trace.nii.gz, *_adc.nii.gz}, masks as derivatives/.../sub-01*_{mask, msk, lesion, roi}.nii.gz,
    participants.tsv, sub-01_sessions.tsv"""
SUFFIXES: Mapping[str, str] = {
    "t1w": "T1", "t1": "T1", "t1c": "T1c", "t1ce": "T1c", "t1gd": "T1c", "t2w": "T2", "t2": "T2", "flair": "FLAIR",
    "dwi": "DWI", "trace": "DWI", "tracew": "DWI", "adc": "ADC", "adcmap": "ADC",
}  # fmt: skip
_NOT_ENHANCED = {"none", "no", "pre", "without", "false", "0"}
_OTHER_MAPS = {"fa", "colfa", "b0", "sbref", "eadc", "expadc", "phase", "real", "imag", "gre"}
_OTHER_MAP = re.compile(r"b0(?!\d)|t2_?star|swi|swan|phase|mip|angio|tof")
_ENHANCED = re.compile(
    r"^(?!.*(?:pre|non|no|un|without)(?:gd|gad|con|ce)).*(?:gd|gad|contrast|post(?:con|ce|inj))|^ce$"
)
_UNSURE = re.compile(r"post(?:op.*)?$")  # after contrast agent, or after an operation
_CASE = r"(?P<case>sub-[a-z0-9+]+(?:_ses-[a-z0-9+]+)?)"
_VOLUME = (
    r"^(?!.*(?:derivatives|sourcedata)/).*(?:^|/)(?:anat|dwi)/"
    rf"{_CASE}_(?!ses-)(?P<kind>(?:[a-z0-9]+-[a-z0-9+.]+_)*(?:{'|'.join(SUFFIXES)})){NIFTI}"
)
_FOLDER = re.compile(
    rf"^(?!.*(?:derivatives|sourcedata|code)/)(?:.*?/)?(sub-[^/]+)(?:/(ses-[^/]+))?/.*{NIFTI}", re.IGNORECASE
)
_MASK = rf"(?:^|/){_CASE}_(?P<kind>[^/]*?(?:mask|msk|lesion|roi)){NIFTI}"
_MASK_VOLUME = re.compile(r"(?<![a-z0-9])(t1|t2|flair|dwi|adc)")
_LESION_WORDS = re.compile(r"label-l(?![a-z])|lesion|stroke|infarct|tumou?r|wmh|plaque", re.IGNORECASE)


def scan(source: Path) -> Scan:
    """Sessions of a BIDS data set below `source`; raises InputError when there are none."""
    listing = list_files(source)
    groups, problems = group_files(listing, _VOLUME)
    masks, twice = _masks(listing)
    people = read_people(listing)
    sessions = [group.case.lower().partition("_")[0] for group in groups]
    studies = []
    for group, person in zip(groups, sessions, strict=True):
        volumes, lines = _volumes(group)
        case = group.case.lower()
        # a mask named without its session belongs to it where there is but one
        mask = masks.pop(case, None) or (masks.pop(person, None) if sessions.count(person) == 1 else None)
        problems += lines
        studies.append(_study(case, volumes, mask, people.of(case)))
    problems += [f"{case}: a mask without volumes, left out" for case in masks]
    cases = [study.study for study in studies]
    told = [*people.problems, *people.without_examination(cases), *people.without_row(cases)]
    return finish_scan(
        studies,
        [*_unread(listing, groups), *_of_no_contrast(listing, groups), *told, *problems, *twice],
        listing,
        LAYOUT,
    )


def contrast_of(kind: str) -> str:
    """The contrast of CONTRASTS that a BIDS file shows, or "" for none of them.

    Args:
        kind: Entities and suffix, as "ce-gadolinium_run-1_T1w". T1w with an agent named in `ce`, or in another entity
            ("acq-postgd"), is T1c, with "acq-post" it is none; dwi with the value "adc" in any entity is ADC; maps that
            a reader does not call DWI (fa, b0, ...) or T2 (t2star, ...) are none.
    """
    *entities, suffix = kind.lower().split("_")
    values = dict(entity.partition("-")[::2] for entity in entities)
    if _OTHER_MAPS & {*values.values()} or any(map(_OTHER_MAP.match, values.values())):
        return ""
    contrast = SUFFIXES.get(suffix, "")
    if contrast == "T1" and (
        values.get("ce", "none") not in _NOT_ENHANCED or any(map(_ENHANCED.search, values.values()))
    ):
        return "T1c"
    if contrast == "T1" and any(map(_UNSURE.match, values.values())):
        return ""
    return "ADC" if contrast == "DWI" and "adc" in values.values() else contrast


def is_lesion_mask(kind: str) -> bool:
    """True when a mask's name says lesion, or at least nothing else ("brain", "GM"): as "label-L_mask" or "msk"."""
    return bool(_LESION_WORDS.search(kind)) or not re.search(r"desc-|label-|res-|brain|head|skull|face", kind, re.I)


def _unread(listing: Listing, groups: Sequence[Group]) -> list[str]:
    """A line that names and counts the folders sub-*[/ses-*] with volumes of which none is read."""
    read = {path for group in groups for path in group.files.values()}
    found: dict[str, bool] = {}
    for place, path in listing.files.items():
        if match := _FOLDER.search(place):
            name = "_".join(filter(None, match.groups()))
            found[name] = found.get(name, False) or path in read
    idle = sorted(name for name, is_read in found.items() if not is_read)
    why = "no anat or dwi volume of a readable name (labels are letters and digits, as sub-CON04), left out"
    return [f"{counted(idle, 'folder')} with {why} ({listed(idle)})"] if idle else []


def _of_no_contrast(listing: Listing, groups: Sequence[Group]) -> list[str]:
    """A line that names and counts the other files of anat and dwi of sessions that are read."""
    read = {path: kind for group in groups for kind, path in group.files.items()}
    folders = {path.parent for path in read}
    others = [
        path.name
        for place, path in listing.files.items()
        if path.parent in folders
        and re.search(NIFTI, place, re.IGNORECASE)
        and not re.search(_MASK, place, re.IGNORECASE)
        if not (contrast_of(read[path]) if path in read else "")
    ]
    return [f"{counted(others, 'anat or dwi file')} of no contrast that is read, left out ({listed(others)})"] * bool(
        others
    )


def _volumes(group: Group) -> tuple[dict[str, Path], list[str]]:
    """The file of each contrast, in the order of CONTRASTS, and lines about those not taken."""
    problems, found = [], dict[str, list[str]]()
    for kind, path in group.files.items():
        n_volumes = _count_b_values(path)
        if n_volumes > 1:
            problems.append(f"{group.case}: {path.name} has {n_volumes} volumes, left out: give the trace image")
        elif contrast := contrast_of(kind):
            found.setdefault(contrast, []).append(kind)
    volumes = {}
    for contrast in (contrast for contrast in CONTRASTS if contrast in found):
        kinds = sorted(found[contrast], key=_rank)
        volumes[contrast] = group.files[kinds[0]]
        if len(kinds) > 1:
            problems.append(f"{group.case}: {len(kinds)} files of {contrast}; {volumes[contrast].name} taken")
    return volumes, problems


def _rank(kind: str) -> tuple[bool, int, int, str]:
    """Sort key of several files: a trace image first, then the lowest run, then the plainest name."""
    run = re.search(r"run-(\d+)", kind)
    return "trace" not in kind, int(run[1]) if run else 0, kind.count("_"), kind


def _count_b_values(path: Path) -> int:
    """Volumes that the .bval file beside a volume lists; 0 without one."""
    table = path.with_name(re.sub(NIFTI, ".bval", path.name, flags=re.IGNORECASE))
    return len(read_text(table).split()) if table != path and table.is_file() else 0


def _masks(listing: Listing) -> tuple[dict[str, tuple[str, Path]], list[str]]:
    """Case in lower case -> name and file of its lesion mask, and a line for each case that has several."""
    groups, problems = group_files(listing, _MASK)
    masks = {}
    for group in groups:
        kinds = sorted(filter(is_lesion_mask, group.files))
        if len(kinds) > 1:
            problems.append(f"{group.case}: {len(kinds)} masks; {group.files[kinds[0]].name} taken")
        if kinds:
            masks[group.case.lower()] = (kinds[0], group.files[kinds[0]])
    return masks, problems


def _mask_contrast(kind: str, path: Path, contrasts: Sequence[str]) -> str:
    """The volume whose grid a mask is on, as far as its name tells; "" otherwise."""
    named = {"t1": "T1c" if "ce-" in kind else "T1", "t2": "T2", "flair": "FLAIR", "dwi": "DWI", "adc": "ADC"}
    words = [named[word] for word in _MASK_VOLUME.findall(kind)]
    words += ["DWI", "ADC"] if path.parent.name.lower() == "dwi" else []
    return next((contrast for contrast in words if contrast in contrasts), "")


def _study(case: str, volumes: dict[str, Path], mask: tuple[str, Path] | None, person: Mapping[str, str]) -> StudyFiles:
    label = person.get("diagnosis") or person.get("group") or ""
    return StudyFiles(
        patient=case.partition("_")[0],
        study=case,
        volumes=volumes,
        mask=mask[1] if mask else None,
        mask_contrast=_mask_contrast(*mask, tuple(volumes)) if mask else "",
        labels=(label,) if label else (),
        site=person.get("site") or person.get("center") or "",
        age=person.get("age", ""),
    )


ADAPTER = Adapter(
    name="bids",
    summary="Any BIDS data set: anat and dwi volumes by suffix, lesion masks, participants.tsv",
    licence="As its dataset_description.json says",
    citation="Gorgolewski et al., The brain imaging data structure, a format for organizing and describing outputs of "
    "neuroimaging experiments. Scientific Data 3, 160044 (2016).",
    source="https://bids.neuroimaging.io",
    layout=LAYOUT,
    expected={},
    scan=scan,
)
COHORT = adapter_source(ADAPTER)
