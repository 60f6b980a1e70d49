"""Training voxels on their way to the device: resident there when they fit, else read ahead of the steps by threads."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from math import prod

import numpy as np
import torch

from selip.data.cohort import Cohort
from selip.data.volume_batches import StoredVolumes, Volumes, room_bytes, to_device
from selip.training.distributed import own_rows

STEPS_AHEAD = 4
READERS = 2


def place_volumes(cohort: Cohort, rows: np.ndarray, device: torch.device, limit_gib: float | None) -> Volumes:
    """The volumes `rows` of `cohort` in the fastest place that holds them: `device`, main memory, the store.

    Args:
        cohort: The cohort.
        rows: (n,) int64 rows of its volumes.
        device: Where they will be used.
        limit_gib: Room in each memory, in GiB; None: half of what is free there.
    """
    size = len(rows) * prod(cohort.info.shape)
    for place in dict.fromkeys((device, torch.device("cpu"))):
        if size <= room_bytes(place, limit_gib):
            return torch.from_numpy(cohort.read_volumes(rows)).to(place)
    return StoredVolumes(cohort, rows)


def voxels_at_hand(cohort: Cohort, split: str, device: torch.device, limit_gib: float | None) -> torch.Tensor | None:
    """Voxels of a part, to be read once; None when no memory has room for them. Arguments as of `place_volumes`."""
    placed = place_volumes(cohort, cohort.rows(split), device, limit_gib)
    return placed if isinstance(placed, torch.Tensor) else None


Loader = Callable[[int, slice], torch.Tensor]
"""Step and rows of its batch to voxels (n, I, J, K) uint8 on the device."""


def make_loader(volumes: Volumes, plan_rows: np.ndarray, device: torch.device) -> Loader:
    """Make the iterator that gives the voxels of each step.

    Args:
        volumes: All training volumes.
        plan_rows: (steps, B) int64 positions in `volumes` of every batch.
        device: Where the voxels go. Volumes that are not there are read ahead, this process's share of each batch.
    """
    if isinstance(volumes, torch.Tensor) and volumes.device.type == device.type:
        return lambda step, rows: volumes.index_select(0, to_device(plan_rows[step, rows], device))
    return Prefetch(volumes, plan_rows, device)


@dataclass(frozen=True)
class _Block:
    """Voxels of a step, and the event after which they are on the device; None: they are."""

    voxels: torch.Tensor
    copied: torch.cuda.Event | None = None


class Prefetch:
    """Reads the batches of a plan, some steps ahead, in threads; copies to a GPU run beside its computation."""

    def __init__(self, volumes: Volumes, plan_rows: np.ndarray, device: torch.device) -> None:
        self.volumes, self.device = volumes, device
        self.own = own_rows(plan_rows.shape[1])
        self.rows = plan_rows[:, self.own]
        self.waiting: dict[int, Future[_Block]] = {}
        self.readers = ThreadPoolExecutor(READERS, thread_name_prefix="voxels")
        self.stream = torch.cuda.Stream(device) if device.type == "cuda" else None

    def __call__(self, step: int, rows: slice) -> torch.Tensor:
        """(n, I, J, K) uint8 on the device: `rows` of the batch of `step`, within this process's share of it.

        Raises:
            InputError: When the store is damaged.
        """
        ahead = range(step, min(step + STEPS_AHEAD, len(self.rows)))
        old, self.waiting = self.waiting, {}
        for number in ahead:
            self.waiting[number] = old.get(number) or self.readers.submit(self._read, number)
        block = self.waiting[step].result()
        if block.copied is not None:
            torch.cuda.current_stream(self.device).wait_event(block.copied)
            block.voxels.record_stream(torch.cuda.current_stream(self.device))
        return block.voxels[rows.start - self.own.start : rows.stop - self.own.start]

    def _read(self, step: int) -> _Block:
        voxels = self.volumes[torch.from_numpy(self.rows[step])].numpy()
        if self.stream is None:
            return _Block(to_device(voxels, self.device))
        with torch.cuda.stream(self.stream):
            return _Block(to_device(voxels, self.device), self.stream.record_event())
