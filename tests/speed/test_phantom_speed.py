"""Phantom studies of the standard profile against a loop over voxels, and against 20 studies a second on two cores.

Times are CPU seconds of one process, which a busy machine changes least. A study is rendered by one process and
processes share no work, so two cores make two studies in the CPU time of one. What runs once a cohort (the atlas,
where lesions may lie, the start of the workers) is left out: the time is that which a larger cohort takes longer.
"""

from __future__ import annotations

import importlib.util
import math
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from selip.cohorts.phantom.anatomy import build_atlas
from selip.cohorts.phantom.generate import build, lesion_points
from selip.cohorts.phantom.patients import draw_studies
from selip.cohorts.phantom.profiles import resolve
from selip.cohorts.phantom.render import render

pytestmark = pytest.mark.speed
spec = importlib.util.spec_from_file_location("phantom_judge", Path(__file__).parent / "phantom_judge.py")
judge = importlib.util.module_from_spec(spec)
spec.loader.exec_module(judge)

SEED, CORES, ROUNDS = 7, 2, 3
FEW, MORE = 5, 35
LEAST_STUDIES_PER_SECOND, LEAST_RATIO = 20, 200
COARSE = (13, 14, 6)


def test_20_studies_a_second_on_two_cores(benchmark, tmp_path):
    build("standard", SEED, tmp_path / "warm", workers=1, n_patients=1)
    folders = (tmp_path / f"cohort-{number}" for number in range(2 * ROUNDS + 1))

    def cohort(n_patients):
        began = time.process_time()
        made = build("standard", SEED, next(folders), workers=1, n_patients=n_patients)
        return time.process_time() - began, len(made.studies)

    few, n_few = min(cohort(FEW) for _ in range(ROUNDS))
    benchmark.pedantic(cohort, (MORE,), rounds=1)
    more, n_more = min(cohort(MORE) for _ in range(ROUNDS))
    seconds = (more - few) / (n_more - n_few)
    benchmark.extra_info |= {"cpu_ms_a_study": 1000 * seconds, "studies_per_second_on_2_cores": CORES / seconds}
    assert CORES / seconds >= LEAST_STUDIES_PER_SECOND


@pytest.fixture(scope="module")
def studies():
    """The first studies of a cohort with lesions, and the atlas."""
    atlas, profile = build_atlas(2), resolve("standard", {"n_patients": 4, "normal": 0})
    return draw_studies(profile, SEED, lesion_points(atlas)), profile, atlas


def test_voxels_against_the_loop(benchmark, against, studies):
    drawn, profile, atlas = studies
    coarse = replace(profile, shape=COARSE, spacing_mm=spacing(profile, COARSE))
    _, (expected, expected_mask), ratio = against(
        "a_loop_over_voxels",
        lambda: [render(study, profile, SEED, atlas) for study in drawn],
        lambda: judge.render_loop(drawn[0], coarse, SEED, atlas),
        len(drawn) * math.prod(profile.shape) / math.prod(COARSE),
    )
    found, mask = render(drawn[0], coarse, SEED, atlas)
    difference = np.abs(found.astype(int) - expected)
    assert difference.max() <= 1, "a grey level, from rounding to uint8"
    assert (difference == 0).mean() > 0.999
    assert expected_mask.any()
    assert (mask == expected_mask).mean() > 0.999
    benchmark.extra_info["reference"] = f"loop over the voxels of one study of {COARSE}, scaled to {profile.shape}"
    assert ratio > LEAST_RATIO


def spacing(profile, shape):
    """Voxel edges of another grid over the same field of view."""
    return tuple(n * mm / m for n, mm, m in zip(profile.shape, profile.spacing_mm, shape, strict=True))
