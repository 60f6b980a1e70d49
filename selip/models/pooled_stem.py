"""The stem of a volume tower in training on a CPU: convolution, batch norm, ReLU and max pool in few passes.

The map behind the first convolution is the largest of a step, and a pass over it costs as much as its arithmetic. Batch
norm and ReLU are monotone in each channel: rising or, where the weight w of the norm is negative, falling. So the map
is pooled first, and only the pooled one, an eighth as large, is normalised:

    maxpool(relu(w (y - mean) / std + b)) = relu(|w| (maxpool(s y) - s mean) / std + b),   s = sign(w)

With h the gradient behind the ReLU, x the normalised pooled map and N values a channel, the gradient of s y is
|w| / std * (unpooled(h) - sum(h) / N - (s y - s mean) / std * sum(h x) / N), as that of batch norm always is (Ioffe and
Szegedy 2015, arXiv:1502.03167, section 3). Volumes go a few at a time, whose maps stay in the processor's cache.
"""

from __future__ import annotations

from math import prod
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.autograd.function import once_differentiable

CHUNK_BYTES = 2 << 20  # of maps
aten = torch.ops.aten


class _Stem(NamedTuple):
    """Numbers of a stem: `stride` and `padding` of its convolution, `windows` (edges, stride, padding) of its pool."""

    stride: list[int]
    padding: list[int]
    windows: list[list[int]]
    eps: float


def can_pool_first(net: Any, volumes: torch.Tensor) -> bool:  # noqa: ANN401 (MONAI is untyped)
    """True when `pooled_stem` is the stem of `net`: in training, on a CPU, for volumes that need no gradient."""
    return (
        volumes.device.type == "cpu"
        and not (net.no_max_pool or volumes.requires_grad or torch.is_autocast_enabled("cpu"))
        and type(net.bn1) is nn.BatchNorm3d
        and net.bn1.training
    )


def pooled_stem(net: Any, volumes: torch.Tensor) -> torch.Tensor:  # noqa: ANN401
    """The map (B, C, i, j, k) of volumes (B, 1, I, J, K) behind the max pool of MONAI's ResNet `net`."""
    conv, norm, pool = net.conv1, net.bn1, net.maxpool
    windows = [[size] * 3 for size in (pool.kernel_size, pool.stride, pool.padding)]
    stem = _Stem(list(conv.stride), list(conv.padding), windows, norm.eps)
    pooled: torch.Tensor
    pooled, mean, variance, count = _PooledStem.apply(volumes, conv.weight, norm.weight, norm.bias, stem)
    if norm.track_running_stats:
        remember(norm, mean, variance, count)
    return pooled


@torch.no_grad()
def remember(norm: Any, mean: torch.Tensor, variance: torch.Tensor, count: int) -> None:  # noqa: ANN401
    """Moves the running statistics of a batch norm towards those (C,) of a batch of `count` values a channel."""
    norm.num_batches_tracked.add_(1)
    norm.running_mean.lerp_(mean, norm.momentum)
    norm.running_var.lerp_(variance * count / (count - 1), norm.momentum)


class _PooledStem(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, volumes: torch.Tensor, kernel: torch.Tensor, *rest: Any) -> tuple[Any, ...]:  # noqa: ANN401
        weight, bias, stem = rest
        signs = torch.where(weight < 0, -1.0, 1.0).to(weight.dtype)
        signed = kernel * signs.view(-1, 1, 1, 1, 1)
        parts = volumes.split(_volumes_a_chunk(volumes, kernel, stem))
        maps, moments, pooled, places = zip(*(_chunk(part, signed, stem) for part in parts), strict=True)
        whole = torch.cat(pooled)
        mean, variance = _joined(torch.stack(moments), [len(part) / len(volumes) for part in parts])
        deviation = (variance + stem.eps).rsqrt()
        factor = deviation * weight.abs()
        output = torch.addcmul(_wide(bias - factor * mean), whole, _wide(factor)).relu_()
        ctx.save_for_backward(weight, signs, signed, mean, deviation, whole, output, *parts, *maps, *places)
        ctx.stem = stem
        count = sum(one.numel() for one in maps) // len(kernel)
        mean = mean * signs
        ctx.mark_non_differentiable(mean, variance)
        return output, mean, variance, count

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor, *_: Any) -> tuple[torch.Tensor | None, ...]:  # noqa: ANN401
        weight, signs, signed, mean, deviation, whole, output, *chunks = ctx.saved_tensors
        number = len(chunks) // 3
        parts, maps, places = (chunks[start : start + number] for start in range(0, len(chunks), number))
        arriving = aten.threshold_backward(gradient, output, 0)
        axes = (0, 2, 3, 4)
        total = arriving.sum(axes)
        product = ((arriving * whole).sum(axes) - mean * total) * deviation
        factor = deviation * weight.abs()
        share = factor / (sum(one.numel() for one in maps) // len(weight))
        slope = -share * deviation * product
        level, slope = _wide(-share * total - slope * mean), _wide(slope)
        kernel_gradient = torch.zeros_like(signed)
        for part, one, there, back in zip(
            parts, maps, places, (arriving * _wide(factor)).split([len(part) for part in parts]), strict=True
        ):
            of_map = aten.max_pool3d_with_indices_backward(back, one, *ctx.stem.windows, [1] * 3, False, there)
            of_map += torch.addcmul(level, one, slope)
            kernel_gradient += _of_kernel(of_map, part, signed, ctx.stem)
        return None, kernel_gradient * signs.view(-1, 1, 1, 1, 1), product * signs, total, None


def _wide(values: torch.Tensor) -> torch.Tensor:
    """(1, C, 1, 1, 1) of values (C,)."""
    return values.view(1, -1, 1, 1, 1)


def _volumes_a_chunk(volumes: torch.Tensor, kernel: torch.Tensor, stem: _Stem) -> int:
    return max(1, CHUNK_BYTES * prod(stem.stride) // (volumes[0].nbytes * len(kernel)))


def _chunk(part: torch.Tensor, signed: torch.Tensor, stem: _Stem) -> tuple[torch.Tensor, ...]:
    """Map, its moments (2, C), the pooled map and the places of its voxels, of some volumes."""
    one = torch.conv3d(part, signed, None, stem.stride, stem.padding)
    moments = torch.stack(torch.batch_norm_update_stats(one, None, None, 0.0))
    return one, moments, *aten.max_pool3d_with_indices(one, *stem.windows)


def _joined(moments: torch.Tensor, shares: list[float]) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and variance (C,) of all chunks, of those of each (n, 2, C) and its share of the values."""
    weights = torch.tensor(shares, dtype=moments.dtype)
    mean = weights @ moments[:, 0]
    return mean, weights @ (moments[:, 1] + (moments[:, 0] - mean).square())


def _of_kernel(of_map: torch.Tensor, part: torch.Tensor, signed: torch.Tensor, stem: _Stem) -> torch.Tensor:
    gradients: tuple[torch.Tensor, ...] = aten.convolution_backward(
        of_map, part, signed, None, stem.stride, stem.padding, [1] * 3, False, [0] * 3, 1, [False, True, False]
    )
    return gradients[1]
