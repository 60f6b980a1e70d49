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


def seconds_of(read, *arguments):
    """CPU seconds of a call, and what it gives."""
    start = time.process_time()
    found = read(*arguments)
    return time.process_time() - start, found


@pytest.mark.parametrize("split", ["all", "train"])
def test_a_split_against_nibabel(benchmark, small_cohort, files, split):
    rows = small_cohort.rows(split)
    found = benchmark.pedantic(small_cohort.read_volumes, (rows,), rounds=5, warmup_rounds=1)
    (first, expected), (second, _) = (seconds_of(by_nibabel, [files[row] for row in rows]) for _ in range(2))
    np.testing.assert_array_equal(found, expected)
    seconds, best = min(first, second), benchmark.stats.stats.min
    benchmark.extra_info |= {
        "times_faster_than_nibabel_file_by_file": seconds / best,
        "volumes_per_second": len(rows) / best,
    }
    assert seconds > LEAST_RATIO * best


def test_random_order_is_known_to_cost_more(benchmark, small_cohort, files):
    """Nothing here reads a store so: callers read a split in its order once. The ratio is shown, and has no floor."""
    rows = np.random.default_rng(0).permutation(len(files))
    found = benchmark.pedantic(small_cohort.read_volumes, (rows,), rounds=3, warmup_rounds=1)
    seconds, expected = seconds_of(by_nibabel, [files[row] for row in rows])
    np.testing.assert_array_equal(found, expected)
    benchmark.extra_info["ratio_to_nibabel_file_by_file"] = seconds / benchmark.stats.stats.min
