from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional as F

from baselines.simclr import METHOD, ViewSettings, nt_xent

SIZE, TEMPERATURE = 6, ViewSettings().temperature


def loop(first, second, temperature):
    """Algorithm 1 of arXiv:2002.05709: views 2k - 1 and 2k (from 1) are those of volume k."""
    views = [view for pair in zip(first, second, strict=True) for view in pair]
    similar = [[torch.dot(a, b) / (a.norm() * b.norm()) for b in views] for a in views]

    def pair_loss(i, j):
        others = sum(torch.exp(similar[i][k] / temperature) for k in range(len(views)) if k != i)
        return -torch.log(torch.exp(similar[i][j] / temperature) / others)

    total = sum(pair_loss(2 * k, 2 * k + 1) + pair_loss(2 * k + 1, 2 * k) for k in range(len(first)))
    return total / len(views)


@pytest.fixture
def views():
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(SIZE, 5, generator=generator, dtype=torch.float64, requires_grad=True) for _ in range(2)]


@pytest.mark.parametrize("temperature", [0.1, 1.0])
def test_equals_algorithm_1_with_gradients(views, temperature):
    unit = [F.normalize(view, dim=1) for view in views]
    ours, judge = nt_xent(*unit, temperature), loop(*unit, temperature)
    assert ours.item() == pytest.approx(judge.item(), abs=1e-6)
    gradients = [torch.autograd.grad(loss, views, retain_graph=True) for loss in (ours, judge)]
    for found, right in zip(*gradients, strict=True):
        torch.testing.assert_close(found, right, atol=1e-6, rtol=0)


def test_perfect_and_uninformed_cases():
    corners = torch.eye(SIZE)
    floor = math.log(1 + (2 * SIZE - 2) * math.exp(-1 / TEMPERATURE))
    assert nt_xent(corners, corners, TEMPERATURE).item() == pytest.approx(floor, abs=1e-6)
    same = F.normalize(torch.ones(SIZE, 3), dim=1)
    assert nt_xent(same, same, TEMPERATURE).item() == pytest.approx(math.log(2 * SIZE - 1), abs=1e-6)


def test_views_may_be_swapped(views):
    assert nt_xent(*views, TEMPERATURE).item() == pytest.approx(nt_xent(*views[::-1], TEMPERATURE).item())


def test_learns_no_text():
    assert not METHOD.learns_text
