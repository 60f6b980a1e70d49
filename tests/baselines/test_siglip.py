from __future__ import annotations

import math

import pytest
import torch
from open_clip.loss import SigLipLoss
from torch import nn
from torch.nn import functional as F

from baselines.siglip import METHOD
from selip.training.objective import Batch


def gradients(loss, leaves):
    return torch.autograd.grad(loss, leaves, retain_graph=True)


@pytest.mark.parametrize(("log_scale", "bias"), [(math.log(10), -10.0), (1.0, -1.0)])
def test_equals_open_clip_with_gradients(log_scale, bias, prepared, make_batch):
    objective = prepared(METHOD)
    nn.init.constant_(objective.log_scale, log_scale)
    nn.init.constant_(objective.bias, bias)
    batch, leaves = make_batch(METHOD)
    learned = [*leaves.values(), objective.log_scale, objective.bias]
    ours = objective(batch).value
    judge = SigLipLoss()(batch.volumes, batch.texts, objective.log_scale.exp(), objective.bias)
    assert ours.item() == pytest.approx(judge.item(), rel=1e-6)
    for found, right in zip(gradients(ours, learned), gradients(judge, learned), strict=True):
        torch.testing.assert_close(found, right, atol=1e-6, rtol=1e-6)


def test_equals_the_loop_of_algorithm_1(prepared, make_batch):
    batch, _ = make_batch(METHOD)
    volumes, texts = batch.volumes.double(), batch.texts.double()
    total = 0.0
    for i, volume in enumerate(volumes):
        for j, text in enumerate(texts):
            logit = 10 * torch.dot(volume, text) - 10
            total -= F.logsigmoid(logit if i == j else -logit).item()
    assert prepared(METHOD)(batch).value.item() == pytest.approx(total / len(volumes), rel=1e-6)


def test_learns_its_own_scale_and_bias_and_leaves_the_shared_scale_alone(prepared, make_batch):
    objective = prepared(METHOD)
    assert objective.log_scale.exp().item() == pytest.approx(10)
    assert objective.bias.item() == -10
    batch, _ = make_batch(METHOD)
    loss = objective(batch)
    assert loss.targets is None
    shared, scale, bias = torch.autograd.grad(
        loss.value, [batch.logit_scale, objective.log_scale, objective.bias], allow_unused=True
    )
    assert shared is None
    assert scale != 0
    assert bias != 0


def test_perfect_and_uninformed_cases(prepared):
    objective, size = prepared(METHOD), 8
    nn.init.constant_(objective.log_scale, math.log(100))
    nn.init.constant_(objective.bias, -50.0)
    corners = torch.eye(size)
    batch = Batch(corners, corners, torch.tensor(1.0), torch.arange(size))
    assert objective(batch).value.item() == pytest.approx(0, abs=1e-6)
    nn.init.constant_(objective.log_scale, -math.inf)
    nn.init.constant_(objective.bias, 0.0)
    assert objective(batch).value.item() == pytest.approx(size * math.log(2), rel=1e-6)
