"""Kernels that repeat their numbers: which are chosen, and pooling and resampling whose gradients repeat everywhere.

On CUDA the backward passes of torch's max pool, adaptive average pool and trilinear upsampling add up by atomic
operations, in another order each time (torch.use_deterministic_algorithms lists and refuses them). On a CPU torch's own
are taken, which repeat; elsewhere what follows here, of plain operations, equal to them up to rounding.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cache
from itertools import product
from typing import Any, TypeVar

import numpy as np
import torch
from torch import nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from selip.data.volume_batches import scoring_device, to_device
from selip.system.environment import ENVIRONMENT

Network = TypeVar("Network", bound=nn.Module)


class MaxPool(nn.MaxPool3d):
    """torch's max pool of cubes, without dilation, whose gradient repeats."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:  # noqa: A002 (torch's name)
        """(B, C, I, J, K) to (B, C, i, j, k)."""
        if input.device.type == "cpu":
            return super().forward(input)
        return ordered_max_pool(input, int(self.kernel_size), int(self.stride), int(self.padding))  # type: ignore[arg-type]


class AveragePool(nn.AdaptiveAvgPool3d):
    """torch's adaptive average pool, whose gradient repeats."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:  # noqa: A002
        """(B, C, I, J, K) to (B, C, *output_size); maps of that size are their own means."""
        if tuple(input.shape[2:]) == self.output_size:
            return input
        if input.device.type == "cpu":
            return super().forward(input)
        return averaged(input, self.output_size)  # type: ignore[arg-type]


REPEATING: dict[type[nn.Module], type[nn.Module]] = {nn.MaxPool3d: MaxPool, nn.AdaptiveAvgPool3d: AveragePool}


def with_repeating_gradients(network: Network) -> Network:
    """`network`, whose pools are now those of REPEATING; names and weights stay."""
    for part in network.modules():
        part.__class__ = REPEATING.get(type(part), type(part))
    return network


def upsample(volumes: torch.Tensor, size: Sequence[int]) -> torch.Tensor:
    """(B, C, i, j, k) to (B, C, *size), trilinear, cells of equal size and edges repeated, as torch's interpolate."""
    if volumes.device.type == "cpu":
        return F.interpolate(volumes, size=tuple(size), mode="trilinear", align_corners=False)
    return resampled(volumes, [interpolation(*edges) for edges in zip(volumes.shape[2:], size, strict=True)])


def averaged(volumes: torch.Tensor, size: Sequence[int]) -> torch.Tensor:
    """(B, C, I, J, K) to (B, C, *size): the mean of each of torch's adaptive windows, which may overlap."""
    return resampled(volumes, [averaging(*edges) for edges in zip(volumes.shape[2:], size, strict=True)])


def resampled(volumes: torch.Tensor, matrices: Sequence[np.ndarray]) -> torch.Tensor:
    """(B, C, I, J, K) by matrices (i, I), (j, J), (k, K) to (B, C, i, j, k), in float32 and back to the type given.

    Args:
        volumes: Maps.
        matrices: Float32, of `interpolation` or `averaging`.
    """
    first, second, third = (_placed(one.tobytes(), one.shape, volumes.device) for one in matrices)
    with torch.autocast(volumes.device.type, enabled=False):
        hidden = volumes.float() @ third.T
        hidden = (hidden.transpose(3, 4) @ second.T).transpose(3, 4)
        return (first @ hidden.flatten(3)).unflatten(3, hidden.shape[3:]).to(volumes.dtype)


@cache
def interpolation(edge: int, wanted: int) -> np.ndarray:
    """(wanted, edge) float32, rows sum to 1: linear interpolation between the middles of cells."""
    places = np.clip((np.arange(wanted) + 0.5) * edge / wanted - 0.5, 0, edge - 1)
    lower = np.floor(places).astype(int)
    matrix, rows = np.zeros((wanted, edge)), np.arange(wanted)
    np.add.at(matrix, (rows, lower), 1 - (places - lower))
    np.add.at(matrix, (rows, np.minimum(lower + 1, edge - 1)), places - lower)
    return matrix.astype(np.float32)


@cache
def averaging(edge: int, wanted: int) -> np.ndarray:
    """(wanted, edge) float32, rows sum to 1: means over windows from floor(o edge / wanted) on, as torch's."""
    rows = np.arange(wanted)[:, None]
    begin, end = rows * edge // wanted, -(-(rows + 1) * edge // wanted)
    inside = (np.arange(edge) >= begin) & (np.arange(edge) < end)
    return (inside / (end - begin)).astype(np.float32)


@cache
def _placed(content: bytes, shape: tuple[int, int], device: torch.device) -> torch.Tensor:
    return to_device(np.frombuffer(content, np.float32).reshape(shape).copy(), device)


def ordered_max_pool(volumes: torch.Tensor, kernel: int, stride: int, padding: int) -> torch.Tensor:
    """Max pool of (B, C, I, J, K) whose gradient is added up in the order of the places within a window.

    Args:
        volumes: Maps.
        kernel: Edge of a window, 6 at most.
        stride: From window to window.
        padding: Voxels added on each side, which are never the largest.
    """
    pooled: torch.Tensor = _OrderedMaxPool.apply(volumes, kernel, stride, padding)
    return pooled


class _OrderedMaxPool(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, volumes: torch.Tensor, kernel: int, stride: int, padding: int) -> torch.Tensor:  # noqa: ANN401
        pooled, positions = F.max_pool3d(volumes, kernel, stride, padding, return_indices=True)
        ctx.save_for_backward(_places_in_windows(positions, volumes.shape[2:], kernel, stride, padding))
        ctx.shape, ctx.window = volumes.shape, (kernel, stride, padding)
        return pooled

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:  # noqa: ANN401
        (places,), (kernel, stride, padding) = ctx.saved_tensors, ctx.window
        covered = [stride * (cells - 1) + kernel for cells in gradient.shape[2:]]
        padded = [max(one, size + 2 * padding) for one, size in zip(covered, ctx.shape[2:], strict=True)]
        total, zero = gradient.new_zeros(*gradient.shape[:2], *padded), gradient.new_zeros(())
        for number, offsets in enumerate(product(range(kernel), repeat=3)):
            # Of windows at one place within them no two meet, so each entry gets one number a time.
            ends = (
                offset + stride * (cells - 1) + 1 for offset, cells in zip(offsets, gradient.shape[2:], strict=True)
            )
            where = tuple(slice(begin, end, stride) for begin, end in zip(offsets, ends, strict=True))
            total[:, :, *where].add_(torch.where(places == number, gradient, zero))
        inner = tuple(slice(padding, padding + size) for size in ctx.shape[2:])
        return total[:, :, *inner], None, None, None


def _places_in_windows(
    positions: torch.Tensor, shape: Sequence[int], kernel: int, stride: int, padding: int
) -> torch.Tensor:
    """(B, C, i, j, k) uint8: the place of the largest voxel within its window, of its positions in a flat volume."""
    device, (_, front, top) = positions.device, shape
    along = (positions // (front * top), positions // top % front, positions % top)
    places = torch.zeros_like(positions)
    for axis, position in enumerate(along):
        starts = torch.arange(positions.shape[2 + axis], device=device) * stride - padding
        places = places * kernel + position - starts.view(-1, *[1] * (2 - axis))
    return places.to(torch.uint8)


WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"


def repeat_exactly() -> None:
    """Chooses kernels that repeat their numbers, for the process; an operation without one is an error of torch.

    On a GPU attention takes the plain path, as kernels of fused attention add up in any order, and float32 is float32:
    torch rounds convolutions to TF32 unless told not to. A CPU's fused attention repeats and is taken, whatever was
    chosen before.
    """
    os.environ.setdefault(WORKSPACE, ENVIRONMENT[WORKSPACE])  # for who does not come by the command line
    torch.use_deterministic_algorithms(True)
    # Filling new memory before it is written costs time and changes no number.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined, unused-ignore]
    torch.backends.cudnn.benchmark = False  # it chooses by the clock
    _allow_tf32(False)
    fused = scoring_device().type == "cpu"
    backends = torch.backends.cuda
    backends.enable_math_sdp(True)
    for choose in (backends.enable_flash_sdp, backends.enable_mem_efficient_sdp, backends.enable_cudnn_sdp):
        choose(fused)


def kernel_choices() -> list[bool]:
    """Choices of kernels now in force, on which numbers may depend."""
    return [
        torch.are_deterministic_algorithms_enabled(),
        torch.backends.cudnn.allow_tf32,
        torch.backends.cuda.matmul.allow_tf32,
        torch.backends.cuda.flash_sdp_enabled(),
        torch.backends.cuda.mem_efficient_sdp_enabled(),
        torch.backends.cuda.cudnn_sdp_enabled(),
    ]


def _allow_tf32(allowed: bool) -> None:
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = allowed
