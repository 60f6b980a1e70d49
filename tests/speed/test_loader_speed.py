"""Volumes read from a cohort's store against a loop over NIfTI files of the same volumes, in the same run.

The files are .nii.gz, as public sets come, read by nibabel as uint8 without scaling. Both lie in the page cache.
"""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

pytestmark = pytest.mark.speed
LEAST_RATIO = 1.2


@pytest.fixture(scope="module")
def files(small_cohort, tmp_path_factory):
    """One compressed NIfTI file a volume, in the order of the cohort."""
    folder, voxels = tmp_path_factory.mktemp("nifti"), small_cohort.read_volumes(range(len(small_cohort.volumes)))
    paths = [folder / f"{name}.nii.gz" for name in small_cohort.volumes["volume_id"]]
    for path, volume in zip(paths, voxels, strict=True):
        nib.save(nib.Nifti1Image(volume, np.diag([*small_cohort.info.spacing_mm, 1.0])), path)
    return paths


def by_nibabel(paths):
    return np.stack([np.asarray(nib.load(path).dataobj) for path in paths])


@pytest.mark.parametrize("split", ["all", "train", "shuffled"])
def test_a_split_against_nibabel(benchmark, against, small_cohort, files, split):
    rows = np.random.default_rng(0).permutation(len(files)) if split == "shuffled" else small_cohort.rows(split)
    ours, reference = lambda: small_cohort.read_volumes(rows), lambda: by_nibabel([files[row] for row in rows])
    found, expected, ratio = against("nibabel_file_by_file", ours, reference, rounds=5)
    np.testing.assert_array_equal(found, expected)
    benchmark.extra_info["volumes_per_second"] = len(rows) / benchmark.stats.stats.min
    assert ratio > LEAST_RATIO
