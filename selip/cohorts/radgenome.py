"""RadGenome-Brain MRI: findings by radiologists on examinations of BraTS 2021 / 2023, ISLES 2022 and WMH 2017.

The set is texts; the images are those of the source sets in the layouts of their own adapters, somewhere below the
same folder, and only examinations with a text are taken. global_finding.json has a text an examination,
modal_wise_finding.json one a volume ("<case>-t1n", "Singapore_69_FLAIR", "sub-strokecase0106_ses-0001_dwi").
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from selip.cohorts import brats2023, isles2022, wmh2017
from selip.cohorts.importing.adapter import Adapter, Scan, StudyFiles
from selip.cohorts.importing.file_layout import Listing, apply_split, find_tables, list_files, read_json
from selip.cohorts.importing.importer import adapter_source
from selip.data.cohort_declaration import of_collections
from selip.data.splits import SPLITS
from selip.system.errors import InputError

SOURCES = (brats2023.ADAPTER, isles2022.ADAPTER, wmh2017.ADAPTER)
LAYOUT = (
    "{BraTS_GLI,BraTS_MEN,BraTS_MET,ISLES22,WMH}/{global_finding,modal_wise_finding}.json, "
    "[train_val_test_split.json], and the images of BraTS 2023, ISLES 2022 and WMH 2017 as these were published"
)
KINDS: Mapping[str, str] = {**brats2023.CONTRASTS, "t1": "T1", "t2": "T2", "flair": "FLAIR", "dwi": "DWI", "adc": "ADC"}
VOLUME_KEY = re.compile(rf"(?P<case>.+)[-_](?P<kind>{'|'.join(KINDS)})", re.IGNORECASE)


def scan(root: Path) -> Scan:
    """Examinations with a text below a folder; raises InputError when there are none."""
    listing = list_files(root)
    reports = {_key(case): text for case, text in _texts(listing, "global_finding").items()}
    by_volume = _by_examination(_texts(listing, "modal_wise_finding"))
    studies, image_problems = _images(root)
    matched = {study.study: key for study in studies if (key := _find(study.study, {*reports, *by_volume}))}
    if not matched:
        raise InputError(
            f"got {root} with {len(reports)} texts and {len(studies)} examinations, none for another; "
            f"laid out as {LAYOUT}, put texts and images there"
        )
    told = [
        replace(study, report=reports.get(key, ""), texts=by_volume.get(key, {}), split="")
        for study in studies
        if (key := matched.get(study.study, ""))
    ]
    parts = _parts(listing)
    split, moved = apply_split(told, {study: parts[key] for study, key in matched.items() if key in parts})
    used = set(matched.values())
    problems = [line for line in image_problems if _find(line.partition(":")[0], used)]
    return Scan(tuple(split), (*listing.problems, *problems, *moved, *_without_images(reports, used)))


def _images(root: Path) -> tuple[list[StudyFiles], list[str]]:
    """Examinations of all source sets that are there."""
    studies: list[StudyFiles] = []
    problems: list[str] = []
    for source in SOURCES:
        try:
            found = source.scan(root)
        except InputError:  # this source set is not there
            continue
        studies += found.studies
        problems += found.problems
    return studies, problems


def _texts(listing: Listing, name: str) -> dict[str, str]:
    texts: dict[str, str] = {}
    for path in find_tables(listing, rf"(^|/){name}\.json$"):
        entries = read_json(path)
        if not isinstance(entries, dict):
            raise InputError(f"got {path}, no object of texts; download it again")
        texts |= {
            key: " ".join(text.split()) for key, text in entries.items() if isinstance(text, str) and text.strip()
        }
    return texts


def _by_examination(texts: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Key of the examination -> contrast -> text."""
    result: dict[str, dict[str, str]] = {}
    for volume, text in texts.items():
        if match := VOLUME_KEY.fullmatch(volume):
            result.setdefault(_key(match["case"]), {})[KINDS[match["kind"].lower()]] = text
    return result


def _parts(listing: Listing) -> dict[str, str]:
    """Key of the examination -> part; the published lists name volumes."""
    parts: dict[str, str] = {}
    for path in find_tables(listing, r"(^|/)train_val_test_split\.json$"):
        lists = read_json(path)
        if not isinstance(lists, dict) or not all(isinstance(lists.get(part, []), list) for part in SPLITS):
            raise InputError(f"got {path}, no lists {', '.join(SPLITS)}; download it again")
        for part in SPLITS:  # test is last, so that one volume in it decides
            parts |= {_key(_case(str(volume))): part for volume in lists.get(part, [])}
    return parts


def _case(volume: str) -> str:
    match = VOLUME_KEY.fullmatch(volume.strip())
    return match["case"] if match else volume


def _key(case: str) -> str:
    """An id without session, letter case and separators."""
    return re.sub(r"_?ses-\d+|[^0-9a-z]", "", case.lower())


def _find(study: str, keys: set[str]) -> str:
    """The key of a study, "" for none; "Amsterdam_GE3T_100" may be named with or without its scanner."""
    words: Sequence[str] = re.split(r"[_/-]", study)
    names = (study, f"{words[0]}{words[-1]}", "".join(words[-2:]))
    return next((key for key in map(_key, names) if key in keys), "")


def _without_images(reports: Mapping[str, str], used: set[str]) -> list[str]:
    """A line for each source set of which texts have no images, as "bratsmen: 230 texts ..."."""
    missing = Counter(re.split(r"\d", key)[0] for key in reports if key not in used)
    return [f"{name}: {count} texts without images here" for name, count in sorted(missing.items())]


ADAPTER = Adapter(
    name="radgenome",
    summary="RadGenome-Brain MRI: findings on tumours, infarcts and white matter hyperintensities",
    licence="texts: MIT; images: the terms of BraTS, ISLES 2022 and WMH 2017",
    citation="Lei et al. 2024, arXiv:2407.16684; and the papers of the source sets",
    source="https://huggingface.co/datasets/JiayuLei/RadGenome-Brain_MRI",
    layout=LAYOUT,
    expected={"studies": 1007, "glioma": 230, "meningioma": 230, "metastasis": 237},
    declares=of_collections("BraTS", "TCGA-GBM", "TCGA-LGG", "UCSF-PDGM", "UPENN-GBM", "ISLES2022", "WMH2017"),
    scan=scan,
)
COHORT = adapter_source(ADAPTER)
