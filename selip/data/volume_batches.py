"""Volumes of a cohort as tensors: on a device, in main memory, or read from its store when they are indexed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import psutil
import torch

from selip.data.cohort import Cohort


@dataclass(frozen=True)
class StoredVolumes:
    """Volumes that stay in a cohort's store; indexed like a tensor (n, I, J, K) uint8, they are read.

    Attributes:
        cohort: The cohort.
        rows: (n,) int64 rows of its volumes.
    """

    cohort: Cohort
    rows: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def shape(self) -> torch.Size:
        """(n, I, J, K)."""
        return torch.Size((len(self.rows), *self.cohort.info.shape))

    def __getitem__(self, positions: torch.Tensor) -> torch.Tensor:
        """(m, I, J, K) uint8 in main memory: the volumes at `positions` (m,) int64, each read once.

        Raises:
            InputError: When the store is damaged.
        """
        rows, inverse = np.unique(self.rows[positions.numpy()], return_inverse=True)
        return torch.from_numpy(self.cohort.read_volumes(rows)[inverse])


Volumes = torch.Tensor | StoredVolumes
"""(n, I, J, K) uint8 on a device, in main memory, or in a store."""


def to_device(array: np.ndarray, device: torch.device) -> torch.Tensor:
    """`array` as a tensor on `device`; the host does not wait for the copy."""
    tensor = torch.from_numpy(array)
    return tensor if device.type == "cpu" else tensor.pin_memory().to(device, non_blocking=True)


SHARE_OF_FREE_MEMORY = 0.5


def room_bytes(device: torch.device, limit_gib: float | None = None) -> float:
    """Room to fill on a device: `limit_gib`, or half of what is free there."""
    if limit_gib is not None:
        return limit_gib * 2**30
    return SHARE_OF_FREE_MEMORY * free_bytes(device)


def free_bytes(device: torch.device) -> int:
    """Free memory of a device, of the CPU main memory."""
    return int(torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else psutil.virtual_memory().available)


def scoring_device() -> torch.device:
    """Device that a checkpoint is scored on: the GPU where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
