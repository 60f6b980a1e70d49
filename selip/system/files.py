"""Files that are written whole or not at all, know their own hash, and are locked while a process works on them.

Locks are the operating system's, which end with their process however it ends.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from filelock import lock_descriptor

from selip.system.environment import now

if TYPE_CHECKING:
    import torch

SEAL = "sha256"
"""The key under which a file keeps the hash of the rest of it."""
OTHER_CONTENT = "its checksum is that of another content"
_PARTIAL = re.compile(r"\..+\.[0-9a-f]{12}\.partial")


def write_atomically(path: Path, data: bytes | str) -> None:
    """Writes `data` to a sibling file and renames it to `path`, so that a kill leaves the old file or the new one.

    Raises:
        OSError: Naming `path`, when it cannot be written; what was there stays.
    """
    partial = partial_of(path)
    with naming(path):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with partial.open("xb", buffering=0) as file:
                mark(file.fileno())
                write_all(file.fileno(), data.encode() if isinstance(data, str) else data)
                os.fsync(file.fileno())
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Names `path` in an OSError that names no file, as that of a full disk does not."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or str(path)
        raise


def write_all(descriptor: int, data: bytes) -> None:
    """Writes all of `data`, in as many pieces as the system takes it in."""
    left = memoryview(data)
    while left:
        left = left[os.write(descriptor, left) :]


def partial_of(path: Path) -> Path:
    """Path at which a process makes what will be `path`; another name at each call."""
    return path.with_name(f".{path.name}.{uuid4().hex[:12]}.partial")


def is_partial(path: Path) -> bool:
    """True when `path` is being made, or is what a killed process left of it."""
    return path.name.startswith(".") and path.name.endswith(".partial")


def remove_leftovers(folder: Path, pattern: str) -> None:
    """Removes the files and folders that killed processes left half made: those that no living one is making.

    `pattern` is as of `Path.glob`; names that no partial has are passed over.
    """
    for path in folder.glob(pattern):
        if not _PARTIAL.fullmatch(path.name) or is_held(path):
            continue
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def sealed_json(values: Mapping[str, Any], indent: int) -> str:
    """JSON text of `values`, the hash of their canonical JSON last."""
    return json.dumps({**values, SEAL: content_hash(values)}, indent=indent, ensure_ascii=False) + "\n"


def unsealed_json(text: bytes | str) -> dict[str, Any]:
    """Values of the JSON text of `sealed_json`.

    Raises:
        ValueError: When it is no JSON, or not the text that was sealed.
    """
    values: dict[str, Any] = json.loads(text)
    if not isinstance(values, dict) or values.pop(SEAL, None) != content_hash(values):
        raise ValueError(OTHER_CONTENT)
    return values


def tensors_hash(tensors: Mapping[str, torch.Tensor]) -> str:
    """SHA-256 (hex) of names and values of tensors, in order of their names."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(tensors[name].detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def file_hash(path: str) -> str:
    """SHA-256 (hex) of a file; "" for no file, whose path is ""."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest() if path else ""


def canonical_json(value: Any) -> str:  # noqa: ANN401 (whatever JSON can hold)
    """JSON with sorted keys and no spaces: the form that is hashed."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)


def content_hash(value: Any) -> str:  # noqa: ANN401
    """SHA-256 (hex) of the canonical JSON of `value`."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


LOCK = ".lock"
"""The file in a folder whose lock stands for the folder; it stays when the lock is given back."""
_NO_LOCKS = (errno.ENOSYS, errno.ENOTSUP, errno.ENOLCK)


@contextmanager
def held(path: Path, busy: Callable[[str], None]) -> Iterator[None]:
    """Holds the file `path`, made where it is missing, against other processes; its text says who does.

    On a file system without locks nothing is held.

    `busy` is called with who holds it when another does; it raises, or this one waits until it is free.

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
    """True when a living process holds the file `path`, or the folder `path` by its LOCK, and where nobody can tell."""
    try:
        descriptor = os.open(path / LOCK if path.is_dir() else path, os.O_RDWR)
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
