"""figshare 1512427 (Cheng 2015): slices of T1 with contrast agent through meningiomas, gliomas and pituitary tumours.

`1.mat` .. `3064.mat` (MATLAB 7.3, that is HDF5) hold one slice each, a struct `cjdata`: label (1 meningioma, 2 glioma,
3 pituitary tumour), PID, image (rows from top to bottom) and tumorMask. A study is the slices of one patient in one
plane, in the order of their numbers: a slab through the tumour, not a head. Ids that differ by a letter at their end
are one patient.

The plane is not stated. A file `planes.csv` beside the slices (File, Plane) gives it; else it is estimated of each
slice: a head that ends above the lower edge of the picture is axial, one of unlike halves sagittal, others coronal.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from selip.cohorts.importing import file_layout
from selip.cohorts.importing.adapter import Adapter, Scan, StudyFiles
from selip.cohorts.importing.importer import adapter_source
from selip.data.cohort_declaration import CohortDeclaration, DataSheet, DeclaredTask
from selip.data.nifti import Image
from selip.data.tables import read_table
from selip.system.errors import InputError

TYPES = ("meningioma", "glioma", "pituitary tumour")
PLANES = ("axial", "coronal", "sagittal")
ALIKE, TALL = 0.63, 1.19
"""Correlation of the halves, and height over width, that a sagittal slice stays under."""
FIELD_MM, SLICE_MM = 250.0, 7.0
"""Edge of a picture, and slice thickness with gap (6 + 1 mm), of most slices."""
LAYOUT = """1.mat .. 3064.mat, each with the struct cjdata of one slice"""
_NUMBER = re.compile(r"(\d+)\.mat")
UNREADABLE = (OSError, KeyError, ValueError, IndexError)


def scan(source: Path) -> Scan:
    """Slabs below `source`; raises InputError when there are none, or h5py is not installed."""
    paths = file_layout.list_files(source).files.values()
    files = {int(match[1]): path for path in paths if (match := _NUMBER.fullmatch(path.name))}
    if not files:
        raise InputError(f"got {source} with no slice of the set; allowed: {LAYOUT}; name the folder that holds them")
    planes, problems = _given_planes(source), []
    slabs: dict[tuple[str, str], tuple[str, list[Path]]] = {}
    for number, path in sorted(files.items()):
        try:
            case, kind = _case(path)
            plane = planes.get(number) or estimated_plane(_array(path, "image"))
        except UNREADABLE as error:
            problems.append(f"{path.name}: unreadable ({error}), left out")
            continue
        slabs.setdefault((case, plane), (kind, []))[1].append(path)
    studies = [_study(case, plane, kind, tuple(found)) for (case, plane), (kind, found) in sorted(slabs.items())]
    return Scan(tuple(studies), tuple(problems))


def _given_planes(source: Path) -> dict[int, str]:
    path = next(iter(sorted(source.rglob("planes.csv"))), None)
    found = {int(row["file"]): row["plane"].lower() for row in (read_table(path).rows if path else ())}
    if wrong := sorted({*found.values()} - {*PLANES}):
        raise InputError(f"got plane {wrong[0]!r} in {path}; allowed: {', '.join(PLANES)}; mend it")
    return found


def _study(case: str, plane: str, kind: str, paths: tuple[Path, ...]) -> StudyFiles:
    return StudyFiles(
        patient=re.sub(r"(?<=\d)[A-Za-z]$", "", case),
        study=f"{case}_{plane}",
        volumes={"T1c": paths[0]},
        mask=paths[0],
        labels=(kind,),
        own={"label:tumour": kind},
        reader=partial(read_slab, plane, paths),
    )


def read_slab(plane: str, paths: Sequence[Path], first: Path, name: str) -> Image:
    """The slices of a slab, or their "mask", in RAS as far as it is known: left and right are not.

    Raises:
        InputError: A slice cannot be read, or has another size.
    """
    try:
        slices = np.stack([_array(path, "tumorMask" if name == "mask" else "image") for path in paths])
    except UNREADABLE as error:
        raise InputError(
            f"got the {plane} slab of {first} with an unreadable slice ({error}); copy it again"
        ) from error
    edge = FIELD_MM / slices.shape[1]
    axes, spacing_mm = {  # of slices, rows from top to bottom and columns
        "axial": ((2, 1, 0), (edge, edge, SLICE_MM)),
        "coronal": ((2, 0, 1), (edge, SLICE_MM, edge)),
        "sagittal": ((0, 2, 1), (SLICE_MM, edge, edge)),
    }[plane]
    values = slices[:, ::-1, ::-1].transpose(axes).astype(np.float32)
    return Image(np.ascontiguousarray(values), np.diag([*spacing_mm, 1.0]), first)


def _case(path: Path) -> tuple[str, str]:
    """Id and tumour type of a slice."""
    with _h5py().File(path, "r") as file:
        data = file["cjdata"]
        letters = np.asarray(data["PID"]).ravel()
        return "".join(chr(int(one)) for one in letters), TYPES[int(np.asarray(data["label"]).ravel()[0]) - 1]


def _array(path: Path, name: str) -> NDArray[Any]:
    """A picture of a slice (rows, columns); MATLAB keeps columns first."""
    with _h5py().File(path, "r") as file:
        return np.asarray(file["cjdata"][name]).T


def _h5py() -> Any:  # noqa: ANN401 (a module of an extra)
    try:
        import h5py
    except ImportError as error:
        raise InputError("got figshare_tumours without h5py; install it: pip install 'selip-bench[matlab]'") from error
    return h5py


def estimated_plane(image: NDArray[Any]) -> str:
    """The plane of a slice (rows, columns): right for 175 of 200 slabs of known plane that chose nothing of it."""
    values = np.clip(image / max(float(np.percentile(image, 99)), 1.0), 0, 1)
    head = values > 0.1
    rows, columns = (np.flatnonzero(head.any(axis=axis)) for axis in (1, 0))
    if not head[-max(1, len(head) // 32) :].any():
        return "axial"
    middle = round((columns[0] + columns[-1]) / 2)
    width = max(1, min(middle, values.shape[1] - 1 - middle))
    left, right = values[:, middle - width : middle], values[:, middle + 1 : middle + 1 + width][:, ::-1]
    alike = np.corrcoef(left.ravel(), right.ravel())[0, 1]
    tall = (rows[-1] - rows[0] + 1) / (columns[-1] - columns[0] + 1)
    return "sagittal" if alike < ALIKE and tall < TALL else "coronal"


SHEET = DataSheet(
    source="figshare 1512427: Nanfang and Tianjin Medical University hospitals, China, 2005 to 2010",
    licence="CC BY 4.0 as figshare states it; unverified",
    consent="not stated with the data",
    biases="slabs through the tumour alone, no whole and no normal head; left and right are not known; the plane is "
    "given by the user or estimated, wrongly for one slice of eight; a picture is taken as 250 mm wide, slices as 7 mm "
    "apart; two hospitals",
    collections=("Cheng2015",),
)
ADAPTER = Adapter(
    name="figshare_tumours",
    summary="Cheng 2015: slabs of 209 patients of T1 with contrast agent, tumour type and mask",
    licence="CC BY 4.0 (unverified)",
    citation="Cheng et al., Enhanced performance of brain tumor classification via tumor region augmentation and "
    "partition. PLoS ONE 10(10): e0140381 (2015)",
    source="https://doi.org/10.6084/m9.figshare.1512427",
    layout=LAYOUT,
    expected={"patients": 209},
    scan=scan,
    texts="none",
    declares=CohortDeclaration(tasks={"tumour": DeclaredTask("tumour type", classes=TYPES)}, sheet=SHEET),
)
COHORT = adapter_source(ADAPTER)
