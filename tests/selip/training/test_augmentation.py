"""Rotation, scale and bias field of a batch against one sample at a time."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from monai.transforms import RandBiasField
from scipy import ndimage
from scipy.spatial.transform import Rotation

from selip.training.augmentation import augment, bias_fields, draw, flip_left_right, turn, white_noise
from selip.training.settings import AugmentConfig

SHAPE = torch.Size((4, 1, 10, 12, 6))
SPACING = (2.0, 1.5, 4.0)
SMOOTH = AugmentConfig(rotation_degrees=20, scale=0.2, bias_field=0.3)
STILL = {"shift_voxels": 0, "gain": 0, "offset": 0, "noise": 0}


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def volumes():
    return torch.rand(SHAPE, generator=seeded(1))


def test_a_turn_is_that_of_scipy_sample_by_sample(volumes):
    draws = draw(SMOOTH, SHAPE, seeded())
    found = turn(volumes, draws.angles, draws.scales, SPACING)
    middle = (np.array(SHAPE[2:]) - 1) / 2
    for volume, angles, scale, one in zip(volumes, draws.angles, draws.scales, found, strict=True):
        # A voxel of the outcome, in mm about the middle, comes from where the inverse takes it.
        back = Rotation.from_euler("xyz", angles.double()).inv().as_matrix() / scale.item()
        matrix = np.diag(1 / np.array(SPACING)) @ back @ np.diag(SPACING)
        expected = ndimage.affine_transform(
            volume[0].numpy(), matrix, middle - matrix @ middle, order=1, mode="nearest"
        )
        np.testing.assert_allclose(one[0].numpy(), expected, atol=1e-4)


def test_a_turn_by_nothing_is_none_and_a_right_angle_moves_axes(volumes):
    nothing, same = torch.zeros(4, 3), torch.ones(4)
    torch.testing.assert_close(turn(volumes, nothing, same, SPACING), volumes, rtol=0, atol=1e-5)
    cube = volumes[..., :10, :6].narrow(2, 0, 6).narrow(3, 0, 6)
    right = torch.tensor([0.0, 0.0, math.pi / 2]).repeat(4, 1)
    torch.testing.assert_close(turn(cube, right, same, (1, 1, 1)), cube.rot90(1, (2, 3)), rtol=0, atol=1e-5)


def test_a_bias_field_is_that_of_monai_sample_by_sample():
    coefficients = draw(SMOOTH, SHAPE, seeded()).bias
    terms = [(i, j, k) for i in range(4) for j in range(4 - i) for k in range(4 - i - j)]
    for one, field in zip(coefficients, bias_fields(coefficients, SHAPE[2:]), strict=True):
        listed = [one[term].item() for term in terms]
        expected = np.exp(RandBiasField(degree=3)._generate_random_field(SHAPE[2:], 3, listed))
        np.testing.assert_allclose(field[0].numpy(), expected, rtol=1e-5)
        assert one.count_nonzero() == len(terms), "no product of a higher degree"


def test_what_is_switched_on_changes_no_other_draw():
    plain, smooth = draw(AugmentConfig(), SHAPE, seeded()), draw(SMOOTH, SHAPE, seeded())
    for name in ("shifts", "gains", "offsets", "noise"):
        assert torch.equal(getattr(plain, name), getattr(smooth, name))
    assert plain.angles is plain.scales is plain.bias is None


def test_draws_stay_in_their_ranges():
    draws = draw(SMOOTH, torch.Size((500, 1, 4, 4, 4)), seeded())
    assert math.radians(19) < draws.angles.abs().max() <= math.radians(20)
    assert 1.19 < draws.scales.max() <= 1.2
    assert 0.8 <= draws.scales.min() < 0.81
    assert 0.29 < draws.bias.abs().max() <= 0.3


def test_a_part_of_a_batch_is_augmented_as_in_the_batch(volumes):
    draws, rows = draw(SMOOTH, SHAPE, seeded()), slice(1, 3)
    whole = augment(volumes, draws, SMOOTH, SPACING)
    torch.testing.assert_close(augment(volumes[rows], draws.part(rows), SMOOTH, SPACING), whole[rows])


def test_under_bfloat16_positions_keep_their_bits(volumes):
    draws = draw(SMOOTH, SHAPE, seeded())
    with torch.autocast("cpu", torch.bfloat16):
        found = augment(volumes, draws, SMOOTH, SPACING)
    assert torch.equal(found, augment(volumes, draws, SMOOTH, SPACING))


def test_a_flipped_lesion_changes_sides_whatever_else_is_drawn():
    volumes = torch.zeros(8, 1, 20, 20, 8)
    volumes[:, :, 3:6, 8:12, 3:5] = 1  # low numbers along axis 0: the patient's left
    config = AugmentConfig(rotation_degrees=15, scale=0.15, bias_field=0.2, **STILL)
    flips = torch.arange(8) % 2 == 1
    moved = augment(flip_left_right(volumes, flips), draw(config, volumes.shape, seeded()), config)
    left, right = moved[:, :, :10].sum((1, 2, 3, 4)), moved[:, :, 10:].sum((1, 2, 3, 4))
    assert torch.equal(right > left, flips)
    assert torch.minimum(left, right).max() < 1e-3


@pytest.mark.parametrize("shift", [(0, 0, 0), (1, -2, 0), (-1, 0, 2)])
def test_a_shift_repeats_the_edge(volumes, shift):
    config = AugmentConfig(**STILL | {"shift_voxels": 2})
    draws = draw(config, SHAPE, seeded())
    draws.shifts.copy_(torch.tensor(shift))
    expected = ndimage.shift(volumes.numpy(), (0, 0, *shift), order=0, mode="nearest")
    np.testing.assert_array_equal(augment(volumes, draws, config).numpy(), expected)


def test_noise_is_white_and_a_function_of_the_draw():
    noise = white_noise(torch.Size((64, 1, 20, 24, 16)), seeded())
    assert torch.equal(noise, white_noise(torch.Size((64, 1, 20, 24, 16)), seeded()))
    assert not torch.equal(noise, white_noise(torch.Size((64, 1, 20, 24, 16)), seeded(1)))
    rows = noise.flatten(1)
    assert abs(rows.mean().item()) < 0.01
    assert abs(rows.std().item() - 1) < 0.01
    for axis in (2, 3, 4):
        size = noise.shape[axis] - 1
        assert abs((noise.narrow(axis, 0, size) * noise.narrow(axis, 1, size)).mean().item()) < 0.01
    between = torch.corrcoef(rows) - torch.eye(64)
    assert between.abs().max() < 0.07, "five standard errors of 7680 voxels"


def test_what_is_augmented_stays_as_it_was(volumes):
    before = volumes.clone()
    config = AugmentConfig()
    augment(volumes, draw(config, SHAPE, seeded()), config)
    assert torch.equal(volumes, before)
