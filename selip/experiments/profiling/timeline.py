"""Marks on the timeline of training steps: what runs between two of them belongs to one part of the step."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from typing import Any

import torch

Target = tuple[object, str, str]
"""An object, the name of one of its methods, and the part that the method belongs to."""


class Stopwatch:
    """Splits each lap among parts; a part that is begun inside another one stops that until it ends.

    The parts of a lap therefore add up to its time. On CUDA a mark is an event in the stream, so that the device is
    never waited for before `laps` reads them; elsewhere it is the time.
    """

    def __init__(self, device: torch.device) -> None:
        """Starts with no lap.

        Args:
            device: Device of what is timed.
        """
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
                stack.enter_context(_replaced(owner, name, watch.timed(part, getattr(owner, name))))
        yield


@contextmanager
def _replaced(owner: object, name: str, value: object) -> Iterator[None]:
    before = vars(owner).get(name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        if before is None:  # it was its class's
            delattr(owner, name)
        else:
            setattr(owner, name, before)
