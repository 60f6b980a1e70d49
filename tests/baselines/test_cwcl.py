from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from baselines.cwcl import METHOD, cwcl_targets, objective
from selip.training.objective import Batch


def make(seed, size=10, width=6, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    draw = lambda: F.normalize(torch.randn(size, width, generator=generator, dtype=dtype), dim=1)  # noqa: E731
    scale = torch.tensor(14.29, dtype=dtype, requires_grad=True)
    return Batch(draw().requires_grad_(), draw().requires_grad_(), scale, torch.arange(size))


def loop(batch):
    """Both terms of the paper, an entry at a time, float64; the weights are numbers, not functions of the weights."""
    u, v, size = batch.volumes.double(), batch.texts.double(), len(batch.text_ids)
    z = batch.logit_scale * u @ v.T
    total = torch.zeros((), dtype=torch.float64)
    for i in range(size):
        weights = [(u[i] @ u[j]).item() / 2 + 0.5 for j in range(size)]
        for j in range(size):
            total = total - weights[j] / sum(weights) * torch.log(z[i, j].exp() / z[i].exp().sum()) / size
        total = total - torch.log(z[i, i].exp() / z[:, i].exp().sum()) / size
    return total / 2


@pytest.mark.parametrize("seed", range(3))
def test_equals_the_loop_with_gradients(seed):
    batch = make(seed)
    ours, judge, leaves = objective(batch).value, loop(batch), (batch.volumes, batch.texts, batch.logit_scale)
    assert ours.item() == pytest.approx(judge.item(), abs=5e-6)
    for found, right in zip(torch.autograd.grad(ours, leaves), torch.autograd.grad(judge, leaves), strict=True):
        torch.testing.assert_close(found, right, atol=1e-6, rtol=1e-5)


def test_orthogonal_opposite_and_equal_volumes():
    torch.testing.assert_close(cwcl_targets(torch.eye(64)).diagonal(), torch.full((64,), 2 / 65))
    opposite = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
    torch.testing.assert_close(cwcl_targets(opposite), torch.eye(2))
    equal = torch.tensor([[0.6, 0.8]]).repeat(4, 1)
    torch.testing.assert_close(cwcl_targets(equal), torch.full((4, 4), 1 / 4))


def test_targets_are_a_distribution_without_gradient():
    batch = make(0, dtype=torch.bfloat16)
    targets = METHOD.prepare(None)(batch).targets
    assert targets.dtype == torch.float32
    assert not targets.requires_grad
    assert (targets >= 0).all()
    torch.testing.assert_close(targets.sum(1), torch.ones(10))


def test_texts_do_not_move_the_targets():
    one, other = make(0), make(1)
    mixed = Batch(one.volumes, other.texts, one.logit_scale, one.text_ids)
    assert torch.equal(objective(one).targets, objective(mixed).targets)
