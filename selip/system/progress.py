"""Progress on a terminal as bars, elsewhere as plain lines."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from selip.system.environment import is_first_process

SECONDS_BETWEEN_LINES = 10.0
seconds_between_lines = SECONDS_BETWEEN_LINES
"""Of this process, as -q and -v of the command line set it; infinite for no progress at all."""

RUNS = "runs"
"""The count of runs, above which a terminal shows those that run."""

Show = Callable[[str, int, int, str], None]


@contextmanager
def progress_display(console: Console) -> Iterator[Show]:
    """Yields show(name, done, total, detail), one bar or series of lines a name."""
    if math.isinf(seconds_between_lines):
        yield lambda name, done, total, detail: None
        return
    if not console.is_terminal:
        yield _line_display(console)
        return
    columns = [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()]
    with Progress(*columns, TextColumn("{task.fields[detail]}"), console=console) as bars:
        tasks: dict[str, TaskID] = {}

        def show(name: str, done: int, total: int, detail: str) -> None:
            if name not in tasks:
                tasks[name] = bars.add_task(name, total=total, detail="")
            bars.update(tasks[name], completed=done, detail=detail)
            if RUNS in tasks:
                running = sum(not task.finished for task in bars.tasks) - 1
                bars.update(tasks[RUNS], detail=f"{max(running, 0)} running")

        yield show


def _line_display(console: Console) -> Show:
    began: dict[str, tuple[float, int]] = {}
    last: dict[str, float] = {}

    def show(name: str, done: int, total: int, detail: str) -> None:
        now = time.monotonic()
        start, first = began.setdefault(name, (now, done - 1))
        if done == total or now - last.get(name, start) >= seconds_between_lines:
            last[name] = now
            left = (now - start) / (done - first) * (total - done)
            console.print(f"{name}: {done}/{total} {detail} {left:.0f} s left", highlight=False, soft_wrap=True)

    return show


@contextmanager
def reporting() -> Iterator[Report]:
    """The Report that a long command is given: lines and progress on standard error."""
    console = Console(stderr=True, quiet=not is_first_process())
    with progress_display(console) as show:
        yield Report(line=lambda text: console.print(text, highlight=False, markup=False, soft_wrap=True), count=show)


@dataclass(frozen=True)
class Report:
    """Functions that long work reports its progress to; each does nothing by default.

    Attributes:
        line: Takes a line of text.
        count: Takes what is counted, how many are done, of how many, and a detail.
    """

    line: Callable[[str], None] = lambda text: None
    count: Callable[[str, int, int, str], None] = lambda name, done, total, detail: None
