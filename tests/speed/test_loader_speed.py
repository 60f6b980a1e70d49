"""Volumes read from a cohort's store against a loop over NIfTI files of the same volumes, in the same run.

The files are .nii.gz, as public sets come, read by nibabel as uint8 without scaling. Both lie in the page cache; times
are CPU seconds of all threads, so that the store gains nothing by its own.
"""

from __future__ import annotations

import time

import nibabel as nib
import numpy as np
import pytest

pytestmark = [pytest.mark.speed, pytest.mark.benchmark(timer=time.process_time)]
LEAST_RATIO, LEAST_SHUFFLED_RATIO = 2, 1


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


def compared(benchmark, cohort, files, rows):
    """The ratio of CPU times, after a check that both bring the same voxels."""
    found = benchmark.pedantic(cohort.read_volumes, (rows,), rounds=5, warmup_rounds=1)
    start = time.process_time()
    expected = by_nibabel([files[row] for row in rows])
    seconds = time.process_time() - start
    np.testing.assert_array_equal(found, expected)
    benchmark.extra_info["times_faster_than_nibabel_file_by_file"] = seconds / benchmark.stats.stats.min
    benchmark.extra_info["volumes_per_second"] = len(rows) / benchmark.stats.stats.min
    return seconds / benchmark.stats.stats.min


def test_a_whole_cohort_against_nibabel(benchmark, small_cohort, files):
    assert compared(benchmark, small_cohort, files, np.arange(len(files))) > LEAST_RATIO


def test_volumes_in_random_order_against_nibabel(benchmark, small_cohort, files):
    rows = np.random.default_rng(0).permutation(len(files))
    assert compared(benchmark, small_cohort, files, rows) > LEAST_SHUFFLED_RATIO
