"""Limits of a machine, measured (matrix products and copies), and marks on the timeline of training steps."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from itertools import pairwise
from typing import Any
from unittest import mock

import torch
from torch.utils.benchmark import Timer

from selip.cohorts.phantom.profiles import Profile
from selip.data.volume_batches import SHARE_OF_FREE_MEMORY, free_bytes, scoring_device
from selip.experiments.dry_run import time_step, workloads
from selip.experiments.experiment_file import GridCell
from selip.system.errors import InputError

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
    """Measures `device` as busy as it is now, in the type that a training step multiplies in; about 2 s."""
    flops = matrix_product_rate(device, dtype, EDGES[device.type])
    return Ceilings(str(dtype).removeprefix("torch."), flops, copy_rate(device, COPY_BYTES[device.type]))


def matrix_product_rate(device: torch.device, dtype: torch.dtype, edges: Sequence[int]) -> float:
    """Operations a second of the fastest product of square matrices among those of some edges n."""
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


def memory_line(cells: Iterable[GridCell], profile: Profile) -> str:
    """Memory that the steps of an experiment need, each kind taken as in a dry run, against what is free here."""
    needed, free = 0.0, free_bytes(scoring_device()) / 2**30
    for members in workloads(cells).values():
        with suppress(InputError):  # the dry run says why it cannot be timed
            needed = max(needed, time_step(members[0][0], members[0][3], profile, limit_s=0).memory_mb / 1024)
    line = f"a step needs up to {needed:.1f} GiB beside the training voxels, {free:.1f} GiB are free"
    fits = needed <= (1 - SHARE_OF_FREE_MEMORY) * free
    return line if fits else f"{line}; lower training.batch_size or training.micro_batch"


Target = tuple[object, str, str]
"""An object, the name of one of its methods, and the part that the method belongs to."""


class Stopwatch:
    """Splits each lap among parts; a part that is begun inside another one stops that until it ends.

    The parts of a lap therefore add up to its time. On CUDA a mark is an event in the stream, so that the device is
    never waited for before `laps` reads them; elsewhere it is the time.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._current = ""
        self._laps: list[list[tuple[str, Any]]] = []

    @contextmanager
    def lap(self, part: str) -> Iterator[None]:
        """Times what runs inside as one lap; what no other part claims is `part`."""
        self._laps.append([])
        with self.part(part):
            yield

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Gives `name` the time of what runs inside; does nothing between laps."""
        outer, self._current = self._current, name
        self._mark()
        try:
            yield
        finally:
            self._current = outer
            self._mark()

    def timed(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """`call` as a part."""

        @functools.wraps(call)
        def inside(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 (whatever `call` takes)
            with self.part(name):
                return call(*args, **kwargs)

        return inside

    def laps(self) -> list[dict[str, float]]:
        """Seconds of each part of each lap. Waits for the device."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return [self._seconds(lap) for lap in self._laps]

    def _seconds(self, lap: list[tuple[str, Any]]) -> dict[str, float]:
        found: dict[str, float] = {}
        for (part, begin), (_, end) in pairwise(lap):
            passed = begin.elapsed_time(end) / 1000 if self.device.type == "cuda" else end - begin
            found[part] = found.get(part, 0.0) + passed
        return found

    def _mark(self) -> None:
        if not self._laps:
            return
        if self.device.type == "cuda":
            event = torch.cuda.Event(enable_timing=True)
            event.record()
            self._laps[-1].append((self._current, event))
        else:
            self._laps[-1].append((self._current, time.perf_counter()))


@contextmanager
def attached(watch: Stopwatch, targets: Iterable[Target]) -> Iterator[None]:
    """Times methods wherever they are called from; those that an object does not have are passed over."""
    with ExitStack() as stack:
        for owner, name, part in targets:
            if hasattr(owner, name):
                stack.enter_context(mock.patch.object(owner, name, watch.timed(part, getattr(owner, name))))
        yield
