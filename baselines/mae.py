"""Masked image modelling: the hidden voxels of a volume are predicted from the others; no text.

    L = sum_{v hidden} (x_v - y_v)^2 / #hidden,   x the network input, y predicted from the tower's last map

Source: the loss is that of He et al. 2022, MAE, arXiv:2111.06377, section 3 (mean squared error on hidden patches only;
official models_mae.py, forward_loss), without its optional normalisation per patch, as the input is standardised
already. Hidden are blocks of 6 x 6 x 6 voxels, each with probability 0.6 (settings `mask_voxels`,
`masked_share`), SimMIM's and SparK's share.
A convolutional tower cannot leave patches out as MAE's does, so it is fed like SimMIM's (Xie et al. 2022,
arXiv:2111.09886) with the hidden voxels filled in, and decoded by SimMIM's head: one linear layer from a cell of the
last map to its voxels. SimMIM fills in a learned token and takes the L1 norm (paper and official simmim.py); here the
filling is zero and the norm is MAE's. The convolutions are dense: they see zeros at hidden voxels, which the sparse
ones of SparK (Tian et al. 2023, arXiv:2301.03580) skip, and the BatchNorm statistics that the tower keeps are those of
masked input. So it is a floor, not the best that masking can do. The volume projection is not trained.

Its features may be no better than untrained ones. Looked for in pilots on a cohort that is never reported, and not the
cause: the share that is hidden, and statistics of masked input (batch norm was fitted anew on whole volumes). The
`caveat` says so on every page.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from selip.training.method import MaskSettings, Method, Objective, Preparation, Sizes
from selip.training.objective import Batch, Loss


class MaskedVoxels(nn.Module):
    """The objective and its decoder."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        channels, *cells = sizes.regions
        right, front, top = (-(-size // cell) for size, cell in zip(sizes.shape, cells, strict=True))
        # Kernel = stride: a linear layer from each cell to its own voxels, that is SimMIM's 1x1 convolution + shuffle.
        cell = (right, front, top)
        self.decoder: Any = nn.ConvTranspose3d(channels, 1, kernel_size=cell, stride=cell)
        self.shape = sizes.shape

    def decode(self, regions: torch.Tensor) -> torch.Tensor:
        """Predicted input (B, 1, I, J, K) float32 from the last map (B, C, i, j, k); what sticks out is cut off."""
        right, front, top = self.shape
        decoded: torch.Tensor = (self._product if regions.device.type == "cpu" else self.decoder)(regions.float())
        return decoded[:, :, :right, :front, :top]

    def _product(self, regions: torch.Tensor) -> torch.Tensor:
        """The decoder as one matrix product, in an eighth of the time of a CPU's transposed convolution."""
        voxels = regions.movedim(1, -1) @ self.decoder.weight.flatten(1) + self.decoder.bias
        blocks = voxels.unflatten(-1, self.decoder.kernel_size).permute(0, 1, 4, 2, 5, 3, 6)
        return blocks.flatten(5, 6).flatten(3, 4).flatten(1, 2).unsqueeze(1)

    def forward(self, batch: Batch) -> Loss:
        """Mean squared error on the hidden voxels of a batch."""
        return Loss(masked_mean_squared_error(self.decode(batch.masked_regions), batch.inputs, batch.masked))


def masked_mean_squared_error(predicted: torch.Tensor, inputs: torch.Tensor, masked: torch.Tensor) -> torch.Tensor:
    """Mean of (predicted - inputs)^2 over the voxels of the batch that are `masked`, in squared input units.

    Args:
        predicted: (B, 1, I, J, K) float32.
        inputs: (B, 1, I, J, K).
        masked: (B, 1, I, J, K) bool; the loss is 0 when none is.
    """
    squares = (predicted - inputs.float()).square().masked_fill(~masked, 0)
    return squares.sum() / masked.sum().clamp_min(1)


def prepare(preparation: Preparation) -> Objective:
    """A decoder that fits the towers of the run."""
    return MaskedVoxels(preparation.sizes)


METHOD = Method(
    name="mae",
    summary="floor: predicts hidden voxels, no text",
    source="He et al. 2022, MAE, arXiv:2111.06377; decoder of SimMIM, arXiv:2111.09886; floor",
    prepare=prepare,
    views=("masked",),
    settings=MaskSettings,
    caveat="in pilots on the phantom its features read lobe and side no better than untrained ones; a smaller hidden "
    "share and statistics of whole volumes in batch norm changed nothing, and the cause is not known",
)
