"""Pools and upsampling of plain operations equal torch's, whose gradients CUDA cannot repeat."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from benchmarks.segmentation.decoder import monai_unet
from selip.models.repeatable_kernels import (
    AveragePool,
    MaxPool,
    averaged,
    averaging,
    interpolation,
    ordered_max_pool,
    resampled,
    with_repeating_gradients,
)
from selip.models.settings import ModelConfig
from selip.models.volume_towers import VolumeTower

SHAPES = [(7, 8, 5), (8, 6, 4), (4, 4, 3)]


def maps(shape, seed=0):
    return torch.randn(2, 3, *shape, generator=torch.Generator().manual_seed(seed))


def both(one, other, inputs):
    """Outputs and gradients of two functions, for one gradient of the output."""
    found = []
    for function in (one, other):
        leaf = inputs.clone(memory_format=torch.preserve_format).requires_grad_()
        output = function(leaf)
        arriving = torch.randint(-9, 9, output.shape, generator=torch.Generator().manual_seed(1)).float()
        output.backward(arriving)
        found += [output.detach(), leaf.grad]
    return found


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last_3d])
@pytest.mark.parametrize("window", [(3, 2, 1), (2, 2, 0), (3, 1, 1), (3, 2, 0)])
@pytest.mark.parametrize("shape", SHAPES)
def test_max_pool_and_its_gradient_are_those_of_torch(shape, window, layout):
    inputs = maps(shape).relu().to(memory_format=layout)  # zeros are ties
    found, gradient, expected, wanted = both(
        lambda x: ordered_max_pool(x, *window), lambda x: F.max_pool3d(x, *window), inputs
    )
    assert torch.equal(found, expected)
    assert torch.equal(gradient, wanted), "sums of whole numbers have no rounding"


@pytest.mark.parametrize("wanted", [(2, 2, 1), (3, 4, 2), (4, 3, 3)])
@pytest.mark.parametrize("shape", SHAPES)
def test_averages_and_their_gradient_are_those_of_torch(shape, wanted):
    found = both(lambda x: averaged(x, wanted), lambda x: F.adaptive_avg_pool3d(x, wanted), maps(shape))
    for one, other in zip(found[:2], found[2:], strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("wanted", [(14, 16, 10), (7, 11, 5), (9, 8, 13)])
@pytest.mark.parametrize("shape", SHAPES)
def test_upsampling_and_its_gradient_are_those_of_torch(shape, wanted):
    matrices = [interpolation(*edges) for edges in zip(shape, wanted, strict=True)]
    found = both(
        lambda x: resampled(x, matrices),
        lambda x: F.interpolate(x, wanted, mode="trilinear", align_corners=False),
        maps(shape),
    )
    for one, other in zip(found[:2], found[2:], strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("matrix", [interpolation(5, 12), interpolation(12, 5), averaging(7, 3), averaging(4, 4)])
def test_a_constant_stays_what_it_is(matrix):
    np.testing.assert_allclose(matrix.sum(1), 1, rtol=1e-6)


def test_the_same_size_changes_nothing():
    assert np.array_equal(interpolation(6, 6), np.eye(6))
    assert np.array_equal(averaging(6, 6), np.eye(6))


@pytest.mark.parametrize(
    ("ours", "plain"),
    [
        (MaxPool(3, 2, 1), nn.MaxPool3d(3, 2, 1)),
        *((AveragePool(cells), nn.AdaptiveAvgPool3d(cells)) for cells in [(3, 3, 2), (7, 8, 5)]),
    ],
)
def test_on_a_cpu_each_bit_is_that_of_torch(ours, plain):
    found, gradient, expected, wanted = both(ours, plain, maps((7, 8, 5)))
    assert torch.equal(found, expected)
    assert torch.equal(gradient, wanted)


@pytest.mark.parametrize("network", [VolumeTower(ModelConfig(width=8)), monai_unet((32, 16, 16), seed=0)])
def test_no_network_of_ours_keeps_a_pool_that_does_not_repeat(network):
    pools = [type(one) for one in network.modules() if isinstance(one, nn.MaxPool3d | nn.AdaptiveAvgPool3d)]
    assert pools
    assert set(pools) <= {MaxPool, AveragePool}


def test_names_and_weights_stay():
    plain = nn.Sequential(nn.Conv3d(1, 2, 1), nn.MaxPool3d(2))
    before = {name: value.clone() for name, value in plain.state_dict().items()}
    after = with_repeating_gradients(plain).state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
