from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from selip.cohorts.phantom.profiles import PROFILES
from selip.data.cohort import IGNORE
from selip.data.nifti import Image
from selip.data.volumes import (
    TEMPLATE_CENTRE_MM,
    TEMPLATE_HEAD_MM,
    Grid,
    head_centre_mm,
    mask_to_grid,
    percentile_minmax,
    read_volume,
    study_grid,
    to_grid,
)
from selip.system.errors import InputError

GRID = {"shape": (16, 20, 12), "spacing_mm": (9.0, 9.0, 10.0)}


def image_of(values, affine) -> Image:
    return Image(np.asarray(values, np.float32), np.asarray(affine, float), Path("made.nii.gz"))


def ball(shape, centre, radius) -> np.ndarray:
    return np.linalg.norm(np.moveaxis(np.indices(shape), 0, -1) - centre, axis=-1) <= radius


def test_importing_volumes_does_not_import_torch():
    code = "import sys, selip.data.volumes; sys.exit('torch' in sys.modules or 'monai' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# intensity


def test_minmax_spans_the_range_and_keeps_order():
    values = np.random.default_rng(0).normal(size=(20, 20, 20)).astype(np.float32)
    stored = percentile_minmax(values)
    order = np.argsort(values, axis=None)
    assert stored.dtype == np.uint8
    assert (stored.min(), stored.max()) == (0, 255)
    assert (np.diff(stored.ravel()[order].astype(int)) >= 0).all()


@settings(max_examples=25, deadline=None, derandomize=True)
@given(gain=st.floats(0.01, 100), offset=st.floats(-1000, 1000))
def test_minmax_cancels_gain_and_offset(gain, offset):
    values = np.random.default_rng(1).normal(size=(12, 12, 12)) * 100
    difference = percentile_minmax(gain * values + offset).astype(int) - percentile_minmax(values)
    assert np.abs(difference).max() <= 1


def test_a_few_outliers_do_not_stretch_the_range():
    values = np.linspace(0, 1, 10_001)
    values[-5:], values[:5] = 1e6, -1e6
    assert percentile_minmax(values)[5000] == pytest.approx(127.5, abs=1)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(size=st.integers(2, 3000), levels=st.integers(2, 1000))
def test_minmax_clips_at_the_percentiles_of_numpy(size, levels):
    values = np.random.default_rng(size).integers(0, levels, size).astype(np.float32) / 7
    values[:2] = 0, 200
    low, high = np.percentile(values, (0.1, 99.9))
    expected = np.rint((np.clip(values, low, high) - low) * (255 / (high - low)))
    assert (percentile_minmax(values) == expected).all()


@pytest.mark.parametrize(("values", "words"), [(np.full(9, 7.0), "constant"), (np.array([0, 1, np.nan]), "NaN")])
def test_minmax_refuses(values, words):
    with pytest.raises(InputError, match=words):
        percentile_minmax(values)


# place


def test_the_phantom_and_imported_volumes_share_the_middle_of_their_grids():
    assert {profile.centre_mm for profile in PROFILES.values()} == {TEMPLATE_CENTRE_MM}


def test_both_policies_put_the_template_in_the_same_place():
    from nilearn.datasets import load_mni152_template

    template = load_mni152_template(resolution=2)
    image = image_of(template.get_fdata(), template.affine)
    np.testing.assert_allclose(head_centre_mm(image), TEMPLATE_HEAD_MM, atol=1.5)
    grids = [study_grid([image], **GRID, centre=centre) for centre in ("foreground", "world")]
    np.testing.assert_allclose(grids[0].affine, grids[1].affine, atol=1.5)


def test_foreground_centring_ignores_the_origin_of_the_file(head, write_nifti):
    affine = nib.load(write_nifti("a.nii", head)).affine.copy()
    here = read_volume(write_nifti("a.nii", head), **GRID)
    affine[:3, 3] += (310, -45, 77)
    np.testing.assert_array_equal(read_volume(write_nifti("b.nii", head, affine), **GRID), here)


def test_a_neck_in_the_field_of_view_hardly_moves_the_head():
    affine = np.diag([4.0, 4.0, 4.0, 1.0])
    brain = ball((60, 60, 70), (30, 30, 48), 20) * 100.0
    neck = brain + 100.0 * (ball((60, 60, 70), (30, 30, 48), 99) & (np.indices((60, 60, 70))[2] < 12))
    moved = head_centre_mm(image_of(neck, affine)) - head_centre_mm(image_of(brain, affine))
    assert np.abs(moved).max() < 4


def test_volumes_of_a_study_share_one_grid_and_far_ones_are_refused(head):
    near, far = np.diag([6.0, 6, 6, 1]), np.diag([6.0, 6, 6, 1])
    near[:3, 3], far[:3, 3] = (5, 0, 0), (300, 0, 0)
    images = [image_of(head, np.diag([6.0, 6, 6, 1])), image_of(head, near)]
    assert study_grid(images, **GRID, centre="foreground").centre_mm[0] == pytest.approx(
        study_grid(images[:1], **GRID, centre="foreground").centre_mm[0] + 2.5
    )
    with pytest.raises(InputError, match=r"head lies .* mm from"):
        study_grid([*images, image_of(head, far)], **GRID, centre="foreground")


def test_a_head_outside_a_world_grid_is_refused(head, write_nifti):
    affine = nib.load(write_nifti("a.nii", head)).affine.copy()
    affine[:3, 3] += 900
    with pytest.raises(InputError, match=r"b\.nii.*outside the grid"):
        read_volume(write_nifti("b.nii", head, affine), **GRID, centre="world")


def test_an_unknown_policy_is_refused(head, write_nifti):
    with pytest.raises(InputError, match="foreground, world"):
        read_volume(write_nifti("a.nii", head), **GRID, centre="middle")


# resampling


def test_axes_of_the_grid_grow_to_the_right_front_and_top(head, write_nifti):
    volume = read_volume(write_nifti("a.nii", head), **GRID, centre="world").astype(float)
    affine = Grid(**GRID).affine
    bright = np.array(ndimage.center_of_mass(volume > 200))
    np.testing.assert_allclose(affine[:3, :3] @ bright + affine[:3, 3], (33, -17, 16), atol=5)
    assert volume[8, 15, 6] < volume[8, 4, 6]


def test_a_grid_equal_to_the_files_changes_nothing(head):
    affine = Grid((24, 28, 20), (6.0, 6.0, 6.0)).affine
    stored = to_grid(image_of(head, affine), Grid((24, 28, 20), (6.0, 6.0, 6.0)))
    assert np.abs(stored.astype(int) - percentile_minmax(head)).max() <= 1


def test_resampling_agrees_with_scipy_on_an_oblique_file(head):
    angle = 0.3
    rotation = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    affine = np.eye(4)
    affine[:3, :3] = rotation * 6.0
    affine[:3, 3] = rotation @ (-69, -81, -57) + np.array(TEMPLATE_CENTRE_MM)
    grid = Grid((40, 44, 36), (4.0, 4.0, 3.5))
    to_voxels = np.linalg.inv(affine) @ grid.affine
    floor = np.float32(np.percentile(head, 0.1))
    expected = ndimage.affine_transform(
        head - floor, to_voxels[:3, :3], to_voxels[:3, 3], output_shape=grid.shape, order=1, mode="grid-constant"
    )
    difference = to_grid(image_of(head, affine), grid).astype(int) - percentile_minmax(expected)
    assert np.abs(difference).max() <= 1


def test_coarser_grids_average_instead_of_aliasing():
    checks = np.indices((48, 48, 48)).sum(0) % 2 * 100.0
    checks[:, :, 24:] = 0
    affine = np.diag([1.0, 1, 1, 1])
    affine[:3, 3] = np.array(TEMPLATE_CENTRE_MM) - 23.5
    stored = to_grid(image_of(checks, affine), Grid((12, 12, 12), (4.0, 4.0, 4.0)))
    inner = stored[2:-2, 2:-2, 1:4]
    assert inner.min() > 200
    assert np.ptp(inner) <= 3


# masks

FINE = Grid((80, 80, 80), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0))
COARSE = Grid((20, 20, 20), (4.0, 4.0, 4.0), (0.0, 0.0, 0.0))


def test_a_large_lesion_keeps_its_place_and_volume():
    lesion = ball(FINE.shape, (50, 30, 40), 14)
    mask = mask_to_grid(image_of(lesion * 1, FINE.affine), COARSE)
    assert set(np.unique(mask)) == {0, 1}
    assert mask.sum() * 64 == pytest.approx(lesion.sum(), rel=0.1)
    where = COARSE.affine[:3, :3] @ ndimage.center_of_mass(mask) + COARSE.affine[:3, 3]
    np.testing.assert_allclose(where, FINE.affine[:3, :3] @ (50, 30, 40) + FINE.affine[:3, 3], atol=0.5)


def test_small_lesions_do_not_vanish():
    lesion = np.zeros(FINE.shape)
    centres = [(10, 10, 10), (41, 22, 63), (70, 61, 30)]
    for centre in centres:
        lesion[centre] = 1
    mask = mask_to_grid(image_of(lesion, FINE.affine), COARSE)
    assert mask.sum() == len(centres)
    for centre in centres:
        assert mask[tuple(np.array(centre) // 4)] == 1


def test_labels_of_any_number_are_lesion_and_an_empty_mask_stays_empty():
    labels = np.zeros(FINE.shape)
    for label, x in ((1, 15), (2, 40), (4, 65)):
        labels[ball(FINE.shape, (x, 40, 40), 8)] = label
    mask = mask_to_grid(image_of(labels, FINE.affine), COARSE)
    assert ndimage.label(mask)[1] == 3
    assert mask_to_grid(image_of(np.zeros(FINE.shape), FINE.affine), COARSE).sum() == 0


def test_a_mask_wholly_outside_the_grid_is_refused():
    lesion = ball(FINE.shape, (3, 3, 3), 2)
    with pytest.raises(InputError, match="outside the grid"):
        mask_to_grid(image_of(lesion, FINE.affine), Grid((5, 5, 5), (4.0, 4.0, 4.0), (0.0, 0.0, 0.0)))


TUMOUR = {1: 2, 2: 1, 4: 3}


def tumour(centre=(41, 38, 43)):
    """Labels as BraTS has them: oedema 2 around core 1 around enhancing 4."""
    labels = np.zeros(FINE.shape)
    for label, radius in ((2, 19), (1, 11.5), (4, 6)):
        labels[ball(FINE.shape, centre, radius)] = label
    return labels


def test_levels_are_nested_and_each_keeps_its_volume():
    labels = tumour()
    mask = mask_to_grid(image_of(labels, FINE.affine), COARSE, TUMOUR)
    of_file = {1: labels > 0, 2: np.isin(labels, (1, 4)), 3: labels == 4}
    for level, region in of_file.items():
        assert (mask >= level).sum() * 64 == pytest.approx(region.sum(), abs=128), "but for ties"
    plain = mask_to_grid(image_of((labels > 0) * 1, FINE.affine), COARSE)
    assert (plain != (mask > 0)).mean() < 0.002, "the whole tumour is where the plain mask has it"


def test_levels_are_the_labels_themselves_on_the_grid_of_the_file():
    labels = tumour()
    mask = mask_to_grid(image_of(labels, FINE.affine), FINE, TUMOUR)
    np.testing.assert_array_equal(mask, np.select([labels == 4, labels == 1, labels == 2], [3, 2, 1]))


def test_what_is_ignored_is_neither_lesion_nor_background_and_never_hides_a_lesion():
    labels = 1.0 * ball(FINE.shape, (30, 40, 40), 8)
    labels[ball(FINE.shape, (50, 40, 40), 8)] = 2
    mask = mask_to_grid(image_of(labels, FINE.affine), COARSE, {1: 1, 2: IGNORE})
    alone = mask_to_grid(image_of((labels == 1) * 1, FINE.affine), COARSE)
    assert set(np.unique(mask)) == {0, 1, IGNORE}
    np.testing.assert_array_equal(mask == 1, alone)
    assert (mask == IGNORE).sum() * 64 == pytest.approx((labels == 2).sum(), rel=0.1)
    assert mask_to_grid(image_of((labels == 2) * 2, FINE.affine), COARSE, {1: 1, 2: IGNORE}).max() == IGNORE


@pytest.mark.parametrize("value", [3, 0.5, -1])
def test_a_label_that_the_set_does_not_have_is_refused(value):
    labels = tumour()
    labels[0, 0, 0] = value
    with pytest.raises(InputError, match=f"with label {value:g}; allowed: 0, 1, 2, 4;"):
        mask_to_grid(image_of(labels, FINE.affine), COARSE, TUMOUR)
    with pytest.raises(InputError, match=r"got levels .*; allowed: 0, 1, 2, 3, 255"):
        mask_to_grid(image_of(labels, FINE.affine), COARSE, {1: 7})
