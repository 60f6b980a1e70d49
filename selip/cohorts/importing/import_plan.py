"""Decisions before the first voxel is read: settings, studies that can be imported or not, parts of the patients."""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import get_args

import numpy as np

from selip.cohorts.importing.adapter import Scan, StudyFiles, unfit_label
from selip.cohorts.importing.study_texts import Texts, has_text
from selip.data.cohort_declaration import CohortDeclaration
from selip.data.findings import CONTRASTS
from selip.data.splits import SPLITS, assign_splits
from selip.data.tables import id_key, is_no_report
from selip.data.volumes import Centre
from selip.reports.extraction.extractor import LANGUAGES
from selip.system.errors import InputError, counted, listed

QUARANTINE = "quarantine.csv"


@dataclass(frozen=True)
class Quarantined:
    """A study that is left out, as a row of quarantine.csv; `file` is "" when no one file is to blame."""

    study: str
    file: str
    reason: str

    @property
    def line(self) -> str:
        """Study, if it is of one, and reason in one line."""
        return f"{self.study}: {self.reason}" if self.study else self.reason


def quarantine(study: StudyFiles, reason: str, root: Path | None) -> Quarantined:
    """A study that is left out for `reason`; paths in it become relative to `root`."""
    files = [*study.volumes.values(), *([study.mask] if study.mask else [])]
    file = next((str(path) for path in files if str(path) in reason), "")
    for folder in dict.fromkeys([root, root.resolve()] if root else []):
        file, reason = file.removeprefix(f"{folder}/"), reason.replace(f"{folder}/", "")
    return Quarantined(study.study, file, reason)


def problem(line: str) -> Quarantined:
    """A problem line of a scan, as "BraTS20_Training_007: no t2 volume"."""
    study, colon, reason = line.partition(": ")
    return Quarantined(study, "", reason) if colon else Quarantined("", "", line)


def write_quarantine(path: Path, entries: Sequence[Quarantined]) -> None:
    """Writes entries as CSV with the columns study, file, reason."""
    with path.open("w", encoding="utf-8", newline="") as stream:
        table = csv.DictWriter(stream, [field.name for field in fields(Quarantined)], lineterminator="\n")
        table.writeheader()
        table.writerows(asdict(entry) for entry in entries)


@dataclass(frozen=True)
class SetFacts:
    """Facts about a set that has no adapter."""

    name: str
    licence: str = ""
    citation: str = ""
    declares: CohortDeclaration = field(default_factory=CohortDeclaration)


@dataclass(frozen=True)
class Recipe:
    """Settings by which studies become a cohort.

    Attributes:
        shape: Voxels of the cohort's grid along right, front, top.
        spacing_mm: Voxel edges along the same axes.
        seed: Seed of the split, or of the val part, where the set gives none.
        centre: Where the grid lies, see `selip.data.volumes`.
        texts: Where a contrast has no text: "extracted" from the report (from the mask without a report), "report" as
            it is, "masks" (measured, whatever the report), or "none".
        language: Language of the reports.
        strict: Whether one study that cannot be imported refuses the import.
        workers: Processes; 0 for one a core.
        command: Command that rebuilds the cohort, for its facts.
        profile: Profile of the cohort.
        conflict: Rule for sides, see `selip.data.cohort_declaration`.
    """

    shape: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    seed: int = 0
    centre: Centre = "foreground"
    texts: Texts = "extracted"
    language: str = "en"
    strict: bool = False
    workers: int = 0
    command: str = ""
    profile: str = "imported"
    conflict: str = "mask"

    def __post_init__(self) -> None:
        """Checks the choices; raises InputError when one is not allowed."""
        if len(self.shape) != 3 or any(size < 1 for size in self.shape):
            raise InputError(f"got shape {tuple(self.shape)}; allowed: three positive whole numbers; mend it")
        if len(self.spacing_mm) != 3 or not all(0 < size < np.inf for size in self.spacing_mm):
            raise InputError(f"got spacing {tuple(self.spacing_mm)}; allowed: three positive lengths in mm; mend it")
        choices = {"centre": get_args(Centre), "texts": get_args(Texts), "language": LANGUAGES}
        for name, allowed in choices.items():
            if getattr(self, name) not in allowed:
                raise InputError(f"got {name} {getattr(self, name)!r}; allowed: {', '.join(allowed)}; choose one")
        if self.workers < 0:
            raise InputError(f"got {self.workers} workers; allowed: 0 (one a core) or more; mend it")


SHARES = (0.7, 0.1, 0.2)
SHARES_OF_TRAIN = (7 / 8, 1 / 8, 0.0)  # val is then to train as in SHARES


def tidied(scan: Scan) -> Scan:
    """The scan with placeholders for texts emptied, and lines about these and about patients who may be one."""
    emptied = [_without_placeholders(study) for study in scan.studies]
    said = [
        f"{one.study} {one.report[:20]!r}" for one, other in zip(scan.studies, emptied, strict=True) if one != other
    ]
    lines = [f"{counted(said, 'study')} with a placeholder for a text, taken as none ({listed(said)})"] if said else []
    return Scan(tuple(emptied), (*_alike(scan.studies), *lines, *scan.problems))


def _without_placeholders(study: StudyFiles) -> StudyFiles:
    texts = {contrast: text for contrast, text in study.texts.items() if not (text and is_no_report(text))}
    report = "" if is_no_report(study.report) else study.report
    return study if (report, texts) == (study.report, study.texts) else replace(study, report=report, texts=texts)


def _alike(studies: Sequence[StudyFiles]) -> list[str]:
    """A line about patients whose ids differ in spelling alone."""
    spelt: dict[str, dict[str, None]] = defaultdict(dict)
    for study in studies:
        spelt[id_key(study.patient)].setdefault(study.patient)
    found = [" = ".join(names) for names in spelt.values() if len(names) > 1]
    how = "differ only in letter case, Unicode form, space or leading zeros; each may be one patient in two parts"
    return [f"{counted(found, 'group')} of patient ids that {how} ({listed(found)})"] if found else []


def unfit(studies: Sequence[StudyFiles], root: Path | None, texts: Texts) -> dict[int, str]:
    """Position of each study that cannot be imported -> why, in one line.

    No file may lie outside of `root`, links followed; None is not checked.
    """
    home = None if root is None else root.resolve()
    count, parts, some = Counter(study.study for study in studies), _parts(studies), any(s.split for s in studies)
    found = {}
    for position, study in enumerate(studies):
        split = parts[study.patient]
        reasons = {
            "got an id that is empty or not printable": not all(_is_id(name) for name in (study.patient, study.study)),
            f"got {count[study.study]} studies of this id": count[study.study] > 1,
            "got no volume": not study.volumes,
            f"got contrasts other than {', '.join(CONTRASTS)}": bool({*study.volumes} - {*CONTRASTS}),
            f"got a split other than {', '.join(SPLITS)}": bool({*split} - {*SPLITS}),
            f"got patient {study.patient} in several parts ({', '.join(sorted(split))})": len(split) > 1,
            f"got patient {study.patient} in no part, though the set gives a split": some and not split,
            "got volumes without text: no report, texts, labels or usable mask": not has_text(study, texts),
            f"got {unfit_label(study.labels)}": bool(unfit_label(study.labels)),
            "got a file outside the data folder": home is not None and not _within(study, home),
        }
        reason = next((reason for reason, holds in reasons.items() if holds), "")
        if reason:
            found[position] = reason
    return found


def patient_parts(studies: Sequence[StudyFiles], seed: int) -> tuple[dict[str, str], str]:
    """Part of each patient and, in words, where it comes from.

    A split that the set gives stays; one without val has it taken out of train at random, by patient; without any the
    split is seeded, by patient, stratified on labels.
    """
    given = {patient: min(split) for patient, split in _parts(studies).items() if len(split) == 1}
    strata = [(study.patient, ";".join(sorted({*study.labels}))) for study in studies]
    if not given:
        return _seeded(strata, seed, SHARES), f"split: by patient, seed {seed}"
    if "val" in given.values():
        return given, "split: as given with the set"
    moved = _seeded([pair for pair in strata if given.get(pair[0]) == "train"], seed, SHARES_OF_TRAIN)
    n_val = sum(split == "val" for split in moved.values())
    counts = f"{n_val} of its {len(moved)} train patients became val, seed {seed}"
    return given | moved, f"split: as given with the set, which has no val; {counts}"


def counts_line(scan: Scan, expected: Mapping[str, int]) -> str:
    """Found counts beside the published ones: studies, patients, labels, parts, sites or contrasts, as `expected`."""
    found = Counter(
        name for study in scan.studies for name in {*study.labels, study.split, study.site, *study.volumes} - {""}
    )
    found |= Counter(studies=len(scan.studies), patients=len({study.patient for study in scan.studies}))
    names = [*dict.fromkeys(["studies", "patients", *expected])]
    return "found " + ", ".join(
        f"{found[name]} {name}" + (f" (published: {expected[name]})" if name in expected else "") for name in names
    )


def _seeded(strata: Sequence[tuple[str, str]], seed: int, shares: tuple[float, float, float]) -> dict[str, str]:
    return assign_splits([patient for patient, _ in strata], [stratum for _, stratum in strata], seed, shares)


def _parts(studies: Sequence[StudyFiles]) -> dict[str, set[str]]:
    """Patient -> the parts that the set puts them in."""
    parts: dict[str, set[str]] = defaultdict(set)
    for study in studies:
        parts[study.patient] |= {study.split} - {""}
    return parts


def _is_id(name: str) -> bool:
    return bool(name.strip()) and name.isprintable()


def _within(study: StudyFiles, home: Path) -> bool:
    files = [*study.volumes.values(), *([study.mask] if study.mask else [])]
    try:
        return all(path.resolve().is_relative_to(home) for path in files)
    except (OSError, RuntimeError):  # a loop of links
        return False
