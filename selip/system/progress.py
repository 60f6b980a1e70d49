"""Progress on a terminal as a table of runs and as bars, elsewhere as plain lines."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

from selip.system.environment import is_first_process

SECONDS_BETWEEN_LINES = 10.0
seconds_between_lines = SECONDS_BETWEEN_LINES
"""Of this process, as -q and -v of the command line set it; infinite for no progress at all."""

RUNS = "runs"
"""The count of runs that ended."""

LEFT, RUNNING, DONE, FAILED, SKIPPED = "·", "…", "✓", "✗", "–"
"""States of a benchmark of a run, as a table shows them."""


class Scored(NamedTuple):
    """A benchmark of a run: its state, the metric that ranks once there is one, and the direction of that."""

    state: str
    value: float = math.nan
    higher_is_better: bool = True

    @property
    def text(self) -> str:
        """The number, or the state."""
        return self.state if math.isnan(self.value) else f"{self.value:.3f}"


Show = Callable[[str, int, int, str], None]
Mark = Callable[[str, str, Scored], None]


@contextmanager
def progress_display(console: Console) -> Iterator[tuple[Show, Mark]]:
    """Yields show(name, done, total, detail) and mark(run, benchmark, scored).

    A terminal has a table of the runs and a bar for anything else; elsewhere there are lines, and nothing is marked.
    """
    if math.isinf(seconds_between_lines):
        yield lambda name, done, total, detail: None, lambda run, benchmark, scored: None
    elif not console.is_terminal:
        yield _line_display(console), lambda run, benchmark, scored: None
    else:
        found = LiveTable(console.height)
        with Live(found, console=console, refresh_per_second=4):
            yield found.show, found.mark


class LiveTable:
    """Runs by benchmarks with how far each is, how many are left and for how long, and the best so far."""

    def __init__(self, height: int) -> None:
        columns = [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()]
        self._bars = Progress(*columns, TextColumn("{task.fields[detail]}"))
        self._tasks: dict[str, TaskID] = {}
        self._runs: dict[str, dict[str, Scored]] = {}
        self._training: dict[str, tuple[int, int, str]] = {}
        self._total, self._began, self._rows = 0, time.monotonic(), max(4, height - 8)

    def show(self, name: str, done: int, total: int, detail: str) -> None:
        """Takes a count: of the runs, of the steps of a run, or of anything else."""
        if name == RUNS:
            self._total = total
        elif name in self._runs:
            self._training[name] = done, total, detail
        else:
            if name not in self._tasks:
                self._tasks[name] = self._bars.add_task(name, total=total, detail="")
            self._bars.update(self._tasks[name], completed=done, detail=detail)

    def mark(self, run: str, benchmark: str, scored: Scored) -> None:
        """Takes the state of a benchmark of a run."""
        self._runs.setdefault(run, {})[benchmark] = scored

    def __rich__(self) -> Group:
        """Bars, and below them the table where runs are known."""
        return Group(self._bars, *([self._table()] if self._runs else []))

    def _table(self) -> Table:
        runs = {name: dict(own) for name, own in list(self._runs.items())}
        names = list(dict.fromkeys(benchmark for own in runs.values() for benchmark in own))
        table = Table(box=None, caption=self._caption(runs, len(names)), caption_justify="left", show_footer=True)
        table.add_column("run", "best so far", no_wrap=True)
        table.add_column("training", no_wrap=True)
        for name in names:
            table.add_column(name, _best(runs, name), justify="right")
        for run, own in sorted(runs.items(), key=lambda one: not _is_ended(one[1]))[-self._rows :]:
            step, steps, detail = self._training.get(run, (0, 0, ""))
            trained = f"{step}/{steps} {detail}" if step < steps else DONE if steps else ""
            table.add_row(run, trained, *(own[name].text if name in own else "" for name in names))
        return table

    def _caption(self, runs: Mapping[str, Mapping[str, Scored]], n_benchmarks: int) -> str:
        total, ended = max(self._total, len(runs)), sum(map(_is_ended, runs.values()))
        scored = sum(one.state not in (LEFT, RUNNING) for own in runs.values() for one in own.values())
        trained = sum(step / steps for step, steps, _ in list(self._training.values()) if steps)
        share = (scored + trained) / (total * (n_benchmarks + 1))
        seconds = (time.monotonic() - self._began) * (1 - share) / share if share else math.inf
        left = f", about {seconds / 60:.0f} min" if seconds < math.inf else ""
        return f"runs: {ended} of {total} done, {len(runs) - ended} running, {total - len(runs)} left{left}"


def _is_ended(own: Mapping[str, Scored]) -> bool:
    return all(one.state not in (LEFT, RUNNING) for one in own.values())


def _best(runs: Mapping[str, Mapping[str, Scored]], benchmark: str) -> str:
    """The best value of a benchmark and the run that has it."""
    found = {run: own[benchmark] for run, own in runs.items() if benchmark in own}
    known = [(one.value if one.higher_is_better else -one.value, run) for run, one in found.items()]
    best = max((one for one in known if not math.isnan(one[0])), default=None)
    return f"{found[best[1]].text} {best[1]}" if best else ""


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
    with progress_display(console) as (show, mark):
        line = partial(console.print, highlight=False, markup=False, soft_wrap=True)
        yield Report(line=line, count=show, mark=mark)


@dataclass(frozen=True)
class Report:
    """Functions that long work reports its progress to; each does nothing by default.

    Attributes:
        line: Takes a line of text.
        count: Takes what is counted, how many are done, of how many, and a detail.
        mark: Takes a run, a benchmark and how far it is.
    """

    line: Callable[[str], None] = lambda text: None
    count: Callable[[str, int, int, str], None] = lambda name, done, total, detail: None
    mark: Mark = lambda run, benchmark, scored: None
