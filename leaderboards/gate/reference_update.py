"""Makes a candidate the new reference: its record files take the place of the old ones, all or none of them."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from functools import partial
from glob import escape
from pathlib import Path

from leaderboards.gate.comparison import Side, records_folder
from selip.system.errors import InputError
from selip.system.files import partial_of, remove_leftovers

SUFFIXES = (".json", ".parquet")


def update_reference(reference: Path, candidate: Side) -> list[str]:
    """Puts the record files of `candidate` in the place of those of `reference`; other files there stay.

    The new folder is complete beside the old one before either is renamed, and the old one is put back when that fails,
    or by `recover` when the machine stopped between the two renames.

    A reference that does not exist becomes a run directory.

    Returns:
        What changed, a line each.

    Raises:
        InputError: When the reference is a single record.
    """
    if reference.is_file():
        raise InputError(f"got the single record {reference}; allowed with --update-reference: a folder; name that")
    recover(reference)
    folder = (records_folder(reference) if reference.exists() else reference / "records").resolve()
    scored = (record.per_item for record in candidate.records if record.status == "ok")
    tables = (candidate.folder / name for name in scored if name)
    new = {path.name: path for path in (*candidate.files, *tables)}
    old = {path.name for suffix in SUFFIXES for path in folder.glob(f"*{suffix}")}
    remove_leftovers(folder.parent, f".{escape(folder.name)}.*.partial")
    staged = partial_of(folder)
    try:
        _stage(staged, folder, new.values())
        _swap(staged, folder)
    finally:
        shutil.rmtree(staged, ignore_errors=True)
    return _changes(folder, old, set(new))


def recover(reference: Path) -> None:
    """Puts back the records that an update had moved away when it was killed; removes those that it had replaced."""
    for folder in (reference.resolve(), reference.resolve() / "records"):
        old = _aside(folder)
        if old.is_dir() and folder.exists():
            shutil.rmtree(old)
        elif old.is_dir():
            old.rename(folder)


def _aside(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.old.partial")


def _stage(staged: Path, folder: Path, files: Iterable[Path]) -> None:
    """Fills `staged` with the record files and what `folder` holds beside records."""
    staged.parent.mkdir(parents=True, exist_ok=True)
    if folder.exists():
        shutil.copytree(folder, staged, ignore=partial(_records_in, folder))
    else:
        staged.mkdir()
    for file in files:
        shutil.copyfile(file, staged / file.name)


def _records_in(folder: Path, place: str, names: Iterable[str]) -> list[str]:
    """The record files among `names`: those of `folder`, none of its subfolders."""
    return [name for name in names if Path(place) == folder and Path(name).suffix in SUFFIXES]


def _swap(staged: Path, folder: Path) -> None:
    """Renames `staged` to `folder`; the old folder is gone only after that."""
    if not folder.exists():
        staged.rename(folder)
        return
    old = _aside(folder)
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
