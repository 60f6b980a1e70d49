"""The contract of every registered method, and what the controls promise."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from baselines import METHODS
from baselines.label_smoothing import off_diagonal_mass
from baselines.shuffled_selip import permutation
from selip.config import RunConfig
from selip.findings import NORMAL_TEXT
from selip.method import Preparation, Sizes
from selip.objective import Batch
from selip.registry import load
from selip.similarity import SimilarityConfig, TextSimilarity, TextTable
from selip.similarity_enhanced import SelipConfig, selip_loss

SIDES, PLACES = ("left", "right"), ("thalamus", "insula", "cerebellum", "frontal lobe", "temporal lobe")
SIGNALS = ("high signal", "low signal with high rim", "patchy high signal")
TEXTS = [f"at {side} {place} shows {signal}" for side in SIDES for place in PLACES for signal in SIGNALS]
TRAINED = [name for name in METHODS if load(METHODS, "selip.methods", name).prepare]
SIZE = 16


@pytest.fixture(scope="module")
def preparation():
    table = TextTable.of([*TEXTS, NORMAL_TEXT, f"{TEXTS[0]}; {TEXTS[7]}"])
    rng = np.random.default_rng(0)
    batches = np.array([rng.permutation(len(table.texts))[:SIZE] for _ in range(30)])
    return Preparation(table, batches, seed=0, config=RunConfig(), sizes=Sizes(24, (12, 2, 2, 1), 16, (16, 16, 8)))


def batch(preparation, dtype=torch.float32, order=None):
    generator = torch.Generator().manual_seed(1)
    volumes, texts = (F.normalize(torch.randn(SIZE, 8, generator=generator), dim=1) for _ in range(2))
    order = torch.arange(SIZE) if order is None else order
    ids = torch.from_numpy(preparation.batches[0])
    scale = torch.tensor(14.29, dtype=dtype, requires_grad=True)
    leaves = [part[order].to(dtype).requires_grad_() for part in (volumes, texts)]
    return Batch(*leaves, scale, ids[order]), [*leaves, scale]


@pytest.mark.parametrize("name", METHODS)
def test_declaration(name):
    method = load(METHODS, "selip.methods", name)
    assert method.name == name
    assert method.summary
    assert method.source


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("name", TRAINED)
def test_loss_and_gradients_are_finite(name, dtype, preparation):
    made, leaves = batch(preparation, dtype)
    loss = load(METHODS, "selip.methods", name).prepare(preparation)(made)
    assert loss.value.ndim == 0
    assert torch.isfinite(loss.value)
    assert all(torch.isfinite(gradient).all() for gradient in torch.autograd.grad(loss.value, leaves))
    if loss.targets is not None:
        assert loss.targets.shape == (SIZE, SIZE)
        assert (loss.targets >= 0).all()
        torch.testing.assert_close(loss.targets.sum(1).float(), torch.ones(SIZE))


@pytest.mark.parametrize("name", TRAINED)
def test_order_of_the_batch_does_not_matter(name, preparation):
    objective = load(METHODS, "selip.methods", name).prepare(preparation)
    loss = objective(batch(preparation)[0]).value
    shuffled = objective(batch(preparation, order=torch.randperm(SIZE))[0]).value
    assert shuffled.item() == pytest.approx(loss.item(), abs=1e-5)


@pytest.mark.parametrize("name", TRAINED)
def test_same_seed_same_loss(name, preparation):
    prepare = load(METHODS, "selip.methods", name).prepare
    assert prepare(preparation)(batch(preparation)[0]).value == prepare(preparation)(batch(preparation)[0]).value


@pytest.mark.parametrize("name", TRAINED)
def test_overfits_one_batch(name, preparation):
    torch.manual_seed(0)
    objective = load(METHODS, "selip.methods", name).prepare(preparation)
    volumes, texts = (torch.randn(SIZE, 32, requires_grad=True) for _ in range(2))
    scale, ids = torch.tensor(14.29), torch.from_numpy(preparation.batches[0])
    optimizer = torch.optim.Adam([volumes, texts], lr=0.05)
    for _ in range(150):
        loss = objective(Batch(F.normalize(volumes, dim=1), F.normalize(texts, dim=1), scale, ids))
        optimizer.zero_grad()
        loss.value.backward()
        optimizer.step()
    best = (F.normalize(volumes, dim=1) @ F.normalize(texts, dim=1).T).argmax(1)
    assert (best == torch.arange(SIZE)).all()


def test_clip_x2_is_clip_twice(preparation):
    once, twice = (load(METHODS, "selip.methods", name).prepare(preparation) for name in ("clip", "clip_x2"))
    made, _ = batch(preparation)
    assert twice(made).value.item() == pytest.approx(2 * once(made).value.item())


def test_label_smoothing_has_selips_off_diagonal_mass(preparation):
    measure = TextSimilarity.of(preparation.texts, SimilarityConfig())
    ids = torch.from_numpy(preparation.batches)
    masses = [
        1 - selip_loss(torch.zeros(SIZE, SIZE), measure(one), SelipConfig()).targets.diagonal().mean() for one in ids
    ]
    assert off_diagonal_mass(preparation) == pytest.approx(float(np.mean(masses)), abs=1e-6)
    targets = load(METHODS, "selip.methods", "label_smoothing").prepare(preparation)(batch(preparation)[0]).targets
    assert 1 - targets.diagonal().mean().item() == pytest.approx(float(np.mean(masses)), abs=1e-6)
    off = targets[~torch.eye(SIZE, dtype=torch.bool)]
    assert off.max() == off.min()


def test_shuffled_selip_keeps_spectrum_row_sums_and_diagonal(preparation):
    normal = preparation.texts.is_normal()
    twin = preparation.texts.twin
    order = permutation(normal, twin, seed=0)
    mutual = twin[twin] == np.arange(len(twin))
    assert (order[twin] == twin[order])[mutual].all(), "flips mean the same"
    assert sorted(order) == list(range(len(order)))
    assert (order[normal] == np.flatnonzero(normal)).all()
    assert (order != np.arange(len(order))).sum() > len(order) / 2
    assert (order != permutation(normal, twin, seed=1)).any()
    measure = TextSimilarity.of(preparation.texts, SimilarityConfig())
    ids = torch.arange(len(order))
    s, shuffled = measure(ids).double(), measure.permuted(order)(ids).double()
    torch.testing.assert_close(torch.linalg.eigvalsh(s), torch.linalg.eigvalsh(shuffled), atol=1e-5, rtol=0)
    torch.testing.assert_close(s.sum(1).sort().values, shuffled.sum(1).sort().values, atol=1e-5, rtol=0)
    assert (shuffled.diagonal() == 1).all()
    assert (s - shuffled).abs().max() > 0.3
