"""Kaggle's lgg-mri-segmentation (Buda 2019): lower-grade gliomas of TCGA-LGG with masks of the FLAIR abnormality.

`kaggle_3m/TCGA_CS_4941_19960909/TCGA_CS_4941_19960909_7.tif` is a slice of three channels (T1, FLAIR, T1 with contrast
agent; a missing one is a copy of FLAIR and is left out) and `..._7_mask.tif` its mask. Slices are numbered from the
neck up, rows run from front to back, the image's left is the patient's right. `data.csv` has one row a patient.

The slices carry no spacing. A file `spacing.csv` beside data.csv (Patient, in_plane_mm, slice_mm) gives it; else it is
estimated: the head is laid on the MNI152 template with twelve parameters, and its scales are those of the affine.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Picture

from selip.cohorts.importing import file_layout
from selip.cohorts.importing.adapter import Adapter, Scan, StudyFiles, write_table
from selip.cohorts.importing.importer import adapter_source
from selip.data.cohort_declaration import CohortDeclaration, DataSheet, DeclaredTask
from selip.data.nifti import Image
from selip.data.tables import read_table
from selip.system.errors import InputError

CHANNELS = {"T1": 0, "FLAIR": 1, "T1c": 2}
HEAD_MM, COVERED_MM = (172.0, 188.0), 150.0  # where a search for the spacing begins: width, length, height of a head
USUAL_HEAD = 0.95  # of the template along an edge; with it five heads of known spacing are found to 6 %
LIKELY = (0.6, 1.6)  # of where it begins; what lies outside is no spacing
LAYOUT = """kaggle_3m/TCGA_CS_4941_19960909/TCGA_CS_4941_19960909_7.tif with ..._7_mask.tif, and data.csv"""
_SLICE = re.compile(r"(?P<case>(?P<patient>TCGA_(?P<site>[A-Z0-9]{2})_[A-Z0-9]{4})_\d{8})_(?P<number>\d+)\.tif")
_CODES = {
    "laterality": {"1": "left", "2": "midline", "3": "right"},
    "tumor_location": {
        "1": "cerebellum", "2": "frontal lobe", "4": "occipital lobe", "5": "parietal lobe", "6": "temporal lobe",
    },
    "histological_type": {"1": "astrocytoma", "2": "oligoastrocytoma", "3": "oligodendroglioma"},
    "neoplasm_histologic_grade": {"1": "2", "2": "3"},
    "gender": {"1": "female", "2": "male"},
}  # fmt: skip


def scan(source: Path) -> Scan:
    """Examinations below `source`; raises InputError when there are none."""
    slices: dict[Path, dict[int, re.Match[str]]] = {}
    for path in file_layout.list_files(source).files.values():
        if match := _SLICE.fullmatch(path.name):
            slices.setdefault(path.parent, {})[int(match["number"])] = match
    if not slices:
        raise InputError(f"got {source} with no slice of the set; allowed: {LAYOUT}; name the folder that holds it")
    table, studies, problems = _people(source), [], []
    once = {folder.name: folder for folder in sorted(slices, reverse=True)}  # the download holds everything twice
    for folder in sorted(once.values()):
        found = slices[folder]
        match = found[min(found)]
        lost = [n for n in found if not (folder / f"{match['case']}_{n}_mask.tif").is_file()]
        if lost or sorted(found) != [*range(1, len(found) + 1)]:
            problems.append(f"{match['case']}: slices or masks are missing, left out")
            continue
        row = table.get(match["patient"], {})
        problems += [] if any(row.values()) else [f"{match['case']}: no clinical row in data.csv"]
        studies.append(_study(folder, match, row))
    return Scan(tuple(studies), tuple(problems))


def _people(source: Path) -> dict[str, dict[str, str]]:
    """Patient to what data.csv says, codes as words."""
    path = next(iter(sorted(source.rglob("data.csv"))), None)
    rows = read_table(path).rows if path else ()
    return {
        row["patient"]: {name: codes.get(row.get(name, "").split(".")[0], "") for name, codes in _CODES.items()}
        | {"age": file_layout.years(row.get("age_at_initial_pathologic", ""))}
        for row in rows
        if row.get("patient")
    }


def _study(folder: Path, match: re.Match[str], row: Mapping[str, str]) -> StudyFiles:
    of = {"label:histology": "histological_type", "label:grade": "neoplasm_histologic_grade", "label:sex": "gender"}
    place = row.get("tumor_location", ""), row.get("laterality", "")
    return StudyFiles(
        patient=match["patient"],
        study=match["case"],
        volumes=dict.fromkeys(_contrasts(folder), folder),
        mask=folder,
        labels=("glioma",),
        site=match["site"],
        age=row.get("age", ""),
        place=place if any(place) else None,
        own={column: row[name] for column, name in of.items() if row.get(name)},
        reader=read_case,
    )


def _contrasts(folder: Path) -> list[str]:
    """The contrasts of a case; of a channel that is a copy of FLAIR in the middle slice there is none."""
    files = _files(folder)
    middle = np.asarray(Picture.open(files[len(files) // 2]))
    return [name for name, k in CHANNELS.items() if name == "FLAIR" or (middle[..., k] != middle[..., 1]).any()]


def _files(folder: Path) -> list[Path]:
    found = {int(match["number"]): path for path in folder.iterdir() if (match := _SLICE.fullmatch(path.name))}
    return [found[number] for number in sorted(found)]


def read_case(folder: Path, name: str) -> Image:
    """A contrast of a case, or its "mask", in RAS with the spacing that is known or estimated.

    Raises:
        InputError: A slice cannot be read.
    """
    affine = np.diag([*_spacing_mm(folder), 1.0])
    return Image(_volume(folder, name), affine, folder)


def _volume(folder: Path, name: str) -> NDArray[np.float32]:
    """(I, J, K) float32: columns from right to left turned, rows from front to back turned, slices as they are."""
    paths = _files(folder)
    if name == "mask":
        paths = [path.with_name(f"{path.stem}_mask.tif") for path in paths]
    try:
        slices = np.stack([np.asarray(Picture.open(path)) for path in paths])
    except (OSError, ValueError) as error:
        raise InputError(f"got {folder} with an unreadable slice ({error}); copy it again") from error
    plane = (slices > 127) if name == "mask" else slices[..., CHANNELS[name]]
    return np.ascontiguousarray(plane.transpose(2, 1, 0)[::-1, ::-1].astype(np.float32))


@lru_cache(maxsize=4)
def _spacing_mm(folder: Path) -> tuple[float, float, float]:
    """Voxel edges along right, front and top: of spacing.csv, else estimated by registration to the template."""
    given = next((up / "spacing.csv" for up in folder.parents[:2] if (up / "spacing.csv").is_file()), None)
    for row in read_table(given).rows if given else ():
        if folder.name.startswith(row["patient"]):
            return float(row["in_plane_mm"]), float(row["in_plane_mm"]), float(row["slice_mm"])
    from selip.data.template_space import world_to_template

    values = _volume(folder, "FLAIR")
    start = _from_extent(values)
    affine = np.diag([*start, 1.0])
    affine[:3, 3] = -start * (np.array(values.shape) - 1) / 2
    lesion = Image(_volume(folder, "mask"), affine, folder)
    try:
        to_template = world_to_template({"FLAIR": Image(values, affine, folder)}, lesion)
    except InputError:
        return float(start[0]), float(start[1]), float(start[2])
    scale = USUAL_HEAD * np.linalg.norm(to_template[:3, :3], axis=0)
    plane, through = float(np.sqrt(scale[0] * scale[1])), float(scale[2])  # voxels are square in plane
    kept = [factor if LIKELY[0] < factor < LIKELY[1] else 1.0 for factor in (plane, plane, through)]
    return (*(round(float(edge * factor), 3) for edge, factor in zip(start, kept, strict=True)),)  # type: ignore[return-value]


def _from_extent(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """(3,) spacing that makes the head as large as heads are."""
    head = values > 0.15 * np.percentile(values, 99)
    widest = [np.sort(head.any(axis=axis).sum(axis=0))[-5:].mean() for axis in (1, 0)]
    plane = float(np.sqrt(np.prod([edge / max(count, 1) for edge, count in zip(HEAD_MM, widest, strict=True)])))
    return np.array([plane, plane, COVERED_MM / values.shape[2]])


def example(here: Path) -> Path:
    """Writes three tiny cases; the second has no T1, the last no clinical row."""
    folder, rows = here / "kaggle_3m", []
    for number, case in enumerate(("TCGA_CS_0001_19960909", "TCGA_DU_0002_19970101", "TCGA_HT_0003_19980101")):
        (folder / case).mkdir(parents=True)
        for k in range(1, 9):
            voxels = np.random.default_rng([number, k]).integers(20, 90, (16, 16, 3), dtype=np.uint8)
            voxels[3:7, 4:8] += np.uint8(100)
            voxels[..., 0] = voxels[..., 1] if number == 1 else voxels[..., 0]
            Picture.fromarray(voxels).save(folder / case / f"{case}_{k}.tif")
            mask = np.zeros((16, 16), np.uint8)
            mask[3:7, 4:8] = 255 * (2 < k < 7)
            Picture.fromarray(mask).save(folder / case / f"{case}_{k}_mask.tif")
        told = {"laterality": "3", "tumor_location": "2", "histological_type": "1", "neoplasm_histologic_grade": "2"}
        told |= {"gender": "1", "age_at_initial_pathologic": "44"}
        rows.append({"Patient": case[:12], **(told if number < 2 else {})})
    write_table(folder / "data.csv", rows)
    spacing = [{"Patient": row["Patient"], "in_plane_mm": "12", "slice_mm": "18"} for row in rows]
    write_table(folder / "spacing.csv", spacing)
    return here


SHEET = DataSheet(
    source="Kaggle, mateuszbuda/lgg-mri-segmentation: slices of The Cancer Genome Atlas (TCGA-LGG) with masks",
    licence="CC BY-NC-SA 4.0 as Kaggle states it; unverified",
    consent="TCGA consented its patients for research; no other use is known to be covered",
    biases="five American centres; lower-grade gliomas alone, no normal head; intensities are 8-bit, normalised by the "
    "publisher; spacing is given by the user or estimated by registration to the MNI152 template (5 to 10 % a head)",
    collections=("TCGA-LGG",),
)
ADAPTER = Adapter(
    name="lgg_kaggle",
    summary="Kaggle lgg-mri-segmentation: 110 lower-grade gliomas, T1, FLAIR and T1c, masks, side, lobe, grade",
    licence="CC BY-NC-SA 4.0 (unverified)",
    citation="Buda, Saha and Mazurowski, Association of genomic subtypes of lower-grade gliomas with shape features "
    "automatically extracted by a deep learning algorithm. Computers in Biology and Medicine 109 (2019)",
    source="https://www.kaggle.com/datasets/mateuszbuda/lgg-mri-segmentation",
    layout=LAYOUT,
    expected={"studies": 110, "patients": 110, "T1": 104, "T1c": 101},
    scan=scan,
    declares=CohortDeclaration(
        tasks={
            "histology": DeclaredTask(classes=("astrocytoma", "oligoastrocytoma", "oligodendroglioma")),
            "grade": DeclaredTask("WHO grade", classes=("2", "3")),
            "sex": DeclaredTask(classes=("female", "male"), metadata=True),
        },
        sheet=SHEET,
        conflict="mask",  # of TCGA_CS_6188 the table names the side where its mask has nothing
    ),
    example=example,
)
COHORT = adapter_source(ADAPTER)
