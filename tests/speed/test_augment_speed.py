"""Augmentation of a batch against MONAI's transforms of the same kind, one volume after the other, in the same run.

Flip, shift by whole voxels that repeats the edge, gain, offset and noise; MONAI's own way to such a shift is to pad
with the edge and crop."""

from __future__ import annotations

import pytest
import torch
from monai import transforms

from selip.training.augmentation import augment, draw, flip_left_right
from selip.training.settings import AugmentConfig

pytestmark = pytest.mark.speed
BATCH, SHAPE, LEAST_RATIO = 64, (40, 48, 16), 1.5


@pytest.fixture(scope="module")
def volumes():
    return torch.rand(BATCH, 1, *SHAPE, generator=torch.Generator().manual_seed(0))


def augmented(volumes, config, generator):
    flips = torch.rand(len(volumes), generator=generator) < 0.5
    return augment(flip_left_right(volumes, flips), draw(config, volumes.shape, generator), config)


def random_by_monai(config):
    """The transform of one volume (1, I, J, K), with its own draws."""
    return transforms.Compose(
        [
            transforms.RandFlip(prob=0.5, spatial_axis=0),
            transforms.BorderPad(config.shift_voxels, mode="edge"),
            transforms.RandSpatialCrop(SHAPE, random_center=True, random_size=False),
            transforms.RandScaleIntensity(config.gain, prob=1),
            transforms.RandShiftIntensity(config.offset, prob=1),
            transforms.RandGaussianNoise(prob=1, std=config.noise, sample_std=False),
        ]
    )


def same_by_monai(volume, flip, shifts, gain, offset, reach):
    """One volume (1, I, J, K) with given draws and no noise."""
    moved = transforms.BorderPad(reach, mode="edge")(transforms.Flip(0)(volume) if flip else volume)
    moved = transforms.SpatialCrop(roi_start=reach - shifts, roi_end=reach - shifts + torch.tensor(SHAPE))(moved)
    return transforms.ShiftIntensity(offset)(transforms.ScaleIntensity(minv=None, maxv=None, factor=gain - 1)(moved))


def test_a_batch_against_monai_one_by_one(benchmark, against, volumes):
    config, generator = AugmentConfig(), torch.Generator().manual_seed(0)
    one = random_by_monai(config).set_random_state(0)
    ours, reference = lambda: augmented(volumes, config, generator), lambda: torch.stack([one(v) for v in volumes])
    found, made, ratio = against("monai_one_by_one", ours, reference, rounds=10)
    assert made.shape == found.shape == volumes.shape
    benchmark.extra_info["volumes_per_second"] = BATCH / benchmark.stats.stats.min
    assert ratio > LEAST_RATIO


def test_the_same_draws_give_the_same_volumes_as_monai(volumes):
    config, generator = AugmentConfig(noise=0, shift_voxels=2), torch.Generator().manual_seed(1)
    volumes, flips = volumes[:4], torch.tensor([True, False, True, False])
    draws = draw(config, volumes.shape, generator)
    expected = [
        same_by_monai(volume, flip, draws.shifts, float(gain), float(offset), config.shift_voxels)
        for volume, flip, gain, offset in zip(volumes, flips, draws.gains, draws.offsets, strict=True)
    ]
    torch.testing.assert_close(
        augment(flip_left_right(volumes, flips), draws, config), torch.stack(expected).as_tensor(), atol=1e-5, rtol=0
    )
