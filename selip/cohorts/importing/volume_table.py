"""The rows of a user's table of volumes, read and checked before any voxel is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from selip.cohorts.importing.adapter import unfit_label
from selip.cohorts.importing.file_layout import years
from selip.data.cohort_declaration import LABEL, VALUE, is_number, is_own
from selip.data.findings import CONTRASTS, NORMAL_TEXT, SIDES, findings_text, is_normal, parse_findings_text
from selip.data.splits import SPLITS
from selip.data.tables import is_no_report, is_placeholder, read_table
from selip.reports.ontology import places
from selip.system.errors import InputError

REQUIRED = ("patient", "study", "contrast", "path")
OPTIONAL = ("report", "findings", "mask", "labels", "split", "site", "age", "region", "side")
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
    clinical_place: tuple[str, str] | None
    own: Mapping[str, str]

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


def _check_columns(csv_file: Path, columns: Sequence[str]) -> None:
    wrong = [f"no column {column!r}" for column in REQUIRED if column not in columns]
    known = REQUIRED + OPTIONAL
    wrong += [f"unknown column {column[:30]!r}" for column in columns if column not in known and not is_own(column)]
    if wrong:
        raise InputError(
            f"got {csv_file} with {', '.join(wrong[:4])}; allowed: {', '.join(REQUIRED)} and optionally "
            f"{', '.join(OPTIONAL)}, fold, label:NAME, value:NAME; rename or remove columns"
        )


def _parse_row(number: int, record: Mapping[str, str], root: Path) -> VolumeRow:
    for key in ("patient", "study"):
        if not record[key] or not record[key].isprintable():
            raise InputError(f"got {key} {record[key][:40]!r}; allowed: a printable id; fill it in")
    if record.get("report") and is_no_report(record["report"]):
        got = f"report {record['report'][:40]!r}, which is none"
        raise InputError(f"got {got}; allowed: findings in words; write the text, or leave it empty")
    record = {key: "" if key not in REQUIRED and is_placeholder(value) else value for key, value in record.items()}
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
        report=record.get("report", ""),
        text=_pair_text(record),
        mask=_inside(record["mask"], root) if record.get("mask") else None,
        labels=tuple(sorted(labels)),
        split=split,
        site=record.get("site", ""),
        age=years(age),
        clinical_place=_place(record),
        own=_own(record),
    )


def _place(record: Mapping[str, str]) -> tuple[str, str] | None:
    """Region in the words of the ontology, "" where none is given, and side; None where neither is."""
    region, side = record.get("region", "").lower(), record.get("side", "").lower()
    if side and side not in SIDES:
        raise InputError(f"got side {side!r}; allowed: {', '.join(SIDES)}; mend it, or leave it empty")
    known = {one for one, _ in places(region) or places(f"{region} lobe")}
    if region and len(known) != 1:
        raise InputError(f"got region {region[:40]!r}; allowed: one known region, as 'frontal lobe'; mend it")
    return (min(known, default=""), side) if region or side else None


def _own(record: Mapping[str, str]) -> dict[str, str]:
    """The columns that are tasks or the fold, without what is empty."""
    own = {column: value for column, value in record.items() if value and is_own(column)}
    for column, value in own.items():
        if column.startswith(VALUE) and not is_number(value):
            raise InputError(f"got {column} {value[:40]!r}; allowed: a number; mend it, or leave it empty")
        if column.startswith(LABEL) and (unfit := unfit_label([value])):
            raise InputError(f"got {column}, {unfit}")
    return own


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
