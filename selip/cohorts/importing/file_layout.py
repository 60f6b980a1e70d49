"""Finding the files of a public set in the folder a user downloaded, whatever its letter case and nesting.

Adapters match patterns against a file's place: its path below the source folder, led by the last two names of that
folder itself, so that a folder given a level too high or too low still reads the same. Nothing outside the folder is
ever named: links that lead out of it are left out and said.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from selip.cohorts.importing.adapter import Scan, StudyFiles
from selip.data.findings import CONTRASTS
from selip.data.splits import SPLITS
from selip.data.tables import parse_table, read_utf8
from selip.system.errors import InputError

NIFTI = r"\.nii(?:\.gz)?$"
LARGEST_TABLE_MB = 64
OLDEST = 130
_AGE = re.compile(
    r"[<>~]?=?\s*(?P<number>\d+(?:[.,]\d+)?)\s*\+?\s*(?P<unit>[a-z岁]*(?:/o)?)\.?(?:\s*old)?", re.IGNORECASE
)
_YEARS: Mapping[str, float] = {
    **dict.fromkeys(("y", "yr", "year", "a", "yo", "y/o", "an", "jahr", "jahre", "岁"), 1.0),
    **dict.fromkeys(("m", "mo", "mth", "mon", "month"), 1 / 12),
    **dict.fromkeys(("w", "wk", "week"), 7 / 365.25),
    **dict.fromkeys(("d", "day"), 1 / 365.25),
}


@dataclass(frozen=True)
class Listing:
    """Files below a source folder.

    Attributes:
        root: The folder, resolved.
        files: Place of each file ("BraTS/HGG/x/x_t1.nii.gz", with "/") -> its path, in order of places.
        problems: What was left out, one line each.
    """

    root: Path
    files: Mapping[str, Path]
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class Group:
    """Files of one examination.

    Attributes:
        case: Its id as first written.
        files: What each file is, in lower case -> its path.
        place: Place of its first file.
    """

    case: str
    files: Mapping[str, Path]
    place: str


def list_files(root: Path) -> Listing:
    """All files below `root` but hidden ones (as macOS leaves them beside the true ones) and links out of it.

    Raises:
        InputError: `root` is no folder.
    """
    if not root.is_dir():
        raise InputError(f"got source {root}; allowed: the folder with the downloaded data; mend the path")
    root = root.resolve()
    files, problems = {}, []
    for path in _walk(root):
        below = path.relative_to(root).as_posix()
        if path.is_symlink() and not _leads_to_file_in(root, path):
            problems.append(f"{below}: a link to no file within {root.name}, left out; put the file itself there")
        elif path.is_file():
            files["/".join((*root.parts[1:][-2:], below))] = path
    return Listing(root, dict(sorted(files.items())), tuple(problems))


def group_files(listing: Listing, pattern: str) -> tuple[list[Group], list[str]]:
    """Files by examination.

    Args:
        listing: The files.
        pattern: Regular expression searched in each place without regard to letter case. Its groups `case` (id of the
            examination) and `kind` (what the file is) say where a file belongs; end it with NIFTI.

    Returns:
        Groups in order of their ids, and a line for each file that occurs twice (the first in order of places counts).
    """
    found: dict[str, tuple[str, str, dict[str, Path]]] = {}
    problems = []
    for place, path in listing.files.items():
        match = re.search(pattern, place, re.IGNORECASE)
        if match is None:
            continue
        case, _, files = found.setdefault(match["case"].lower(), (match["case"], place, {}))
        first = files.setdefault(match["kind"].lower(), path)
        if first != path:
            problems.append(
                f"{case}: {match['kind']} twice; {_below(first, listing)} taken, {_below(path, listing)} not"
            )
    return [Group(case, files, place) for _, (case, place, files) in sorted(found.items())], problems


def pick_volumes(group: Group, contrasts: Mapping[str, str]) -> tuple[dict[str, Path], list[str]]:
    """Volumes of an examination in the order of CONTRASTS, and a line for each that is missing.

    `contrasts` are by kind of file, in lower case; of several kinds for one contrast the first that is there counts.
    """
    volumes: dict[str, Path] = {}
    for kind, contrast in contrasts.items():
        if kind in group.files:
            volumes.setdefault(contrast, group.files[kind])
    missing = [kind for kind, contrast in contrasts.items() if contrast not in volumes]
    ordered = {contrast: volumes[contrast] for contrast in CONTRASTS if contrast in volumes}
    return ordered, [f"{group.case}: no {kind} volume" for kind in missing]


def finish_scan(studies: Sequence[StudyFiles], problems: Sequence[str], listing: Listing, layout: str) -> Scan:
    """The scan, with the studies that have a volume; raises InputError when there is none."""
    kept = tuple(study for study in studies if study.volumes)
    if not kept:
        raise InputError(
            f"got {listing.root} with {len(listing.files)} files and no examination among them; allowed: "
            f"{' '.join(layout.split())}; name the folder that holds these"
        )
    left_out = [f"{study.study}: no volume, left out" for study in studies if not study.volumes]
    return Scan(kept, (*listing.problems, *problems, *left_out))


def apply_split(studies: Sequence[StudyFiles], parts: Mapping[str, str]) -> tuple[list[StudyFiles], list[str]]:
    """Studies with the parts of a published split, all studies of a patient in one part, and a line for each change.

    A study that the split does not name is for training. A patient whose studies are in several parts goes to the last
    of train, val, test, so that nobody of the published test part is trained on.

    `parts` are by study; without any the studies stay as they are.
    """
    if not parts:
        return list(studies), []
    part_of: dict[str, str] = {}
    for study in studies:
        named = (parts.get(study.study, SPLITS[0]), part_of.get(study.patient, SPLITS[0]))
        part_of[study.patient] = max(named, key=SPLITS.index)
    problems = []
    for study in studies:
        own, final = parts.get(study.study, "no part of the published split"), part_of[study.patient]
        if own != final:
            problems.append(f"{study.study}: in {own}; taken for {final}")
    return [replace(study, split=part_of[study.patient]) for study in studies], problems


def both_parts(parts: Mapping[str, str]) -> dict[str, str]:
    """`parts` (study -> part) when train and test are both among them, else none: one part alone is no split."""
    return dict(parts) if {"train", "test"} <= {*parts.values()} else {}


def find_tables(listing: Listing, pattern: str) -> list[Path]:
    """Files whose place matches a pattern (regular expression, letter case does not matter), in order."""
    return [path for place, path in listing.files.items() if re.search(pattern, place, re.IGNORECASE)]


def read_table(path: Path) -> list[dict[str, str]]:
    """Rows of a CSV or TSV file, see `selip.data.tables`; names of columns in lower case, values without blanks around.

    Raises:
        InputError: It is no such table.
    """
    return [*parse_table(read_text(path), path).rows]


def read_json(path: Path) -> Any:  # noqa: ANN401 (whatever JSON can hold)
    """Content of a JSON file; raises InputError when it is none."""
    try:
        return json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        raise InputError(f"got {path}, no JSON ({error}); allowed: the file as published; download it again") from error


def read_text(path: Path) -> str:
    """Content of a small UTF-8 text file without a byte-order mark.

    Raises:
        InputError: It cannot be read, is no text, or is larger than LARGEST_TABLE_MB.
    """
    try:
        too_large = path.stat().st_size > LARGEST_TABLE_MB * 2**20
    except OSError as error:
        raise InputError(f"got {path}, no text ({error}); allowed: a file that can be read; mend the path") from error
    if too_large:
        raise InputError(f"got {path} of over {LARGEST_TABLE_MB} MB; allowed: a small text file; replace it")
    return read_utf8(path)


def years(text: str, per_unit: float = 1.0) -> str:
    """Age in years as text, "" for what is no age ("NA", "unknown", "-1").

    Args:
        text: As "60.4", "45,5", "89+", ">89", or with a unit of its own, as "089Y", "18 months".
        per_unit: Years of one unit where the text names none.
    """
    match = _AGE.fullmatch(text.strip())
    factor = 0.0 if match is None else years_per(match["unit"]) if match["unit"] else per_unit
    if match is None or not factor:
        return ""
    age = float(match["number"].replace(",", ".")) * factor
    return f"{round(age, 4):g}" if age < OLDEST else ""


def years_per(words: str) -> float:
    """Years of the first unit of time in `words` ("months", "Y", "age in weeks"), 0 when there is none."""
    known = (_YEARS.get(word.rstrip("s")) for word in re.findall(r"[a-z岁]+(?:/o)?", words.lower()))
    return next((each for each in known if each), 0.0)


def _walk(root: Path) -> Iterator[Path]:
    for folder, names, files in os.walk(root):
        names[:] = sorted(name for name in names if not name.startswith(".") and name != "__MACOSX")
        yield from (Path(folder, name) for name in names if Path(folder, name).is_symlink())
        yield from (Path(folder, name) for name in sorted(files) if not name.startswith("."))


def _leads_to_file_in(root: Path, link: Path) -> bool:
    target = Path(os.path.realpath(link))  # resolve() raises at a loop of links
    return target.is_file() and target.is_relative_to(root)


def _below(path: Path, listing: Listing) -> str:
    return path.relative_to(listing.root).as_posix()
