"""Decisions before the first voxel is read: the studies that can be imported, and the part of each patient."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from selip.cohorts.importing.adapter import Scan, StudyFiles, unfit_label
from selip.cohorts.importing.quarantine import counted, some
from selip.cohorts.importing.study_texts import Texts, has_text
from selip.data.findings import CONTRASTS
from selip.data.splits import SPLITS, assign_splits
from selip.data.tables import id_key, is_no_report

SHARES = (0.7, 0.1, 0.2)
SHARES_OF_TRAIN = (7 / 8, 1 / 8, 0.0)  # val is then to train as in SHARES


def tidied(scan: Scan) -> Scan:
    """The scan with placeholders for texts emptied, and lines about these and about patients who may be one."""
    emptied = [_without_placeholders(study) for study in scan.studies]
    said = [
        f"{one.study} {one.report[:20]!r}" for one, other in zip(scan.studies, emptied, strict=True) if one != other
    ]
    lines = [f"{counted(said, 'study')} with a placeholder for a text, taken as none ({some(said)})"] if said else []
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
    return [f"{counted(found, 'group')} of patient ids that {how} ({some(found)})"] if found else []


def unfit(studies: Sequence[StudyFiles], root: Path | None, texts: Texts) -> dict[int, str]:
    """Position of each study that cannot be imported -> why, in one line.

    Args:
        studies: As scanned.
        root: Folder that no file may lie outside of, links followed; None: not checked.
        texts: What is wanted where the set gives no text.
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
