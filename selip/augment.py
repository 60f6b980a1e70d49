"""Augmentation on the device, after the intensity rule: draws in one place, computation in another."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from selip.config import AugmentConfig


@dataclass(frozen=True)
class Draws:
    """Random numbers of one batch.

    Attributes:
        shifts: (3,) int64, voxels along each axis, shared by the batch.
        gains: (B,) float, factor on intensity.
        offsets: (B,) float, added to intensity.
        noise: (B, 1, I, J, K) standard normal, or None.
    """

    shifts: torch.Tensor
    gains: torch.Tensor
    offsets: torch.Tensor
    noise: torch.Tensor | None

    def part(self, rows: slice) -> Draws:
        """The random numbers of some rows of the batch."""
        noise = None if self.noise is None else self.noise[rows]
        return Draws(self.shifts, self.gains[rows], self.offsets[rows], noise)


def draw(config: AugmentConfig, shape: torch.Size, generator: torch.Generator) -> Draws:
    """Draws for a batch of `shape` (B, 1, I, J, K), on the generator's device."""
    device = generator.device
    reach = config.shift_voxels

    def uniform(spread: float) -> torch.Tensor:
        return (torch.rand(shape[0], generator=generator, device=device) * 2 - 1) * spread

    shifts = torch.randint(-reach, reach + 1, (3,), generator=generator, device=device)
    gains, offsets = 1 + uniform(config.gain), uniform(config.offset)
    noise = torch.randn(shape, generator=generator, device=device) if config.noise else None
    return Draws(shifts, gains, offsets, noise)


def flip_left_right(volumes: torch.Tensor, flips: torch.Tensor) -> torch.Tensor:
    """(B, 1, I, J, K) with the volumes where `flips` (B,) mirrored along the left-right axis."""
    return torch.where(flips.view(-1, 1, 1, 1, 1), volumes.flip(2), volumes)


def augment(volumes: torch.Tensor, draws: Draws, config: AugmentConfig) -> torch.Tensor:
    """Shift, gain, offset and noise on inputs (B, 1, I, J, K); a shift repeats the edge opposite to it."""
    for axis, shift in enumerate(draws.shifts.tolist(), start=2):
        if shift:
            positions = (torch.arange(volumes.shape[axis], device=volumes.device) - shift).clamp(
                0, volumes.shape[axis] - 1
            )
            volumes = volumes.index_select(axis, positions)
    volumes = volumes * draws.gains.view(-1, 1, 1, 1, 1) + draws.offsets.view(-1, 1, 1, 1, 1)
    return volumes if draws.noise is None else volumes + config.noise * draws.noise
