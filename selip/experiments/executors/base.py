"""The options of an executor, and the functions that all of them need."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from threadpoolctl import threadpool_limits

from selip.system.errors import InputError
from selip.system.progress import Report

CORES_BESIDE_A_GPU = 8
"""Of a run whose training is on a GPU; probes, surface distances and bootstrap are on the CPU."""

Job = Callable[[int, Report], bool]
"""Executes the run of a number and says whether all went well; importable by name, so that another process can."""
RunOutcome = bool | str
"""Whether a run went well; in words, why its process or machine ended before it did."""
Execute = Callable[[Job, Sequence[int], Report], list[RunOutcome]]
"""Executes the runs of some numbers; the outcome of each, in their order."""


@dataclass(frozen=True)
class ExecutorOptions:
    """Options of the command line for executing runs; each executor takes those that concern it.

    0 workers or threads are chosen; `parameters` are a scheduler's, `folder` is where it may keep its files.
    """

    workers: int = 0
    threads: int = 0
    address: str = "auto"
    parameters: Mapping[str, Any] = field(default_factory=dict)
    folder: Path = Path("jobs")


class Counted:
    """Executes runs and counts how many may still be done; None for any number."""

    def __init__(self, execute: Execute, most: int | None) -> None:
        self.execute, self.left = execute, most

    def __call__(self, job: Job, numbers: Sequence[int], report: Report) -> list[RunOutcome]:
        """The outcomes of `execute`."""
        if self.left is not None:
            self.left -= len(numbers)
        return self.execute(job, numbers, report)


def threads_of_a_run(asked: int, side_by_side: int = 1) -> int:
    """`asked`, or for 0 one thread, on a machine with a GPU a share of torch's own default.

    `side_by_side` is how many runs share the machine.

    Raises:
        InputError: When it is negative.
    """
    if asked < 0:
        raise InputError(f"got {asked} threads; give --threads from 1 on, or 0 to choose")
    return asked or (max(1, torch.get_num_threads() // side_by_side) if torch.cuda.is_available() else 1)


def run_with_threads(job: Job, number: int, threads: int, report: Report) -> bool:
    """The run of `number` with `threads` threads in this process, numpy's products too."""
    torch.set_num_threads(threads)
    with threadpool_limits(threads, user_api="blas"):
        return job(number, report)


def lost(number: int, error: BaseException, report: Report) -> str:
    """Says that the run of `number` was lost and returns why, in one line: the last error that `error` names."""
    lines = str(error).splitlines()
    reasons = [line for line in lines if re.match(r"[\w.]*(Error|Exception|Interrupt)\b", line.strip())] or lines
    reason = " ".join(reasons[-1:])[-300:].strip() or type(error).__name__
    report.line(f"run {number + 1} was lost: {reason}")
    return reason


def run_elsewhere(job: Job, number: int, threads: int, folder: str) -> bool:
    """The run of `number` on another machine, in `folder`, with its lines on standard output, the log there."""
    os.chdir(folder)
    report = Report(line=lambda text: print(text, flush=True))
    return run_with_threads(job, number, threads_of_a_run(threads), report)
