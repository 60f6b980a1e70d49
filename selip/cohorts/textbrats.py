"""TextBraTS: a report on each of the 369 training examinations of BraTS 2020.

The reports come without images: the user puts them beside those of BraTS 2020, merged by the authors' script or in a
folder of their own. Train.json and Test.json (in the authors' code repository) are the published split; fold 0 of
Train.json is its validation part. Without both the split is ours.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from selip.cohorts import brats2020
from selip.cohorts.importing.adapter import Adapter, Scan
from selip.cohorts.importing.file_layout import Listing, apply_split, find_tables, list_files, read_json, read_text
from selip.cohorts.importing.importer import adapter_source
from selip.cohorts.importing.tumour_sets import BRATS_CITATION, BRATS_LICENCE
from selip.data.cohort_declaration import of_collections
from selip.system.errors import InputError

LAYOUT = f"{brats2020.LAYOUT}, BraTS20_Training_<nnn>/BraTS20_Training_<nnn>_flair_text.txt, [Train.json, Test.json]"
CASE = re.compile(r"BraTS20_Training_\d{3}", re.IGNORECASE)


def scan(root: Path) -> Scan:
    """Examinations with a report below a folder; raises InputError when there are none."""
    images, listing = brats2020.scan(root), list_files(root)
    reports, problems = _reports(listing)
    studies = [replace(study, report=reports.get(study.study.lower(), "")) for study in images.studies]
    reported = [study for study in studies if study.report]
    if not reported:
        raise InputError(f"got {root} without reports, laid out as {LAYOUT}; put the *_flair_text.txt files there")
    problems += [f"{study.study}: no report, left out" for study in studies if not study.report]
    parts, unused = _parts(listing)
    split, moved = apply_split(
        reported, {study.study: parts[key] for study in reported if (key := study.study.lower()) in parts}
    )
    return Scan(tuple(split), (*images.problems, *problems, *unused, *moved))


def _reports(listing: Listing) -> tuple[dict[str, str], list[str]]:
    """Case in lower case -> report, and a line for each file that cannot be read."""
    reports, problems = {}, []
    for path in find_tables(listing, r"BraTS20_Training_\d{3}_flair_text\.txt$"):
        try:
            reports[path.name[: -len("_flair_text.txt")].lower()] = " ".join(read_text(path).split())
        except InputError as error:
            problems.append(str(error))
    return reports, problems


def _parts(listing: Listing) -> tuple[dict[str, str], list[str]]:
    """Case in lower case -> part, none unless both lists are there."""
    train, test = find_tables(listing, r"(^|/)Train\.json$"), find_tables(listing, r"(^|/)Test\.json$")
    if not (train and test):
        return {}, ["published split: not both of Train.json and Test.json are here; the split is seeded instead"]
    parts = {case: "val" if entry.get("fold") == 0 else "train" for case, entry in _entries(train[0])}
    return parts | {case: "test" for case, _ in _entries(test[0])}, []


def _entries(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    lists = read_json(path)
    entries = lists.get("training") if isinstance(lists, dict) else None
    if not isinstance(entries, list):
        raise InputError(f"got {path} without a list 'training'; download it again")
    for entry in entries:
        if isinstance(entry, dict) and (case := CASE.search(str(entry.get("label", "")))):
            yield case[0].lower(), entry


ADAPTER = Adapter(
    name="textbrats",
    summary="TextBraTS: BraTS 2020 with a report on each examination",
    licence=f"reports: MIT; images: {BRATS_LICENCE}",
    citation=f"Shi et al. 2025, arXiv:2506.16784; {BRATS_CITATION}",
    source="https://huggingface.co/datasets/Jupitern52/TextBraTS",
    layout=LAYOUT,
    expected={**brats2020.ADAPTER.expected},
    declares=of_collections("BraTS", "TCGA-GBM", "TCGA-LGG"),
    scan=scan,
)
COHORT = adapter_source(ADAPTER)
