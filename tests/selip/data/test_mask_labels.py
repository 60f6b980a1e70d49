"""Labels of a mask: what its rule makes of values, and values of which the rule makes nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from selip.data.cohort import IGNORE
from selip.data.nifti import Image, label_levels
from selip.system.errors import InputError


def mask_of(*values: float) -> Image:
    return Image(np.array(values, np.float32).reshape(1, 1, -1), np.eye(4), Path("m.nii.gz"))


def test_values_above_one_half_are_lesion_and_zeros_are_an_empty_mask():
    assert label_levels(mask_of(0, 0.5, 0.51, 1, 4, 255, -1), {}).ravel().tolist() == [0, 0, 1, 1, 1, 1, 0]
    assert not label_levels(mask_of(0, 0, 0), {}).any()


@pytest.mark.parametrize("value", [0.0039, 1 / 255, 0.4, 0.5, -1, -255, 1e-30])
def test_values_without_a_lesion_voxel_are_no_empty_mask(value):
    with pytest.raises(InputError, match=r"m\.nii\.gz with values from .* no lesion voxel .*; allowed: .*; set lesion"):
        label_levels(mask_of(0, value, value), {})


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ((0, 255, 127.5), "between its labels, as 127.5"),
        ((0, 99.5, 1), "as 99.5"),
        ((1, 1, 1), "in 100% of its voxels"),
    ],
)
def test_interpolated_labels_and_a_mask_of_all_voxels_are_refused(values, words):
    with pytest.raises(InputError, match=rf"m\.nii\.gz with .*{words}.*; allowed: "):
        label_levels(mask_of(*values), {})


def test_shares_and_labels_that_rounding_moved_are_read():
    assert label_levels(mask_of(0, 0.2, 0.7, 1, 1.0000001, 3), {}).ravel().tolist() == [0, 0, 1, 1, 1, 1]


def test_a_label_that_is_declared_to_be_no_lesion_is_one():
    assert label_levels(mask_of(0, 2, 3), {2: 0, 3: IGNORE}).ravel().tolist() == [0, 0, IGNORE]
