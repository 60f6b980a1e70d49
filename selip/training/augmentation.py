"""Augmentation on the device, after the intensity rule: draws in one place, computation in another."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cache

import numpy as np
import torch
from torch.nn import functional as F

from selip.data.volume_batches import to_device
from selip.training.settings import AugmentConfig

BIAS_DEGREE = 3
NOISE_PLACES = 1 << 22
BATCH_WIDE = frozenset({"shifts"})


@dataclass(frozen=True)
class Draws:
    """Random numbers of one batch.

    Attributes:
        shifts: (3,) int64, voxels along each axis, shared by the batch.
        gains: (B,) float, factor on intensity.
        offsets: (B,) float, added to intensity.
        noise: (B, 1, I, J, K) standard normal, or None.
        angles: (B, 3) float, radians about each axis, or None.
        scales: (B,) float, factor on size, or None.
        bias: (B, 4, 4, 4) float, coefficients of Legendre polynomials along each axis, or None.
    """

    shifts: torch.Tensor
    gains: torch.Tensor
    offsets: torch.Tensor
    noise: torch.Tensor | None
    angles: torch.Tensor | None = None
    scales: torch.Tensor | None = None
    bias: torch.Tensor | None = None

    def part(self, rows: slice) -> Draws:
        """The random numbers of some rows of the batch."""
        drawn = {one.name: getattr(self, one.name) for one in fields(self)}
        return Draws(**{n: value if n in BATCH_WIDE or value is None else value[rows] for n, value in drawn.items()})


def draw(config: AugmentConfig, shape: torch.Size, generator: torch.Generator) -> Draws:
    """Draws for a batch of `shape` (B, 1, I, J, K), on the generator's device."""
    device = generator.device
    reach = config.shift_voxels

    def uniform(spread: float, *more: int) -> torch.Tensor:
        return (torch.rand((shape[0], *more), generator=generator, device=device) * 2 - 1) * spread

    shifts = torch.randint(-reach, reach + 1, (3,), generator=generator, device=device)
    gains, offsets = 1 + uniform(config.gain), uniform(config.offset)
    noise = white_noise(shape, generator) if config.noise else None
    # What is off draws nothing, so that the numbers of those before and after it stay as they were.
    angles = scales = bias = None
    if config.rotation_degrees or config.scale:
        angles, scales = uniform(math.radians(config.rotation_degrees), 3), 1 + uniform(config.scale)
    if config.bias_field:
        bias = uniform(config.bias_field, *[BIAS_DEGREE + 1] * 3) * to_device(_low_degree(), device)
    return Draws(shifts, gains, offsets, noise, angles, scales, bias)


def white_noise(shape: torch.Size, generator: torch.Generator) -> torch.Tensor:
    """(B, 1, I, J, K) standard normal: each volume a window, at a drawn place, into numbers that are drawn once.

    Drawing them anew would take as long as the rest of the augmentation on a CPU.
    """
    voxels = shape[1:].numel()
    places = torch.randint(NOISE_PLACES, (shape[0],), generator=generator, device=generator.device)
    return _normal_numbers(NOISE_PLACES + voxels, generator.device).unfold(0, voxels, 1)[places].view(shape)


@cache
def _normal_numbers(count: int, device: torch.device) -> torch.Tensor:
    return torch.randn(count, generator=torch.Generator(device).manual_seed(0), device=device)


def _low_degree() -> np.ndarray:
    """(4, 4, 4) float32, 1 for the products of polynomials whose degrees sum to 3 at most."""
    return (np.indices([BIAS_DEGREE + 1] * 3).sum(0) <= BIAS_DEGREE).astype(np.float32)


def flip_left_right(volumes: torch.Tensor, flips: torch.Tensor) -> torch.Tensor:
    """(B, 1, I, J, K) with the volumes where `flips` (B,) mirrored along the left-right axis."""
    return torch.where(flips.view(-1, 1, 1, 1, 1), volumes.flip(2), volumes)


def augment(
    volumes: torch.Tensor, draws: Draws, config: AugmentConfig, spacing_mm: Sequence[float] = (1.0, 1.0, 1.0)
) -> torch.Tensor:
    """Rotation and scale, shift, bias field, gain, offset and noise, in this order; nothing waits for the device.

    Args:
        volumes: Inputs (B, 1, I, J, K).
        draws: Their random numbers.
        config: What is on.
        spacing_mm: Voxel edges along right, front, top; a rotation is one in millimetres.

    Returns:
        (B, 1, I, J, K). What comes in from outside the volume is its edge.
    """
    if draws.angles is not None and draws.scales is not None:
        volumes = turn(volumes, draws.angles, draws.scales, spacing_mm)
    if config.shift_voxels:
        volumes = _shift(volumes, draws.shifts)
    if draws.bias is not None:
        volumes = volumes * bias_fields(draws.bias, volumes.shape[2:])
    volumes = (volumes * draws.gains.view(-1, 1, 1, 1, 1)).add_(draws.offsets.view(-1, 1, 1, 1, 1))
    return volumes if draws.noise is None else volumes.add_(draws.noise, alpha=config.noise)


def _shift(volumes: torch.Tensor, shifts: torch.Tensor) -> torch.Tensor:
    for axis, shift in enumerate(shifts, start=2):
        last = volumes.shape[axis] - 1
        positions = (torch.arange(last + 1, device=volumes.device) - shift).clamp(0, last)
        volumes = volumes.index_select(axis, positions)
    return volumes


def turn(
    volumes: torch.Tensor, angles: torch.Tensor, scales: torch.Tensor, spacing_mm: Sequence[float]
) -> torch.Tensor:
    """Rotates and scales about the middle of the grid, trilinear.

    Args:
        volumes: (B, 1, I, J, K), two voxels or more along each axis.
        angles: (B, 3) radians about axis 0, then 1, then 2, from the next axis towards the one after.
        scales: (B,); above 1 the content grows.
        spacing_mm: Voxel edges along each axis.
    """
    first, second, third = (_rotation(axis, angles[:, axis]) for axis in range(3))
    half_mm = (np.array(volumes.shape[2:]) - 1) / 2 * np.array(spacing_mm)
    to_unit = to_device((half_mm / half_mm[:, None]).astype(np.float32), volumes.device)
    with torch.autocast(volumes.device.type, enabled=False):  # positions need all their bits
        back = (third @ second @ first).mT / scales.view(-1, 1, 1) * to_unit
        # torch names the axes of a position from the last to the first.
        grid = F.affine_grid(F.pad(back.flip(1, 2), (0, 1)), list(volumes.shape), align_corners=True)
        return F.grid_sample(volumes, grid, padding_mode="border", align_corners=True)


def _rotation(axis: int, angles: torch.Tensor) -> torch.Tensor:
    """(B, 3, 3) rotations about `axis` by `angles` (B,)."""
    one, other = (axis + 1) % 3, (axis + 2) % 3
    matrices = torch.eye(3, device=angles.device).repeat(len(angles), 1, 1)
    matrices[:, one, one] = matrices[:, other, other] = angles.cos()
    matrices[:, other, one] = angles.sin()
    matrices[:, one, other] = -angles.sin()
    return matrices


def bias_fields(coefficients: torch.Tensor, shape: Sequence[int]) -> torch.Tensor:
    """(B, 1, I, J, K) smooth positive factors, exp of a sum of products of Legendre polynomials over [-1, 1].

    The model of MONAI's RandBiasField (Sudre et al. 2017, LNCS 10552).

    Args:
        coefficients: (B, 4, 4, 4), by degree along each axis.
        shape: (I, J, K).
    """
    degree = coefficients.shape[1] - 1
    device = coefficients.device
    polynomials = [
        to_device(np.polynomial.legendre.legvander(np.linspace(-1, 1, size), degree).astype(np.float32), device)
        for size in shape
    ]
    with torch.autocast(device.type, enabled=False):
        return torch.einsum("bxyz,ix,jy,kz->bijk", coefficients, *polynomials).exp().unsqueeze(1)
