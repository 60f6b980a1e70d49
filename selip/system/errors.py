"""Errors that a user's input or machine can cause, and the words of their lines."""

from __future__ import annotations

import errno
import re
from collections.abc import Sequence

WRONG_INPUT, DEFECT, INTERRUPTED = 2, 70, 130
INTERRUPTED_LINE = "interrupted; the same command with --resume continues"
MAX_REASON = 200  # characters


class InputError(Exception):
    """Wrong input: one line that states a fact and an action, with the allowed values where they are a set.

    The command line prints the line and ends with exit code 2, never with a traceback.
    """


class UnavailableError(InputError):
    """Something that a method or a benchmark needs is not here, as weights of a hub or masks: recorded as skipped."""


_OUT_OF_MEMORY = re.compile(r"out of memory|allocate memory|ALLOC_FAILED|bad_alloc|start new thread")
_ASKED_FOR = re.compile(r"allocate (\d\S* \w+)")


def is_out_of_memory(error: BaseException) -> bool:
    """True when memory ran out, of this process, of its limit or of a GPU; torch says so in words alone."""
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and bool(_OUT_OF_MEMORY.search(str(error)))
    )


def out_of_memory_line(error: BaseException, sizes: Sequence[str] = ()) -> str:
    """One line for an error of memory.

    `sizes` are settings that decide how much is needed.
    """
    asked = _ASKED_FOR.search(str(error))
    amount = f" for {asked[1]}" if asked else ""
    lower = f"lower {' or '.join(sizes)} in a new --out, or " if sizes else ""
    return f"got too little memory{amount}; {lower}run again with --resume and fewer --workers"


def counted(names: Sequence[str], what: str) -> str:
    """A number and its noun, as "1 study" or "3 studies"."""
    several = f"{what[:-1]}ies" if what.endswith("y") else f"{what}s"
    return f"{len(names)} {what if len(names) == 1 else several}"


def listed(names: Sequence[str], most: int = 10) -> str:
    """The first of some names, and how many more there are."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def one_line(text: object) -> str:
    """`text` on one line, and not longer than a line of the screen or two."""
    return " ".join(str(text).split())[:MAX_REASON]
