from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from benchmarks.segmentation.decoder import monai_unet
from benchmarks.segmentation.instance_norm import InstanceNorm, on_channels_last


def gradients(module, maps, upstream):
    maps = maps.detach().clone(memory_format=torch.preserve_format).requires_grad_()
    normed = module(maps)
    normed.backward(upstream)
    return [normed.detach(), maps.grad, *(parameter.grad for parameter in module.parameters())]


@pytest.mark.parametrize("shape", [(2, 3, 4, 6, 2), (3, 4, 5, 3, 1), (1, 1, 3, 2, 2), (2, 8, 16, 8, 4)])
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last_3d])
def test_values_and_gradients_are_those_of_torch(shape, memory_format):
    generator = torch.Generator().manual_seed(0)
    maps, upstream = (3 + torch.randn(shape, generator=generator, dtype=torch.float64) for _ in range(2))
    judge = nn.InstanceNorm3d(shape[1], affine=True, dtype=torch.float64)
    for parameter in judge.parameters():
        nn.init.normal_(parameter, generator=generator)
    module = on_channels_last(copy.deepcopy(judge))
    assert type(module) is InstanceNorm
    expected = gradients(judge, maps, upstream)
    found = gradients(module, maps.to(memory_format=memory_format), upstream.to(memory_format=memory_format))
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)


def test_a_case_does_not_depend_on_its_batch_and_a_constant_map_is_the_bias():
    module = on_channels_last(nn.InstanceNorm3d(2, affine=True))
    nn.init.constant_(module.bias, 0.3)
    maps = torch.randn(3, 2, 4, 4, 3, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(module(maps)[1:2], module(maps[1:2]))
    assert torch.equal(module(torch.full((1, 2, 3, 3, 3), 7.0)), torch.full((1, 2, 3, 3, 3), module.bias[0].item()))


def test_a_network_keeps_its_names_values_and_answers():
    shape = (16, 32, 16)
    network = monai_unet(shape, seed=0)
    plain = copy.deepcopy(network).to(memory_format=torch.contiguous_format)
    for part in plain.modules():
        part.__class__ = nn.InstanceNorm3d if type(part) is InstanceNorm else type(part)
    assert list(plain.state_dict()) == list(network.state_dict())
    volumes = torch.randn(2, 1, *shape, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(network(volumes), plain(volumes), rtol=1e-5, atol=1e-5)
