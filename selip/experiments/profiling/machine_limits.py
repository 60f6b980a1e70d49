"""What a machine can do at best, measured: matrix products and copies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch.utils.benchmark import Timer

EDGES = {"cuda": (4096, 8192, 16384), "cpu": (512, 1024, 2048)}
COPY_BYTES = {"cuda": 2**31, "cpu": 2**28}  # far more than any cache holds
SECONDS_A_SIZE = 0.3


@dataclass(frozen=True)
class Ceilings:
    """The best that was measured.

    Attributes:
        dtype: Type of the numbers that were multiplied, as "bfloat16".
        flops_per_second: Matrix product, 2 n^3 operations for n x n matrices.
        bytes_per_second: Copy of a large tensor; each byte counts twice, as read and as written.
    """

    dtype: str
    flops_per_second: float
    bytes_per_second: float


def measure_ceilings(device: torch.device, dtype: torch.dtype) -> Ceilings:
    """Measures `device` as busy as it is now, with the threads that torch has; about 2 s.

    Args:
        device: "cpu" or "cuda".
        dtype: Type that a training step multiplies in.
    """
    flops = matrix_product_rate(device, dtype, EDGES[device.type])
    return Ceilings(str(dtype).removeprefix("torch."), flops, copy_rate(device, COPY_BYTES[device.type]))


def matrix_product_rate(device: torch.device, dtype: torch.dtype, edges: Sequence[int]) -> float:
    """Operations a second of the fastest product of square matrices.

    Args:
        device: Where.
        dtype: Type of the numbers.
        edges: Edges n of the matrices that are tried.
    """
    return max(2 * n**3 / _best_seconds("torch.mm(a, b, out=c)", _matrices(n, device, dtype)) for n in edges)


def copy_rate(device: torch.device, size: int) -> float:
    """Bytes read and written a second by a copy of `size` bytes inside the memory of `device`."""
    source = torch.ones(size, dtype=torch.uint8, device=device)
    return 2 * size / _best_seconds("target.copy_(source)", {"source": source, "target": torch.zeros_like(source)})


def _matrices(edge: int, device: torch.device, dtype: torch.dtype) -> dict[str, torch.Tensor]:
    generator = torch.Generator(device).manual_seed(0)
    return {name: torch.randn(edge, edge, generator=generator, device=device).to(dtype) for name in "abc"}


def _best_seconds(statement: str, tensors: dict[str, torch.Tensor]) -> float:
    """Least time of `statement` in SECONDS_A_SIZE; torch's timer warms up and waits for the device."""
    timer = Timer(statement, globals={"torch": torch, **tensors}, num_threads=torch.get_num_threads())
    return float(min(timer.blocked_autorange(min_run_time=SECONDS_A_SIZE).times))
