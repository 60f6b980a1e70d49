"""Batch norm over the batch of all processes, and batch norm that leaves no trace."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from selip.models.pooled_stem import remember
from selip.system.errors import InputError
from selip.training.distributed import gathered, process_count

PLAIN = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


class GlobalBatchNorm(_BatchNorm):
    """Batch norm whose statistics are those of all processes: nn.SyncBatchNorm for any device, of plain operations.

    All processes must bring equally many values. Parameters, buffers and their names are those of nn.BatchNorm3d.
    """

    momentum: float
    running_mean: torch.Tensor
    running_var: torch.Tensor
    num_batches_tracked: torch.Tensor

    def _check_input_dim(self, input: torch.Tensor) -> None:  # noqa: A002 (torch's name)
        """Any number of axes will do."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:  # noqa: A002
        """Normalised `input` (B, C, ...), of the same shape."""
        if not self.training:
            return super().forward(input)
        values = input.float()
        variances, means = gathered(self._moments(values).unsqueeze(0)).unbind(1)
        mean = means.mean(0)
        variance = variances.mean(0) + (means - mean).square().mean(0)
        if self.track_running_stats:
            remember(self, mean, variance, input.numel() // input.shape[1] * process_count())
        scale = (variance + self.eps).rsqrt() * self.weight
        shape = (1, -1, *[1] * (input.ndim - 2))
        return ((values - mean.view(shape)) * scale.view(shape) + self.bias.view(shape)).to(input.dtype)

    @staticmethod
    def _moments(values: torch.Tensor) -> torch.Tensor:
        """(2, C): variance and mean of each channel of `values` (B, C, ...)."""
        return torch.stack(torch.var_mean(values, [0, *range(2, values.ndim)], correction=0))


def share_statistics(module: nn.Module, device: torch.device) -> None:
    """Makes every batch norm inside `module` one over all processes, with the same parameters and buffers.

    Args:
        module: Changed in place; its state dict keeps its names and values.
        device: Where it will compute: torch's SyncBatchNorm on CUDA, else GlobalBatchNorm.

    Raises:
        InputError: For a batch norm that does more than normalise.
    """
    kind = nn.SyncBatchNorm if device.type == "cuda" else GlobalBatchNorm
    for parent in list(module.modules()):
        for name, child in parent.named_children():
            if isinstance(child, _BatchNorm):
                setattr(parent, name, _replaced(child, kind))


def _replaced(norm: _BatchNorm, kind: type[_BatchNorm]) -> _BatchNorm:
    if type(norm) not in PLAIN or not (norm.affine and norm.track_running_stats and norm.momentum):
        raise InputError(
            f"got {type(norm).__name__} in a tower for several processes, not torch's batch norm with weights "
            "and running statistics; train this tower in one process"
        )
    new = kind(norm.num_features, norm.eps, norm.momentum).train(norm.training)
    for name, value in [*norm.named_parameters(recurse=False), *norm.named_buffers(recurse=False)]:
        setattr(new, name, value)
    return new


@contextmanager
def without_trace(module: nn.Module) -> Iterator[None]:
    """Batch norms inside `module` normalise by the batch as ever, but their running statistics stay as they are."""
    norms = [
        one for one in module.modules() if isinstance(one, _BatchNorm) and one.training and one.track_running_stats
    ]
    for norm in norms:
        norm.track_running_stats = False
    try:
        yield
    finally:
        for norm in norms:
            norm.track_running_stats = True
