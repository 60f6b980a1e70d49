"""Maps of a frozen tower, computed once a volume: many steps, validations and shares of the labels ask for them."""

from __future__ import annotations

import copy
import math
import tempfile
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import IO, Any

import torch
from torch import nn

MEMORY_BYTES = 1 << 30


class RememberedTower(nn.Module):
    """A frozen copy of a tower that remembers the maps of each volume by the hash of what it was shown.

    So a volume that is flipped, cropped or standardised otherwise is another one, and none is ever out of date. Maps
    are kept in memory while they fit in `memory_bytes`, then in a file without a name in `folder`, which ends with the
    process; where that cannot be written, they are computed again.

    Attributes:
        stage_channels: Channels of each map.

    Args:
        tower: Tower with `stage_maps`, left as it is.
        folder: Where maps go that memory has no room for, made when there are some; None: nowhere.
        memory_bytes: Room in memory.
    """

    def __init__(self, tower: Any, folder: Path | None = None, memory_bytes: int = MEMORY_BYTES) -> None:  # noqa: ANN401
        super().__init__()
        self.tower = copy.deepcopy(tower).requires_grad_(False)
        self.stage_channels: Sequence[int] = tower.stage_channels
        self._folder, self._room = folder, memory_bytes
        self._file: IO[bytes] | None = None
        self._known: dict[bytes, torch.Tensor | tuple[IO[bytes], int]] = {}
        self._shapes: list[torch.Size] = []
        self.eval()

    def __deepcopy__(self, memo: dict[int, Any]) -> RememberedTower:
        """The tower itself, as nothing about it changes but what it remembers."""
        return self

    def train(self, mode: bool = True) -> RememberedTower:
        """Stays in eval mode, whatever the `mode`."""
        return super().train(False)

    @torch.no_grad()
    def stage_maps(self, volumes: torch.Tensor) -> list[torch.Tensor]:
        """Maps (B, C, i, j, k), channels last in memory, of volumes (B, 1, I, J, K); see VolumeTower."""
        keys = [sha256(volume.numpy().data).digest() for volume in volumes.cpu().contiguous()]
        fresh = {key: row for row, key in enumerate(keys) if key not in self._known}
        asked = torch.tensor([*fresh.values()], device=volumes.device)
        rows = dict(zip(fresh, self._encoded(volumes[asked]), strict=True)) if fresh else {}
        for key, row in rows.items():
            self._keep(key, row)
        sizes = [math.prod(shape) for shape in self._shapes]
        found = [(rows[key] if key in rows else self._recalled(key)).split(sizes) for key in keys]
        return [
            torch.stack(level).to(volumes.device).view(len(keys), *shape).permute(0, 4, 1, 2, 3)
            for level, shape in zip(zip(*found, strict=True), self._shapes, strict=True)
        ]

    def _encoded(self, volumes: torch.Tensor) -> torch.Tensor:
        """(B, n) maps of volumes, one behind the other."""
        maps = [part.permute(0, 2, 3, 4, 1) for part in self.tower.stage_maps(volumes)]
        self._shapes = [part.shape[1:] for part in maps]
        return torch.cat([part.flatten(1) for part in maps], dim=1).cpu()

    def _keep(self, key: bytes, row: torch.Tensor) -> None:
        if row.nbytes <= self._room:
            self._known[key], self._room = row.clone(), self._room - row.nbytes
        elif self._folder is not None:
            try:
                self._known[key] = self._written(row, self._folder)
            except OSError:  # no room, or a folder of others
                self._folder = None

    def _written(self, row: torch.Tensor, folder: Path) -> tuple[IO[bytes], int]:
        if self._file is None:
            folder.mkdir(parents=True, exist_ok=True)
            self._file = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115 (ends with the process)
        place = self._file.seek(0, 2)
        if self._file.write(row.numpy().data) != row.nbytes:
            raise OSError("no room for a whole row")
        return self._file, place

    def _recalled(self, key: bytes) -> torch.Tensor:
        kept = self._known[key]
        if isinstance(kept, torch.Tensor):
            return kept
        file, place = kept
        file.seek(place)
        return torch.frombuffer(bytearray(file.read(4 * sum(map(math.prod, self._shapes)))), dtype=torch.float32)
