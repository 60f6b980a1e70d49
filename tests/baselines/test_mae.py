from __future__ import annotations

import itertools

import pytest
import torch
from torch.nn import functional as F

from baselines.mae import METHOD, MaskedVoxels, masked_mean_squared_error
from selip.training.batch_views import draw_mask
from selip.training.method import MaskSettings, Sizes

SHAPE = (2, 1, 12, 9, 6)


@pytest.fixture
def case():
    generator = torch.Generator().manual_seed(0)
    inputs, predicted = (torch.randn(SHAPE, generator=generator, dtype=torch.float64) for _ in range(2))
    return predicted.requires_grad_(), inputs, draw_mask(SHAPE, MaskSettings(), generator)


def test_equals_the_loop_over_hidden_voxels_with_gradients(case):
    predicted, inputs, masked = case
    total, count = torch.zeros((), dtype=torch.float64), 0
    for voxel in itertools.product(*map(range, SHAPE)):
        if masked[voxel]:
            total, count = total + (predicted[voxel] - inputs[voxel]) ** 2, count + 1
    judge, ours = total / count, masked_mean_squared_error(predicted, inputs.double(), masked)
    assert 0 < count < masked.numel()
    assert ours.item() == pytest.approx(judge.item(), abs=1e-6)
    found, right = (torch.autograd.grad(loss, predicted)[0] for loss in (ours, judge))
    torch.testing.assert_close(found, right, atol=1e-6, rtol=0)


def test_zero_when_hidden_voxels_are_right_whatever_is_said_elsewhere(case):
    predicted, inputs, masked = case
    wrong_elsewhere = torch.where(masked, inputs.float(), torch.full_like(inputs, 1e3).float())
    assert masked_mean_squared_error(wrong_elsewhere, inputs, masked) == 0
    assert masked_mean_squared_error(wrong_elsewhere, inputs, ~masked) > 1e5
    elsewhere = torch.autograd.grad(masked_mean_squared_error(predicted, inputs, masked), predicted)[0][~masked]
    assert (elsewhere == 0).all()


def test_nothing_hidden_is_a_loss_of_zero(case):
    predicted, inputs, masked = case
    assert masked_mean_squared_error(predicted, inputs, torch.zeros_like(masked)) == 0


@pytest.mark.parametrize("shape", [(16, 16, 8), (17, 13, 7), (5, 4, 3)])
def test_decoder_gives_the_shape_of_the_volumes(shape):
    decoder = MaskedVoxels(Sizes(4, (6, 2, 3, 2), 16, shape))
    assert decoder.decode(torch.randn(2, 6, 2, 3, 2)).shape == (2, 1, *shape)


def test_decoder_is_simmims_linear_layer_and_shuffle():
    decoder = MaskedVoxels(Sizes(4, (6, 3, 3, 1), 16, (12, 12, 1)))
    regions = torch.randn(2, 6, 3, 3, 1)
    weight = decoder.decoder.weight.reshape(6, 16).T  # (voxels of a cell, C)
    linear = F.conv2d(regions[..., 0], weight[:, :, None, None], decoder.decoder.bias.expand(16))
    torch.testing.assert_close(decoder.decode(regions)[..., 0], F.pixel_shuffle(linear, 4), atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("settings", [MaskSettings(), MaskSettings(masked_share=0.25, mask_voxels=4)])
def test_blocks_are_hidden_whole_and_as_often_as_is_set(settings):
    edge = settings.mask_voxels
    hidden = draw_mask((20, 1, *[edge * 8] * 3), settings, torch.Generator().manual_seed(0)).float()
    blocks = F.avg_pool3d(hidden, edge)
    assert ((blocks < 1e-6) | (blocks > 1 - 1e-6)).all()
    assert blocks.mean().item() == pytest.approx(settings.masked_share, abs=0.02)  # 10,240 blocks


def test_learns_no_text():
    assert not METHOD.learns_text


@pytest.mark.parametrize("shape", [(16, 16, 8), (17, 13, 7)])
def test_decoder_and_its_gradients_are_those_of_the_transposed_convolution(shape):
    made = MaskedVoxels(Sizes(4, (6, 2, 3, 2), 16, shape))
    regions = torch.randn(2, 6, 2, 3, 2)
    right, front, top = shape
    found, expected = made.decode(regions), made.decoder(regions)[:, :, :right, :front, :top]
    weights = torch.randn(found.shape)
    for one, other in zip(
        *(torch.autograd.grad((out * weights).sum(), [*made.parameters()]) for out in (found, expected)), strict=True
    ):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
