"""Studies that an import leaves out, with their reasons: quarantine.csv of a cohort."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from selip.cohorts.importing.adapter import StudyFiles

FILE = "quarantine.csv"
NAMES_SHOWN = 10


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


def counted(names: Sequence[str], what: str) -> str:
    """A number and its noun, as "1 study" or "3 studies"."""
    several = f"{what[:-1]}ies" if what.endswith("y") else f"{what}s"
    return f"{len(names)} {what if len(names) == 1 else several}"


def some(names: Sequence[str]) -> str:
    """The first NAMES_SHOWN of some names."""
    return ", ".join(names[:NAMES_SHOWN]) + (", ..." if len(names) > NAMES_SHOWN else "")


def write_quarantine(path: Path, entries: Sequence[Quarantined]) -> None:
    """Writes entries as CSV with the columns study, file, reason."""
    with path.open("w", encoding="utf-8", newline="") as stream:
        table = csv.DictWriter(stream, [field.name for field in fields(Quarantined)], lineterminator="\n")
        table.writeheader()
        table.writerows(asdict(entry) for entry in entries)
