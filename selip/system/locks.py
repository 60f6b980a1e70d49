"""Locks on a folder that somebody works in: the operating system's, which end with their process however it ends."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import lock_descriptor

from selip.system.environment import now

FILE = ".lock"
"""The file in a folder whose lock stands for the folder; it stays when the lock is given back."""
_NO_LOCKS = (errno.ENOSYS, errno.ENOTSUP, errno.ENOLCK)


@contextmanager
def held(path: Path, busy: Callable[[str], None]) -> Iterator[None]:
    """Holds the file `path`, made where it is missing, against other processes; its text says who does.

    On a file system without locks nothing is held.

    Args:
        path: File that stands for what is worked on.
        busy: Called with who holds it when another does; it raises, or this one waits until it is free.

    Raises:
        OSError: When the file cannot be made or read.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        if not _locked(descriptor):
            busy(_holder(path))
            lock_descriptor(descriptor)
        _note(descriptor)
        yield
    finally:
        os.close(descriptor)


def mark(descriptor: int) -> None:
    """Holds an open file, where that is possible, as one that this process is making, until it is closed."""
    with suppress(OSError):
        lock_descriptor(descriptor, blocking=False)


def is_held(path: Path) -> bool:
    """True when a living process holds the file `path`, or the folder `path` by its FILE, and where nobody can tell."""
    try:
        descriptor = os.open(path / FILE if path.is_dir() else path, os.O_RDWR)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    try:
        return not lock_descriptor(descriptor, blocking=False)
    except OSError:
        return True
    finally:
        os.close(descriptor)


def _locked(descriptor: int) -> bool:
    """True when the lock is ours now, or there are none here."""
    try:
        return lock_descriptor(descriptor, blocking=False)
    except OSError as error:
        if error.errno in _NO_LOCKS:
            return True
        raise


def _note(descriptor: int) -> None:
    """Says in a held file who holds it; a full disk may have no room for that."""
    with suppress(OSError):
        os.truncate(descriptor, 0)
        os.write(descriptor, f"process {os.getpid()} on {socket.gethostname()} since {now()}".encode())


def _holder(path: Path) -> str:
    with suppress(OSError, UnicodeDecodeError):
        return path.read_text().strip() or "another process"
    return "another process"
