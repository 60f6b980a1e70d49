"""The stem whose map is pooled first against the same stem an operation at a time."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from selip.models import pooled_stem as module
from selip.models.pooled_stem import can_pool_first, pooled_stem
from selip.models.settings import ModelConfig
from selip.models.volume_towers import VolumeTower
from selip.training.batch_norm import without_trace


def stem(kernel=3):
    torch.manual_seed(0)
    net = VolumeTower(ModelConfig(volume_tower="resnet10", width=4, stages=2, stem_kernel=kernel)).net
    with torch.no_grad():
        net.bn1.weight.copy_(torch.tensor([0.5, -2.0, 1.0, -0.1]))
        net.bn1.bias.copy_(torch.tensor([0.1, 0.5, -0.2, 0.0]))
    return net.train()


def plain_stem(net, volumes):
    """The judge: torch's own operations, and their order."""
    return net.maxpool(net.act(net.bn1(net.conv1(volumes))))


def seen(function, net, volumes):
    """Output, gradients, and batch-norm statistics after one step of `function` on a copy of `net`."""
    net = copy.deepcopy(net).double()
    output = function(net, volumes.double())
    (output * torch.linspace(-1, 2, output.numel(), dtype=torch.float64).view_as(output)).sum().backward()
    gradients = [net.conv1.weight.grad, net.bn1.weight.grad, net.bn1.bias.grad]
    return [output.detach(), *gradients, *net.bn1.buffers()]


@pytest.mark.parametrize("chunk_bytes", [1, 5000, 1 << 30])
@pytest.mark.parametrize("kernel", [3, 7])
def test_it_is_the_plain_stem(kernel, chunk_bytes, monkeypatch):
    monkeypatch.setattr(module, "CHUNK_BYTES", chunk_bytes)
    volumes = 1 + 2 * torch.randn(5, 1, 9, 12, 7, generator=torch.Generator().manual_seed(1))
    net = stem(kernel)
    torch.testing.assert_close(seen(pooled_stem, net, volumes), seen(plain_stem, net, volumes), rtol=1e-9, atol=1e-9)


def test_ties_of_equal_patches_share_one_gradient():
    volumes = torch.zeros(3, 1, 8, 8, 6)
    volumes[:, :, 3:5] = 1  # most windows hold the same patch many times
    net = stem()
    torch.testing.assert_close(seen(pooled_stem, net, volumes), seen(plain_stem, net, volumes), rtol=1e-9, atol=1e-9)


def test_without_trace_it_leaves_none():
    net, volumes = stem(), torch.randn(2, 1, 8, 8, 6)
    before = copy.deepcopy(net.bn1.state_dict())
    with without_trace(net):
        output = pooled_stem(net, volumes)
    assert all(torch.equal(value, before[name]) for name, value in net.bn1.state_dict().items())
    torch.testing.assert_close(output, plain_stem(net, volumes), rtol=1e-5, atol=1e-5)


def test_the_last_map_takes_it_in_training_only(monkeypatch):
    tower = VolumeTower(ModelConfig(volume_tower="resnet10", width=4, stages=2, stem_kernel=3))
    volumes = torch.randn(2, 1, 16, 16, 8)
    expected = tower.train().stage_maps(volumes)[-1]
    torch.testing.assert_close(tower.last_map(volumes), expected, rtol=1e-4, atol=1e-4)
    monkeypatch.setattr("selip.models.volume_towers.pooled_stem", lambda *_: pytest.fail("taken"))
    assert torch.equal(tower.eval().last_map(volumes), tower.stage_maps(volumes)[-1])


def test_who_needs_more_gets_the_plain_stem():
    volumes = torch.randn(2, 1, 8, 8, 6)
    assert can_pool_first(stem(), volumes)
    assert not can_pool_first(stem(), volumes.clone().requires_grad_())
    shared = stem()
    shared.bn1 = type("Shared", (nn.BatchNorm3d,), {})(4)
    assert not can_pool_first(shared, volumes)
    with torch.autocast("cpu", torch.bfloat16):
        assert not can_pool_first(stem(), volumes)
