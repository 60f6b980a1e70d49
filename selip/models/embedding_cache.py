"""Embeddings that were computed before, by the hash of all that they depend on, so that no score encodes twice.

An entry is named by its content: weights (the contrast reading is among them), towers, tokens, voxels or texts, device,
kernels and library. A cohort, split or checkpoint that changed is therefore another entry, and none is ever out of
date. The number of threads is left out: it moves the last bit of sums and nothing else.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from selip.models.dual_encoder import weights_hash
from selip.models.repeatable_kernels import kernel_choices
from selip.models.settings import EMBEDDINGS
from selip.system.files import content_hash
from selip.system.sealed_tensors import read_sealed, write_sealed

PROTOCOL = 2  # to be raised when the code changes numbers, as by another batch size, or the form of an entry

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class EmbeddingCache:
    """A folder of embeddings; one that cannot be written or read is as good as none.

    Attributes:
        folder: Where the entries lie, made when the first is written.
        say: Called with a line for each damaged entry.
    """

    folder: Path
    say: Callable[[str], None]

    @classmethod
    def beside(cls, checkpoint: Path, say: Callable[[str], None]) -> EmbeddingCache:
        """The cache of the run directory that `checkpoint` lies in, else one beside the file."""
        run = checkpoint.parent.parent
        in_run = checkpoint.parent.name == "checkpoints" and (run / "config.yaml").is_file()
        return cls((run if in_run else checkpoint.parent) / EMBEDDINGS, say)

    def recall(self, about: Any, compute: Callable[[], Arrays]) -> Arrays:  # noqa: ANN401 (whatever JSON can hold)
        """Recall the result of `compute` for `about` from the last time, else compute it.

        Args:
            about: All that the arrays depend on, as plain data.
            compute: Makes the arrays.
        """
        key = content_hash(about)
        path = self.folder / f"{key}.safetensors"
        found = self._read(path, key)
        if found is None:
            found = compute()
            self._write(path, key, found)
        return found

    def _read(self, path: Path, key: str) -> Arrays | None:
        if not _is_there(path):
            return None
        try:
            tensors, facts = read_sealed(path)
            if facts != {"key": key}:
                raise ValueError("it is the entry of another name")
        except ValueError as error:
            self.say(f"got a damaged {path} ({error}); its embeddings are computed again")
            return None
        return {name: tensor.numpy() for name, tensor in tensors.items()}

    def _write(self, path: Path, key: str, arrays: Arrays) -> None:
        try:
            write_sealed(path, {name: torch.from_numpy(array) for name, array in arrays.items()}, {"key": key})
        except OSError:  # a folder that only others may write, or a full disk: the score does not need the entry
            return


def _is_there(path: Path) -> bool:
    """True when `path` is a file that may be read."""
    return os.access(path, os.R_OK) and path.is_file()


def encoder_identity(model: Any) -> str:  # noqa: ANN401 (a DualEncoder: others have no cache)
    """SHA-256 (hex) of all that an embedding by `model` depends on beside what is embedded."""
    device = model.log_logit_scale.device
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    parts = [weights_hash(model), asdict(model.config), model.shape, model.tokens.to_json()]
    return content_hash([PROTOCOL, torch.__version__, name, kernel_choices(), *parts])
