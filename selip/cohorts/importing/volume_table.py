"""The rows of a user's table of volumes, read and checked before any voxel is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from selip.cohorts.importing.adapter import unfit_label
from selip.cohorts.importing.file_layout import years
from selip.data.findings import CONTRASTS, NORMAL_TEXT, findings_text, is_normal, parse_findings_text
from selip.data.splits import SPLITS
from selip.data.tables import is_no_report, is_placeholder, read_table
from selip.system.errors import InputError

REQUIRED = ("patient", "study", "contrast", "path", "report")
OPTIONAL = ("findings", "mask", "labels", "split", "site", "age")
STUDY_FIELDS = ("patient", "report", "labels", "split", "site", "age")
CONTRAST_ALIASES: Mapping[str, str] = {
    "t1w": "T1", "t1n": "T1", "t2w": "T2", "fla": "FLAIR", "t2f": "FLAIR", "t2flair": "FLAIR", "trace": "DWI",
    "t1ce": "T1c", "t1gd": "T1c", "t1post": "T1c", "t1wks": "T1c", "t1postgd": "T1c",
    "t1postcontrast": "T1c", "t1+c": "T1c",
}  # fmt: skip


@dataclass(frozen=True)
class VolumeRow:
    """One checked row of the table. `number` counts as a spreadsheet does: the header is row 1."""

    number: int
    patient: str
    study: str
    contrast: str
    path: Path
    report: str
    text: str
    mask: Path | None
    labels: tuple[str, ...]
    split: str
    site: str
    age: str

    @property
    def place(self) -> str:
        """Place of an error: row, study and contrast."""
        return f"row {self.number}, study {self.study}, {self.contrast}"


def read_rows(csv_file: Path, root: Path) -> list[VolumeRow]:
    """Rows of the table, each checked for itself (files are there, contrasts and texts are allowed).

    Paths in it are relative to `root` and may not leave it.

    Raises:
        InputError: The file is no such table, or a row of it is wrong.
    """
    if not root.is_dir():
        raise InputError(f"got data folder {root}; allowed: an existing folder; mend the path")
    table, rows = read_table(csv_file), []
    if not table.rows:
        raise InputError(f"got {csv_file} without rows; allowed: a header, then one row a volume; add the volumes")
    _check_columns(csv_file, table.columns)
    for number, record in zip(table.numbers, table.rows, strict=True):
        try:
            rows.append(_parse_row(number, record, root))
        except InputError as error:
            raise InputError(f"row {number}, study {record['study'][:40]!r}: {error}") from error
    return rows


def group_studies(rows: Sequence[VolumeRow]) -> list[list[VolumeRow]]:
    """Rows by study in order of first appearance.

    Raises:
        InputError: Rows of a study disagree about what a study has once, or a contrast of it occurs twice.
    """
    studies: dict[str, list[VolumeRow]] = defaultdict(list)
    for row in rows:
        for other in studies[row.study]:
            _check_pair(other, row)
        studies[row.study].append(row)
    return list(studies.values())


def check_splits(rows: Sequence[VolumeRow]) -> None:
    """Refuses a table that gives a split, but not one part to each patient.

    Raises:
        InputError: A patient is in two parts, or some rows have a split and some have none.
    """
    blank = [row for row in rows if not row.split]
    if len(blank) == len(rows):
        return
    if blank:
        raise InputError(f"{blank[0].place}: got no split; allowed: a split in all rows or in none; fill it in")
    first: dict[str, VolumeRow] = {}
    for row in rows:
        other = first.setdefault(row.patient, row)
        if row.split != other.split:
            raise InputError(
                f"{row.place}: got split {row.split} for patient {row.patient}, who is in {other.split} in row "
                f"{other.number}; allowed: one part a patient; move the patient's studies together"
            )


def _check_columns(csv_file: Path, columns: Sequence[str]) -> None:
    wrong = [f"no column {column!r}" for column in REQUIRED if column not in columns]
    wrong += [f"unknown column {column[:30]!r}" for column in columns if column not in REQUIRED + OPTIONAL]
    if wrong:
        raise InputError(
            f"got {csv_file} with {', '.join(wrong[:4])}; allowed: {', '.join(REQUIRED)} and optionally "
            f"{', '.join(OPTIONAL)}; rename or remove columns"
        )


def _parse_row(number: int, record: Mapping[str, str], root: Path) -> VolumeRow:
    for key in ("patient", "study"):
        if not record[key] or not record[key].isprintable():
            raise InputError(f"got {key} {record[key][:40]!r}; allowed: a printable id; fill it in")
    if is_no_report(record["report"]):
        got = f"report {record['report'][:40]!r}, which is none" if record["report"] else "an empty report"
        raise InputError(f"got {got}; allowed: findings in words; add the text or remove the study")
    record = {key: "" if key in OPTIONAL and is_placeholder(value) else value for key, value in record.items()}
    split, age = record.get("split", "").lower(), record.get("age", "")
    if split and split not in SPLITS:
        raise InputError(f"got split {split!r}; allowed: {', '.join(SPLITS)}; mend it, or leave the column empty")
    if age and not years(age):
        raise InputError(f"got age {age!r}; allowed: years as a number; mend it, or leave it empty")
    labels = {label.strip() for label in record.get("labels", "").split(";") if not is_placeholder(label)}
    if unfit := unfit_label(labels):
        raise InputError(f"got {unfit}")
    return VolumeRow(
        number=number,
        patient=record["patient"],
        study=record["study"],
        contrast=_contrast(record["contrast"]),
        path=_inside(record["path"], root),
        report=record["report"],
        text=_pair_text(record),
        mask=_inside(record["mask"], root) if record.get("mask") else None,
        labels=tuple(sorted(labels)),
        split=split,
        site=record.get("site", ""),
        age=years(age),
    )


def _contrast(name: str) -> str:
    key = name.lower().translate(str.maketrans("", "", "-_ "))
    contrast = {contrast.lower(): contrast for contrast in CONTRASTS}.get(key) or CONTRAST_ALIASES.get(key)
    if contrast is None:
        raise InputError(
            f"got contrast {name[:40]!r}; allowed: {', '.join(CONTRASTS)} (or {', '.join(CONTRAST_ALIASES)}); "
            "rename it or remove the row"
        )
    return contrast


def _pair_text(record: Mapping[str, str]) -> str:
    """The findings of a row in canonical order, "" when it has none."""
    findings = record.get("findings", "")
    if not findings:
        return ""
    clauses = parse_findings_text(findings)
    if is_normal(findings) or (clauses and all(clause.location for clause in clauses)):
        return findings_text(clauses)
    raise InputError(
        f"got findings {findings[:60]!r}; allowed: 'at <place> shows <signal>; ...' or {NORMAL_TEXT!r}; reword them"
    )


def _inside(text: str, root: Path) -> Path:
    """The file that `text` names within `root`; neither ".." nor a link may lead out of it."""
    path = root / text
    try:
        leads_out = Path(text).is_absolute() or not path.resolve().is_relative_to(root.resolve())
        found = path.is_file()
    except (OSError, RuntimeError):  # a name too long, a loop of links
        leads_out = found = False
    if leads_out:
        raise InputError(
            f"got path {text!r}, which leads out of the data folder {root}; allowed: a relative path within it; move "
            "the file there or name another data folder"
        )
    if not found:
        raise InputError(f"got path {text[:200]!r}, no file in {root}; allowed: a NIfTI file within it; mend the path")
    return path


def _check_pair(first: VolumeRow, row: VolumeRow) -> None:
    """Refuses two rows of one study that disagree, or are of one contrast."""
    for key in STUDY_FIELDS:
        one, other = (str(getattr(each, key)) for each in (first, row))
        if one != other:
            raise InputError(
                f"{row.place}: got {key} {other[:40]!r} and, in row {first.number} of the same study, {one[:40]!r}; "
                f"allowed: one {key} a study; mend the rows or rename the study"
            )
    if row.contrast == first.contrast:
        raise InputError(
            f"{row.place}: got this contrast again, as in row {first.number}; allowed: one volume of a contrast a "
            "study; remove one or give it another study id"
        )
    if row.mask and first.mask and row.mask != first.mask:
        raise InputError(f"{row.place}: got mask {row.mask} and {first.mask}; allowed: one mask a study; keep one")
