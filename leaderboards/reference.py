"""Makes a candidate the new reference: its record files take the place of the old ones, all or none of them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from leaderboards.counterparts import Side, records_folder
from selip.errors import InputError

RECORD_FILES = ("*.json", "*.parquet")


def update_reference(reference: Path, candidate: Side) -> list[str]:
    """Puts the record files of `candidate` in the place of those of `reference`; other files there stay.

    The new folder is complete beside the old one before either is renamed, and the old one is put back when that fails.
    A machine that stops between the two renames leaves both folders whole, under names that begin with a dot.

    Args:
        reference: Run directory or folder of records; one that does not exist becomes a run directory.
        candidate: The new records, already read.

    Returns:
        What changed, a line each.

    Raises:
        InputError: When the reference is a single record.
    """
    if reference.is_file():
        raise InputError(f"got the single record {reference}; allowed with --update-reference: a folder; name that")
    folder = (records_folder(reference) if reference.exists() else reference / "records").resolve()
    scored = (record.per_item for record in candidate.records if record.status == "ok")
    tables = (candidate.folder / name for name in scored if name)
    new = {path.name: path for path in (*candidate.files, *tables)}
    old = {path.name for pattern in RECORD_FILES for path in folder.glob(pattern)}
    staged = folder.with_name(f".{folder.name}.{os.getpid()}.partial")
    try:
        _stage(staged, folder, new.values())
        _swap(staged, folder)
    finally:
        shutil.rmtree(staged, ignore_errors=True)
    return _changes(folder, old, set(new))


def _stage(staged: Path, folder: Path, files: Iterable[Path]) -> None:
    """Fills `staged` with the record files and what `folder` holds beside records."""
    staged.parent.mkdir(parents=True, exist_ok=True)
    if folder.exists():
        shutil.copytree(folder, staged, ignore=shutil.ignore_patterns(*RECORD_FILES))
    else:
        staged.mkdir()
    for file in files:
        shutil.copyfile(file, staged / file.name)


def _swap(staged: Path, folder: Path) -> None:
    """Renames `staged` to `folder`; the old folder is gone only after that."""
    if not folder.exists():
        staged.rename(folder)
        return
    old = folder.with_name(f".{folder.name}.{os.getpid()}.old.partial")
    folder.rename(old)
    try:
        staged.rename(folder)
    except BaseException:
        old.rename(folder)
        raise
    shutil.rmtree(old)


def _changes(folder: Path, old: set[str], new: set[str]) -> list[str]:
    found = {"added": new - old, "replaced": new & old, "removed": old - new}
    lines = [f"{what}: {name}" for what, names in found.items() for name in sorted(names) if name.endswith(".json")]
    return [f"{folder}: {len(new & old)} files replaced, {len(new - old)} added, {len(old - new)} removed", *lines]
