"""Cheng's set: slices of MATLAB files become slabs by patient and plane, in the order of their numbers."""

from __future__ import annotations

import numpy as np
import pytest

from selip.cohorts.figshare_tumours import COHORT, TYPES, estimated_plane, scan
from selip.cohorts.importing.adapter import write_table
from selip.system.errors import InputError

CASES = (("100360", 1, "axial"), ("100360A", 1, "coronal"), ("100400", 2, "sagittal"), ("100500", 3, "axial"),
         ("100600", 2, "coronal"))  # fmt: skip


def write_slice(path, case, label, image):
    """Writes a slice as the set has it, with a tumour in rows 3 to 6 and columns 4 to 7."""
    h5py = pytest.importorskip("h5py", reason="h5py is not installed; pip install 'selip-bench[matlab]'")
    mask = np.zeros(image.shape, np.uint8)
    mask[3:7, 4:8] = 1
    with h5py.File(path, "w") as file:
        data = file.create_group("cjdata")
        data["PID"] = np.array([[ord(one)] for one in case], dtype=np.uint16)
        data["label"] = np.array([[float(label)]])
        data["image"] = (image + 100 * mask).astype(np.int16).T
        data["tumorMask"] = mask.T


def picture(number):
    return np.random.default_rng(number).integers(20, 90, (16, 16))


def example(here):
    """Four slices of each of CASES, and their planes."""
    rows = [(case, label, plane) for case, label, plane in CASES for _ in range(4)]
    for number, (case, label, _) in enumerate(rows, start=1):
        write_slice(here / f"{number}.mat", case, label, picture(number))
    planes = [{"File": str(number), "Plane": plane} for number, (*_, plane) in enumerate(rows, start=1)]
    write_table(here / "planes.csv", planes)
    return here


def test_slices_become_slabs_and_a_letter_is_no_other_patient(tmp_path):
    found = scan(example(tmp_path)).studies
    assert [(one.patient, one.study, one.labels) for one in found] == [
        (case.rstrip("A"), f"{case}_{plane}", (TYPES[label - 1],)) for case, label, plane in sorted(CASES)
    ]
    assert all(one.own == {"label:tumour": one.labels[0]} for one in found)


@pytest.mark.parametrize(
    ("plane", "place", "spacing"),
    [
        ("axial", lambda k, row, column: (15 - column, 15 - row, k), (15.625, 15.625, 7)),
        ("coronal", lambda k, row, column: (15 - column, k, 15 - row), (15.625, 7, 15.625)),
        ("sagittal", lambda k, row, column: (k, 15 - column, 15 - row), (7, 15.625, 15.625)),
    ],
)
def test_rows_run_down_and_slices_lie_in_the_order_of_their_numbers(tmp_path, plane, place, spacing):
    case = next(one for one, _, its in CASES if its == plane)
    study = next(one for one in scan(example(tmp_path)).studies if one.study == f"{case}_{plane}")
    first = int(study.volumes["T1c"].stem)
    image, mask = (study.reader(study.volumes["T1c"], name) for name in ("T1c", "mask"))
    assert image.spacing_mm.tolist() == list(spacing)
    for k, row, column in ((0, 0, 0), (1, 2, 12), (3, 15, 9)):
        assert image.values[place(k, row, column)] == picture(first + k)[row, column]
    assert mask.values.sum() == 4 * 16
    assert mask.values[place(2, 4, 5)] == 1


def test_a_plane_that_nobody_gives_is_that_of_a_head(tmp_path):
    rows, columns = np.mgrid[-1:1:64j, -1:1:64j]
    axial = np.where(rows**2 + columns**2 < 0.7, 100, 0)
    neck = np.where((abs(columns) < 0.4) & (rows > 0), 100, axial)
    profile = np.where((columns > 0.2) & (rows > -0.2), 0, np.where((columns < -0.1) & (rows > 0), 100, axial))
    assert [estimated_plane(one) for one in (axial, neck, profile)] == ["axial", "coronal", "sagittal"]
    assert estimated_plane(np.zeros((8, 8))) == "axial"


def test_what_is_no_slice_is_said_and_a_wrong_plane_refused(tmp_path):
    source = example(tmp_path)
    (source / "3.mat").write_bytes(b"MATLAB 5.0")
    found = scan(source)
    assert len(found.problems) == 1
    assert found.problems[0].startswith("3.mat: unreadable")
    write_table(source / "planes.csv", [{"File": "1", "Plane": "oblique"}])
    with pytest.raises(InputError, match="got plane 'oblique'"):
        scan(source)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"1\.mat"):
        scan(tmp_path / "empty")


def test_the_import_declares_the_tumour_and_measures_no_text(tmp_path):
    grid = {"shape": (8, 8, 8), "spacing_mm": (30, 30, 30), "workers": 1}
    (tmp_path / "mat").mkdir()
    cohort = COHORT.import_from(example(tmp_path / "mat"), tmp_path / "out", **grid, say=lambda line: None)
    assert cohort.info.tasks["label:tumour"].classes == TYPES
    assert set(cohort.volumes["contrast"]) == {"T1c"}
    assert set(cohort.volumes["state"]) == {"abnormal"}
    assert cohort.studies["patient_id"].nunique() == 4
