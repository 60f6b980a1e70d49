"""Runs on this machine: here one after another, or in several processes side by side."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

import torch
from joblib import cpu_count  # type: ignore[import-untyped, unused-ignore]

from selip.experiments.executors.base import ExecutorOptions, Job, RunOutcome, run_with_threads, threads_of_a_run
from selip.system.child_processes import without_interrupts
from selip.system.environment import launched_processes
from selip.system.errors import InputError
from selip.system.progress import RUNS, Report
from selip.training.distributed import process_count


@dataclass(frozen=True)
class Local:
    """Runs on this machine.

    Attributes:
        workers: Processes; 1 stays in this one. 0: one on a GPU, or when several train together, else as many as there
            are cores for their threads.
        threads: Threads a run computes with; 0: one, and on a machine with a GPU the workers' share of torch's own
            default.

    Raises:
        InputError: When either is negative.
    """

    workers: int = 0
    threads: int = 0

    @classmethod
    def of(cls, options: ExecutorOptions) -> Local:
        """The executor that a command line asks for; what its processes need is loaded while a cohort is built."""
        found = cls(options.workers, options.threads)
        if _FORKED and found.most_workers > 1:
            _load_ahead()
        return found

    def __post_init__(self) -> None:
        """Checks both numbers."""
        if self.workers < 0:
            raise InputError(f"got {self.workers} workers; give --workers from 1 on, or 0 to choose")
        threads_of_a_run(self.threads)

    @property
    def most_workers(self) -> int:
        """Processes for any number of runs."""
        alone = torch.cuda.is_available() or max(process_count(), launched_processes()) > 1
        return self.workers or (1 if alone else max(1, cpu_count() // threads_of_a_run(self.threads)))

    def __call__(self, job: Job, numbers: Sequence[int], report: Report) -> list[RunOutcome]:
        """Executes the runs `numbers`; the outcome of each.

        When a process is killed, as the system does when memory runs out, the runs go on with half as many side by
        side, and at last one by one: then the run whose process is killed is lost, and the others are not.
        """
        workers = min(self.most_workers, len(numbers))
        report.count(RUNS, 0, len(numbers), "")
        threads = threads_of_a_run(self.threads, max(1, workers))
        if workers <= 1:
            return [_counted(job, number, threads, report, place, len(numbers)) for place, number in enumerate(numbers)]
        return _in_processes(job, numbers, report, workers, threads)


def _counted(job: Job, number: int, threads: int, report: Report, done: int, total: int) -> RunOutcome:
    """Executes a run, and counts it where there are several."""
    outcome = run_with_threads(job, number, threads, report)
    if total > 1:
        report.count(RUNS, done + 1, total, "")
    return outcome


ONE_BY_ONE = Local(workers=1)
SECONDS_TO_RELEASE = 10
KILLED = (
    "its process was killed, by the system for lack of memory as a rule; lower training.batch_size, "
    "training.micro_batch or model.width in a new --out, or run again with --resume and fewer --workers"
)


_FORKED = sys.platform == "linux"
_CONTEXT = get_context("forkserver" if _FORKED else "spawn")
"""Workers are forked from a process that does nothing but load what they need: each alone would take as long again."""


def _load_ahead() -> None:
    """Begins to load what workers need, in the process that they will be forked from."""
    from multiprocessing import forkserver  # not on Windows

    forkserver.set_forkserver_preload(["selip.experiments.executors.loaded"])
    with without_interrupts():
        forkserver.ensure_running()


def _wait_until_loaded() -> None:
    """Waits as Ctrl-C can end it, unlike the start of a worker; a process that died of loading is begun anew then."""
    with suppress(BrokenProcessPool, EOFError, ConnectionError), ProcessPoolExecutor(1, _CONTEXT) as pool:
        pool.submit(int).result()


def _in_processes(job: Job, numbers: Sequence[int], report: Report, workers: int, threads: int) -> list[RunOutcome]:
    done: dict[int, RunOutcome] = {}
    while left := [number for number in numbers if number not in done]:
        here = left if workers > 1 else left[:1]
        done |= _in_pool(job, here, report, workers, threads)
        if all(number in done for number in here):
            continue
        if workers == 1:
            report.line(f"run {here[0] + 1} was lost: {KILLED}")
            done[here[0]] = KILLED
        workers = max(1, workers // 2)
        report.line(f"a process was killed (memory?); going on with {workers} side by side")
    return [done[number] for number in numbers]


def _in_pool(job: Job, numbers: Sequence[int], report: Report, workers: int, threads: int) -> dict[int, bool]:
    """Success of each run, less those that did not end because a process was killed."""
    if _FORKED:
        _load_ahead()
        _wait_until_loaded()
    told = _CONTEXT.SimpleQueue()
    stays_open, ours = _CONTEXT.Pipe(duplex=False)
    listener = threading.Thread(target=_listen, args=(told, report), daemon=True)
    listener.start()
    pool = ProcessPoolExecutor(workers, _CONTEXT, _begin, (stays_open, told))
    done: dict[int, bool] = {}
    try:
        futures = _submitted(pool, job, numbers, threads)
        for future in as_completed(futures):
            with suppress(BrokenProcessPool):
                done[futures[future]] = future.result()
                report.count(RUNS, len(done), len(numbers), "")
        if len(done) == len(numbers):  # not after a death: a process may have died with the lock of the queue
            told.put(None)
            listener.join()
            _let_go(pool, ours)
    finally:
        ours.close()  # by which workers that still compute end, as they do however this process ends
        pool.shutdown(cancel_futures=True)
    return done


def _let_go(pool: ProcessPoolExecutor, ours: Connection) -> None:
    """Waits for workers to release what they hold, as semaphores, and ends those that take long."""
    late = threading.Timer(SECONDS_TO_RELEASE, ours.close)
    late.start()
    pool.shutdown()
    late.cancel()


def _submitted(pool: ProcessPoolExecutor, job: Job, numbers: Sequence[int], threads: int) -> dict[Future[bool], int]:
    """The runs as futures, as far as the pool lives."""
    futures: dict[Future[bool], int] = {}
    with without_interrupts(), suppress(BrokenProcessPool, EOFError, ConnectionError):
        for number in numbers:
            futures[pool.submit(_work, job, number, threads)] = number
    return futures


def _listen(told: Any, report: Report) -> None:  # noqa: ANN401 (a queue of a context has no public type)
    """Passes on what the workers tell, until None."""
    for name, arguments in iter(told.get, None):
        getattr(report, name)(*arguments)


_TOLD: list[Any] = []  # the queue of a worker process, which a submitted job could not carry


def _begin(stays_open: Connection, told: Any) -> None:  # noqa: ANN401
    _TOLD[:] = [told]
    threading.Thread(target=_end_with_parent, args=(stays_open,), daemon=True).start()


def _end_with_parent(stays_open: Connection) -> None:
    """Ends this process at once when the other end closes, as it does when the parent was killed."""
    try:
        stays_open.poll(None)
    finally:
        os._exit(1)


def _work(job: Job, number: int, threads: int) -> bool:
    def tell(name: str, *arguments: object) -> None:
        """Hands a call of the report to the parent."""
        _TOLD[0].put((name, arguments))

    report = Report(line=partial(tell, "line"), count=partial(tell, "count"), mark=partial(tell, "mark"))
    return run_with_threads(job, number, threads, report)
