"""Embeddings that were computed before, by the hash of all that they depend on, so that no score encodes twice.

An entry is named by its content: weights (the contrast reading is among them), towers, tokens, voxels or texts, device
and library. A cohort, split or checkpoint that changed is therefore another entry, and none is ever out of date. The
number of threads is left out: it moves the last bit of sums and nothing else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from selip.files import content_hash, write_atomically
from selip.model import DualEncoder, weights_hash

FOLDER = "embeddings"
PROTOCOL = 1  # to be raised when the code changes numbers, as by another batch size

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
        return cls((run if in_run else checkpoint.parent) / FOLDER, say)

    def recall(self, about: Any, compute: Callable[[], Arrays]) -> Arrays:  # noqa: ANN401 (whatever JSON can hold)
        """What `compute` gave for `about` the last time, else what it gives now.

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
        try:
            if not path.is_file():
                return None
            with safe_open(path, framework="numpy") as file:
                arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
                intact = file.metadata() == _seal(key, arrays)
        except PermissionError:
            return None
        except (OSError, SafetensorError, KeyError, ValueError, TypeError, AttributeError):
            intact = False
        if not intact:
            self.say(f"got a damaged {path}; its embeddings are computed again")
            return None
        return arrays

    def _write(self, path: Path, key: str, arrays: Arrays) -> None:
        try:
            write_atomically(path, save(arrays, _seal(key, arrays)))
        except OSError:  # a folder that only others may write, or a full disk: the score does not need the entry
            return


def _seal(key: str, arrays: Mapping[str, np.ndarray]) -> dict[str, str]:
    """What an entry says about itself: its key, and a hash of names, types, shapes and values."""
    parts = [
        [name, str(array.dtype), array.shape, hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()]
        for name, array in sorted(arrays.items())
    ]
    return {"key": key, "content": content_hash(parts)}


def encoder_identity(model: DualEncoder) -> str:
    """SHA-256 (hex) of all that an embedding by `model` depends on beside what is embedded."""
    device = model.log_logit_scale.device
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    parts = [weights_hash(model), asdict(model.config), model.shape, model.tokens.to_json()]
    return content_hash([PROTOCOL, torch.__version__, name, *parts])
