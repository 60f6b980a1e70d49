"""Studies of the standard profile rendered on a CUDA device, against the numpy renderer and 1,000 a second.

What is drawn of the studies is on the device before the clock starts, and voxels stay there: copying and writing them
is the work of whoever reads them. Numpy's side is the CPU time of one core.
"""

from __future__ import annotations

import time

import pytest
import torch

from selip.cohorts.phantom.anatomy import build_atlas
from selip.cohorts.phantom.device_head import place_atlas
from selip.cohorts.phantom.device_plan import plan_studies
from selip.cohorts.phantom.device_render import render_plan
from selip.cohorts.phantom.generate import lesion_points
from selip.cohorts.phantom.patients import draw_studies
from selip.cohorts.phantom.profiles import resolve
from selip.cohorts.phantom.render import render

pytestmark = [
    pytest.mark.speed,
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]

SEED, ROUNDS, BY_NUMPY = 7, 5, 10
AT_ONCE, CHUNKS = 128, 4
LEAST_STUDIES_PER_SECOND = 1000


def test_1000_studies_a_second_on_a_gpu(benchmark):
    profile = resolve("standard", {"n_patients": AT_ONCE * CHUNKS})
    atlas, device = build_atlas(profile.atlas_step_mm), torch.device("cuda")
    studies = draw_studies(profile, SEED, lesion_points(atlas))[: AT_ONCE * CHUNKS]
    starts = range(0, len(studies), AT_ONCE)
    plans = [plan_studies(studies[start : start + AT_ONCE], profile, SEED, device) for start in starts]
    placed = place_atlas(atlas, device)

    def on_device():
        made = [render_plan(plan, profile, placed) for plan in plans]
        torch.cuda.synchronize()
        return made

    benchmark.pedantic(on_device, rounds=ROUNDS, warmup_rounds=1)
    speed = len(studies) / benchmark.stats.stats.median
    began = time.process_time()
    for study in studies[:BY_NUMPY]:
        render(study, profile, SEED, atlas)
    of_a_core = BY_NUMPY / (time.process_time() - began)
    benchmark.extra_info |= {
        "studies_per_second": speed,
        "times_faster_than_numpy_on_a_core": speed / of_a_core,
        "device": torch.cuda.get_device_name(),
        "memory_mb_a_study": torch.cuda.max_memory_allocated() / 2**20 / AT_ONCE,
    }
    assert speed >= LEAST_STUDIES_PER_SECOND
