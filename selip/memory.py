"""Peak memory of a run: of the GPU where there is one, else of this process."""

from __future__ import annotations

from pathlib import Path

import torch

_PROCESS = Path("/proc/self")


def forget_peak_memory() -> None:
    """Starts a new peak; does nothing where the system cannot."""
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    elif (_PROCESS / "clear_refs").exists():
        (_PROCESS / "clear_refs").write_text("5")


def peak_memory_mb() -> float:
    """Highest memory in MiB since `forget_peak_memory`, 0 where nobody can tell."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 2**20
    if not (_PROCESS / "status").exists():
        return 0.0
    lines = (_PROCESS / "status").read_text().splitlines()
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), 0.0)
