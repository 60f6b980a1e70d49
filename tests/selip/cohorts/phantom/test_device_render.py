"""Voxels made many studies at once, judged by the numpy renderer; what only a CUDA device can show is marked gpu."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch

from selip.cohorts.cohort_source import CohortSource
from selip.cohorts.phantom import device_render
from selip.cohorts.phantom.device_head import place_atlas
from selip.cohorts.phantom.device_plan import plan_studies
from selip.cohorts.phantom.device_render import describe_renderer, find_device, render_on_device, render_plan
from selip.cohorts.phantom.generate import lesion_points
from selip.cohorts.phantom.patients import draw_studies
from selip.cohorts.phantom.profiles import resolve
from selip.cohorts.phantom.render import build_head, render
from selip.data.cohort_check import check_cohort
from selip.experiments.cohorts import build_cohort
from selip.experiments.config import CohortConfig
from selip.system.errors import InputError
from selip.system.progress import Report

SEED, CONTRASTS = 3, ("T1", "T2", "FLAIR", "DWI", "ADC", "T1c")
CPU = torch.device("cpu")
DEVICES = [
    pytest.param(CPU, id="cpu"),
    pytest.param(
        torch.device("cuda"),
        id="cuda",
        marks=[pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")],
    ),
]


@pytest.fixture(scope="module")
def varied():
    """Small volumes of heads that differ in everything; some studies are normal, some lack a contrast."""
    settings = {"contrasts": CONTRASTS, "n_patients": 12, "second_finding": 0.5, "several_foci": 0.6}
    standard = resolve("standard", settings | {"missing_contrast": 0.1})
    return replace(standard, shape=(32, 32, 16), spacing_mm=(6.0, 7.0, 10.0))


@pytest.fixture(scope="module")
def studies(varied, atlas):
    drawn = draw_studies(varied, SEED, lesion_points(atlas))
    assert {len(study.lesions) for study in drawn} >= {0, 1, 2}
    assert any(len(study.contrasts) < len(CONTRASTS) for study in drawn)
    return drawn


@pytest.mark.parametrize("device", DEVICES)
def test_without_noise_voxels_are_those_of_numpy(device, studies, varied, atlas):
    clear = replace(varied, noise=0)
    rendered = render_on_device(studies, clear, SEED, atlas, device)
    for study, (volumes, mask) in zip(studies, rendered, strict=True):
        expected, expected_mask = render(study, clear, SEED, atlas)
        assert volumes.dtype == mask.dtype == np.uint8
        assert volumes.shape == expected.shape
        near = np.abs(volumes.astype(int) - expected) <= 1
        assert near.mean(axis=(1, 2, 3)).min() > 0.999
        assert (mask == expected_mask).mean() > 0.999
        assert set(np.unique(mask)) == set(np.unique(expected_mask))


@pytest.mark.parametrize("device", DEVICES)
def test_noise_has_the_same_mean_and_spread(device, studies, varied, atlas):
    """Mean and spread of grey levels in air and in white matter, of each contrast, averaged over the studies."""
    seen = defaultdict(list)
    rendered = render_on_device(studies, varied, SEED, atlas, device)
    for study, (volumes, _) in zip(studies, rendered, strict=True):
        fractions, (expected, _) = build_head(study, varied, SEED, atlas).fractions, render(study, varied, SEED, atlas)
        places = {"air": fractions.sum(axis=0) < 1e-3, "white matter": fractions[1] > 0.9}
        for (row, contrast), (tissue, where) in product(enumerate(study.contrasts), places.items()):
            ours, theirs = volumes[row][where], expected[row][where]
            seen[contrast, tissue].append((ours.mean(), theirs.mean(), ours.std(), theirs.std()))
            assert (contrast, tissue) == ("ADC", "air") or (ours != theirs).any(), "the device draws noise of its own"
    assert len(seen) == 2 * len(CONTRASTS)
    for place, rows in seen.items():
        mean, expected_mean, spread, expected_spread = np.mean(rows, axis=0)
        assert mean == pytest.approx(expected_mean, rel=0.01), place
        assert spread == pytest.approx(expected_spread, rel=0.05), place


@pytest.mark.parametrize("device", DEVICES)
def test_batch_order_and_company_change_no_byte(device, studies, varied, atlas):
    def made(some, at_once):
        rendered = render_on_device(some, varied, SEED, atlas, device, at_once)
        return {study.study_id: pair for study, pair in zip(some, rendered, strict=True)}

    expected = made(studies, None)
    for other in (made(studies, 1), made(studies, 5), made(studies[::-2], 3)):
        for study_id, pair in other.items():
            for found, wanted in zip(pair, expected[study_id], strict=True):
                np.testing.assert_array_equal(found, wanted)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_the_host_never_waits(studies, varied, atlas):
    device = torch.device("cuda")
    plan, placed = plan_studies(studies, varied, SEED, device), place_atlas(atlas, device)
    render_plan(plan, varied, placed)
    torch.cuda.synchronize()
    before = torch.cuda.get_sync_debug_mode()
    torch.cuda.set_sync_debug_mode("error")
    try:
        made = render_plan(plan, varied, placed)
    finally:
        torch.cuda.set_sync_debug_mode(before)
    assert made.volumes.is_cuda


@pytest.fixture
def as_if_cuda(monkeypatch):
    """Lets "cuda" be the CPU, so that a machine without a GPU goes the whole way."""
    monkeypatch.setattr(device_render, "find_device", lambda name: CPU)


@pytest.mark.usefixtures("as_if_cuda")
@pytest.mark.parametrize("name", ["phantom", "phantom_glioma"])
def test_cohort_differs_in_voxels_alone(name, tmp_path):
    def made_on(device):
        return build_cohort(CohortConfig(name, "quick", 5, 8), tmp_path / device, Report(), 1, device)

    usual, made = made_on("cpu"), made_on("cuda")
    assert check_cohort(made.root) == []
    assert made.studies.equals(usual.studies)
    assert made.info.split_fingerprint == usual.info.split_fingerprint
    assert made.info.content_hash != usual.info.content_hash
    assert (made.info.renderer, usual.info.renderer) == (f"torch {torch.__version__} on cpu", "")
    assert made.info.command == usual.info.command.replace(" --out", " --device cuda --out")


def test_a_cohort_that_knows_no_device_says_so(monkeypatch, tmp_path):
    source = CohortSource("toy", "", "", "", build=lambda *_, **__: pytest.fail("nothing may be built"))
    monkeypatch.setattr("selip.experiments.cohorts.find_cohort", lambda name: source)
    with pytest.raises(InputError, match="got device 'cuda' for cohort 'toy'; leave --device out"):
        build_cohort(CohortConfig("toy"), tmp_path / "x", Report(), device="cuda")


def test_a_constant_volume_is_refused(studies, varied, atlas, monkeypatch):
    monkeypatch.setattr(device_render, "build_heads", lambda *_: (torch.zeros(1, 5, *varied.shape), torch.zeros(1)))
    clear = replace(varied, noise=0)
    with pytest.raises(InputError, match=f"constant volume in study {studies[0].study_id}"):
        list(render_on_device(studies[:1], clear, SEED, atlas, CPU))


@pytest.mark.parametrize("name", ["cuda", "cuda:0", "gpu", ""])
def test_a_machine_without_cuda_says_so(name, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    with pytest.raises(InputError, match=rf"^got device '{name}'; allowed: cpu; [^\n]+$"):
        find_device(name)


def test_names_of_devices(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert find_device("cuda:1") == torch.device("cuda", 1)
    with pytest.raises(InputError, match="allowed: cpu, cuda, cuda:0, cuda:1"):
        find_device("cuda:2")
    assert describe_renderer(CPU).startswith("torch ")
