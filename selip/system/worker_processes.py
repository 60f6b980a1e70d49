"""The processes that make a cohort."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from joblib import Parallel  # type: ignore[import-untyped, unused-ignore]
from joblib.externals.loky.process_executor import BrokenProcessPool  # type: ignore[import-untyped, unused-ignore]

from selip.system.child_processes import end_with, without_interrupts
from selip.system.errors import InputError


def in_processes(tasks: Iterable[Any], workers: int, **options: Any) -> Iterator[Any]:  # noqa: ANN401
    """What joblib's delayed `tasks` return, computed in `workers` processes; `options` are those of Parallel."""
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
            "got a process that makes the cohort killed, for lack of memory as a rule; allowed: as many as memory has "
            "room for; give 'selip cohort build' or 'import' fewer --workers"
        ) from error
