"""Tensors in safetensors files that know their own hash: a changed byte is found when they are read."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from selip.system.files import OTHER_CONTENT, SEAL, content_hash, write_atomically

Tensors = dict[str, torch.Tensor]


def write_sealed(path: Path, tensors: Mapping[str, torch.Tensor], facts: Mapping[str, str]) -> None:
    """Writes tensors and facts whole or not at all, with a hash of both.

    Raises:
        OSError: When the file cannot be written.
    """
    plain = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    write_atomically(path, save(plain, {**facts, SEAL: _seal(plain, facts)}))


def read_sealed(path: Path) -> tuple[Tensors, dict[str, str]]:
    """Tensors and facts of a file of `write_sealed`.

    Raises:
        ValueError: Saying why, when it is missing or not as it was written.
    """
    try:
        with safe_open(path, framework="pt") as file:
            facts = dict(file.metadata() or {})
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except (OSError, SafetensorError, RuntimeError) as error:
        raise ValueError((str(error).splitlines() or [type(error).__name__])[0]) from error
    if facts.pop(SEAL, None) != _seal(tensors, facts):
        raise ValueError(OTHER_CONTENT)
    return tensors, facts


def _seal(tensors: Mapping[str, torch.Tensor], facts: Mapping[str, str]) -> str:
    """SHA-256 (hex) of the names, types, shapes and values of `tensors`, and of `facts`."""
    parts = [[name, str(one.dtype), list(one.shape), _bytes_hash(one)] for name, one in sorted(tensors.items())]
    return content_hash([parts, dict(facts)])


def _bytes_hash(tensor: torch.Tensor) -> str:
    return hashlib.sha256(tensor.reshape(-1).view(torch.uint8).numpy().data).hexdigest()
