"""Child processes: they leave Ctrl-C to their parent, do not outlive it, and say so when they are killed."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from joblib import Parallel  # type: ignore[import-untyped, unused-ignore]
from joblib.externals.loky.process_executor import BrokenProcessPool  # type: ignore[import-untyped, unused-ignore]

from selip.system.errors import InputError

SECONDS_BETWEEN_LOOKS = 0.5


@contextmanager
def without_interrupts() -> Iterator[None]:
    """Processes that are started inside never see Ctrl-C; one that this process gets meanwhile comes afterwards."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    from multiprocessing import resource_tracker  # not on Windows

    resource_tracker.ensure_running()  # a child too, whose start would lift the mask again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def end_with(parent: int) -> None:
    """Ends this process soon after the process `parent`, its parent, is gone; called once, it returns at once."""
    threading.Thread(target=_watch, args=(parent,), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(SECONDS_BETWEEN_LOOKS)
    os._exit(1)


def in_processes(tasks: Iterable[Any], workers: int, **options: Any) -> Iterator[Any]:  # noqa: ANN401
    """Compute joblib's delayed `tasks` in `workers` processes; `options` are those of Parallel."""
    parallel = Parallel(n_jobs=workers, initializer=end_with, initargs=(os.getpid(),), **options)
    with without_interrupts():
        found: Iterator[Any] = parallel(tasks)
    return found


@contextmanager
def living_workers() -> Iterator[None]:
    """Turns the death of a worker process into an InputError."""
    try:
        yield
    except BrokenProcessPool as error:
        raise InputError(
            "got a process that makes the cohort killed, for lack of memory as a rule; "
            "give 'selip cohort build' or 'import' fewer --workers"
        ) from error
