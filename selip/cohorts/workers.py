"""The processes that make a cohort."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from joblib.externals.loky.process_executor import BrokenProcessPool  # type: ignore[import-untyped, unused-ignore]

from selip.errors import InputError


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
