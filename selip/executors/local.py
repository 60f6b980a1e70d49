"""Runs on this machine: here one after another, or in several processes side by side."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from typing import Any

import torch
from joblib import cpu_count  # type: ignore[import-untyped, unused-ignore]

from selip.cohort_commands import Report
from selip.distributed import process_count
from selip.errors import InputError
from selip.executors.base import ExecutorOptions, Job, run_with_threads, threads_of_a_run


@dataclass(frozen=True)
class Local:
    """Runs on this machine.

    Attributes:
        workers: Processes; 1 stays in this one. 0: one on a GPU, or when several train together, else as many as there
            are cores for their threads.
        threads: Threads a run computes with; 0: one, and on a machine with a GPU torch's own default.

    Raises:
        InputError: When either is negative.
    """

    workers: int = 0
    threads: int = 0

    @classmethod
    def of(cls, options: ExecutorOptions) -> Local:
        """The executor that a command line asks for."""
        return cls(options.workers, options.threads)

    def __post_init__(self) -> None:
        """Checks both numbers."""
        if self.workers < 0:
            raise InputError(f"got {self.workers} workers; allowed: from 1 on, 0 chooses; mend --workers")
        threads_of_a_run(self.threads)

    def __call__(self, job: Job, numbers: Sequence[int], report: Report) -> list[bool]:
        """Executes the runs `numbers`; whether each went well.

        Raises:
            InputError: When a process was killed; what it had finished is kept.
        """
        threads = threads_of_a_run(self.threads)
        chosen = 1 if torch.cuda.is_available() or process_count() > 1 else max(1, cpu_count() // threads)
        workers = min(self.workers or chosen, len(numbers))
        if workers <= 1:
            return [run_with_threads(job, number, threads, report) for number in numbers]
        return _in_processes(job, numbers, report, workers, threads)


ONE_BY_ONE = Local(workers=1)


def _in_processes(job: Job, numbers: Sequence[int], report: Report, workers: int, threads: int) -> list[bool]:
    context = multiprocessing.get_context("spawn")
    told = context.SimpleQueue()
    stays_open, ours = context.Pipe(duplex=False)
    listener = threading.Thread(target=_listen, args=(told, report), daemon=True)
    listener.start()
    pool = ProcessPoolExecutor(workers, context, _begin, (stays_open, told))
    try:
        futures = {pool.submit(_work, job, number, threads): number for number in numbers}
        done = {futures[future]: future.result() for future in as_completed(futures)}
        told.put(None)  # not after a death: a process may have died with the lock of the queue
        listener.join()
    except BrokenProcessPool as error:
        raise InputError(
            f"got a run whose process was killed (memory?); allowed: {workers} workers that live; run again with "
            "--resume and fewer --workers"
        ) from error
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        ours.close()  # by which workers that still compute end too, however this process ends
    return [done[number] for number in numbers]


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

    report = Report(line=partial(tell, "line"), count=partial(tell, "count"))
    return run_with_threads(job, number, threads, report)
