"""Memory of this process: what it keeps, and its peak (of the GPU where there is one)."""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import torch

from selip.system.errors import InputError, is_out_of_memory, out_of_memory_line

_PROCESS = Path("/proc/self")


def forget_peak_memory() -> None:
    """Starts a new peak, without garbage and what is kept for later; does nothing where the system cannot."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    elif (_PROCESS / "clear_refs").exists():
        give_back = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if give_back:
            give_back(0)
        with suppress(OSError):
            (_PROCESS / "clear_refs").write_text("5")


def peak_memory_mb() -> float:
    """Highest memory in MiB since `forget_peak_memory`, 0 where nobody can tell."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 2**20
    if not (_PROCESS / "status").exists():
        return 0.0
    lines = (_PROCESS / "status").read_text().splitlines()
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), 0.0)


@contextmanager
def within_memory(sizes: Sequence[str]) -> Iterator[None]:
    """Turns running out of memory into an InputError that says which of the settings `sizes` to lower."""
    try:
        yield
    except (MemoryError, RuntimeError, OSError) as error:
        if not is_out_of_memory(error):
            raise
        raise InputError(out_of_memory_line(error, sizes)) from error
