from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from baselines.supervised import METHOD, LesionTypes
from selip.training.objective import Batch

EMPTY = torch.empty(0)


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(7, 5, generator=generator, requires_grad=True)
    labels = (torch.rand(7, 3, generator=generator) < 0.4).float()
    return Batch(EMPTY, EMPTY, torch.tensor(14.29), torch.arange(7), features=features, labels=labels)


def test_equals_the_loop_over_volumes_and_types_with_gradients(batch):
    objective = LesionTypes(5, 3)
    weight, bias = objective.head.weight, objective.head.bias
    judge = torch.zeros(())
    for features, labels in zip(batch.features, batch.labels, strict=True):
        for kind, label in enumerate(labels):
            chance = torch.sigmoid(features @ weight[kind] + bias[kind])
            judge = judge - torch.log(chance if label else 1 - chance) / batch.labels.numel()
    ours, leaves = objective(batch).value, (batch.features, weight, bias)
    assert ours.item() == pytest.approx(judge.item(), abs=1e-6)
    for found, right in zip(torch.autograd.grad(ours, leaves), torch.autograd.grad(judge, leaves), strict=True):
        torch.testing.assert_close(found, right, atol=1e-6, rtol=0)


def test_volumes_of_unknown_state_teach_nothing(batch):
    objective, gone = LesionTypes(5, 3), torch.tensor([1, 4])
    labels = batch.labels.clone()
    labels[gone] = torch.nan
    kept = [row for row in range(7) if row not in gone.tolist()]
    whole = objective(replace(batch, labels=labels)).value
    rest = objective(replace(batch, features=batch.features[kept], labels=batch.labels[kept])).value
    torch.testing.assert_close(whole, rest)
    (gradient,) = torch.autograd.grad(whole, batch.features)
    assert not gradient[gone].any()
    assert objective(replace(batch, labels=torch.full_like(labels, torch.nan))).value == 0


def test_of_a_volume_that_is_known_in_part_the_rest_teaches(batch):
    objective = LesionTypes(5, 3)
    labels = batch.labels.clone()
    labels[1, 2] = labels[4, 0] = torch.nan
    each = F.binary_cross_entropy_with_logits(objective.head(batch.features), batch.labels, reduction="none")
    judge = each[~labels.isnan()].mean()
    torch.testing.assert_close(objective(replace(batch, labels=labels)).value, judge)


def test_sure_and_right_is_a_loss_of_zero(batch):
    objective = LesionTypes(3, 3)
    with torch.no_grad():
        objective.head.weight.copy_(100 * torch.eye(3))
        objective.head.bias.zero_()
    sure = Batch(EMPTY, EMPTY, EMPTY, EMPTY, features=2 * batch.labels - 1, labels=batch.labels)
    assert objective(sure).value < 1e-6


def test_learns_no_text():
    assert not METHOD.learns_text
