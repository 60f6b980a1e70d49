"""A marker in the patient's left is on the left in the store and in words, whatever way the file's axes run."""

from __future__ import annotations

import csv
from itertools import permutations, product
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from selip.cohorts.table import import_table
from selip.data.cohort import Cohort
from selip.data.findings import Finding
from selip.data.nifti import read_nifti
from selip.data.template_space import mni_template
from selip.reports.mask_findings import findings_from_mask

STEP = 4
AXES = ["".join(codes) for order in permutations(("LR", "PA", "IS")) for codes in product(*order)]
MARKERS = {"left": (-34, 30, 24), "right": (34, 30, 24)}
TILT_RAD = 0.12  # the scanner's axes are never quite those of the head


@pytest.fixture(scope="module")
def head() -> tuple[np.ndarray, np.ndarray]:
    """The template's brain on STEP mm voxels, RAS, and an affine that tilts and shifts it."""
    template = mni_template()
    tilt = np.eye(4)
    tilt[1:3, 1:3] = [[np.cos(TILT_RAD), -np.sin(TILT_RAD)], [np.sin(TILT_RAD), np.cos(TILT_RAD)]]
    tilt[:3, 3] = (25, -15, 40)
    values = ndimage.gaussian_filter(template.t1, STEP / 3)[::STEP, ::STEP, ::STEP]
    return values, tilt @ template.affine @ np.diag([STEP, STEP, STEP, 1])


def marker(shape: tuple[int, ...], side: str) -> np.ndarray:
    """A ball of 9 mm in the frontal lobe of `side`."""
    origin = mni_template().affine[:3, 3]
    places = np.moveaxis(np.indices(shape), 0, -1) * STEP + origin
    return np.linalg.norm(places - MARKERS[side], axis=-1) < 9


def write(path: Path, values: np.ndarray, affine: np.ndarray, axes: str) -> Path:
    """`values` (RAS) in a file whose voxel axes run as `axes` says."""
    image = nib.Nifti1Image(values.astype(np.float32), affine)
    turn = nib.orientations.ornt_transform(nib.io_orientation(affine), nib.orientations.axcodes2ornt(axes))
    turned = image.as_reoriented(turn)
    assert nib.aff2axcodes(turned.affine) == tuple(axes)
    nib.save(turned, path)
    return path


@pytest.fixture(scope="module")
def folder(head, tmp_path_factory) -> Path:
    """A T1 and its mask for every orientation; the marker is on the left."""
    root = tmp_path_factory.mktemp("sides")
    values, affine = head
    lesion = marker(values.shape, "left")
    for axes in AXES:
        write(root / f"{axes}_t1.nii", np.where(lesion, np.float32(1.4), values), affine, axes)
        write(root / f"{axes}_mask.nii", lesion, affine, axes)
    return root


@pytest.fixture(scope="module")
def cohort(folder) -> Cohort:
    columns = ("patient", "study", "contrast", "path", "mask", "report")
    with (folder / "table.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(columns)
        writer.writerows([axes, axes, "T1", f"{axes}_t1.nii", f"{axes}_mask.nii", "A mark."] for axes in AXES)
    return import_table(folder / "table.csv", folder / "out", shape=(32, 38, 32), spacing_mm=(6.0, 6.0, 6.0), workers=1)


def test_there_are_48_orientations():
    assert len(set(AXES)) == 48
    assert {"RAS", "LPS", "LAS", "PIR"} <= set(AXES)


def test_the_store_has_the_marker_on_the_left_for_every_orientation(cohort):
    """Axis 0 grows to the right, so left is its lower half; all orientations end on the same voxels."""
    volumes, masks = cohort.read_volumes(range(48)), cohort.read_masks(range(48))
    for axes, volume, mask in zip(cohort.studies["study_id"], volumes, masks, strict=True):
        place = np.array(ndimage.center_of_mass(mask))
        assert place[0] < 14, axes
        assert place[1] > 19, axes
        assert volume[mask > 0].mean() > 1.3 * volume[(volume > 40) & (mask == 0)].mean(), axes
        assert np.array_equal(mask, masks[0]), axes


def test_every_orientation_reads_as_the_same_image(folder):
    """What findings are measured on does not depend on the file's axes, so that four of them stand for all below."""
    first = {kind: read_nifti(folder / f"RAS_{kind}.nii") for kind in ("t1", "mask")}
    for axes in AXES:
        for kind, image in first.items():
            other = read_nifti(folder / f"{axes}_{kind}.nii")
            assert np.array_equal(other.values, image.values), axes
            assert np.allclose(other.affine, image.affine, atol=1e-3), axes


def found(folder: Path, axes: str) -> list[Finding]:
    volume, mask = (read_nifti(folder / f"{axes}_{kind}.nii") for kind in ("t1", "mask"))
    return findings_from_mask({"T1": volume}, mask, {})


@pytest.mark.parametrize("axes", ["RAS", "LPS", "LAS", "PIR"])
def test_the_marker_is_left_in_words(folder, axes):
    (finding,) = found(folder, axes)
    assert (finding.location, finding.signals) == ("left frontal lobe", {"T1": "high signal"})


def test_the_mirrored_marker_is_right_in_words(head, tmp_path):
    values, affine = head
    lesion = marker(values.shape, "right")
    write(tmp_path / "SAL_t1.nii", values, affine, "SAL")
    write(tmp_path / "SAL_mask.nii", lesion, affine, "SAL")
    (finding,) = found(tmp_path, "SAL")
    assert finding.location == "right frontal lobe"
