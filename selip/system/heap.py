"""The heap of this process: what it keeps of what it freed."""

from __future__ import annotations

import ctypes
import sys

# Parameters of glibc's mallopt(3).
M_MMAP_THRESHOLD, LARGEST_MMAP_THRESHOLD = -3, 32 << 20
M_TRIM_THRESHOLD, KEPT_BYTES = -1, 1 << 30


def keep_freed_memory() -> None:
    """Tells glibc to keep freed memory for the next step, instead of getting it anew, page by page; nothing elsewhere.

    A training step on a CPU allocates and frees the same few hundred MiB again and again; how much of it went back to
    the system was a matter of chance, and cost up to a fifth of the step, and half of what resamples take.
    """
    set_option = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if set_option:
        set_option(M_MMAP_THRESHOLD, LARGEST_MMAP_THRESHOLD)
        set_option(M_TRIM_THRESHOLD, KEPT_BYTES)
