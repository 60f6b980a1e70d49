"""The exit code of a command, and the one line that says why it ends."""

from __future__ import annotations

import errno
import sys
import traceback
from contextlib import suppress
from typing import Any

import typer

from selip.system.environment import is_first_process
from selip.system.errors import (
    DEFECT,
    INTERRUPTED,
    INTERRUPTED_LINE,
    WRONG_INPUT,
    InputError,
    is_out_of_memory,
    out_of_memory_line,
)
from selip.system.interrupts import was_interrupted

USAGE_ERROR: Any = typer.BadParameter.__base__  # typer carries its own click, so its UsageError has no public name
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


def end(error: BaseException) -> int:
    """Says in one line on standard error why a command ends, and returns its exit code.

    Args:
        error: What neither the user nor the machine caused is a defect: its trace is shown, and the code is its own,
            so that nobody takes it for a regression.
    """
    code, line = _ending(error)
    with suppress(OSError):  # nobody may be listening any more
        if code == DEFECT:
            traceback.print_exception(error)
        if line:
            sys.stderr.write(f"selip: {line}\n")
    return code


def _ending(error: BaseException) -> tuple[int, str]:
    if was_interrupted() or isinstance(error, (typer.Abort, KeyboardInterrupt)):
        return INTERRUPTED, INTERRUPTED_LINE
    if isinstance(error, InputError):
        return WRONG_INPUT, str(error) if is_first_process() else ""  # which says what another one ended by, too
    if isinstance(error, USAGE_ERROR):
        message = " ".join(error.format_message().split())  # none when help was shown because nothing was asked
        return WRONG_INPUT, f"{message}; 'selip --help' lists what is allowed" if message else ""
    if is_out_of_memory(error):
        return WRONG_INPUT, out_of_memory_line(error)
    if isinstance(error, OSError):
        return WRONG_INPUT, _on_disk(error)
    return DEFECT, f"a defect of selip, not of your input: {type(error).__name__}; please report the lines above"


def _on_disk(error: OSError) -> str:
    if error.errno in _NO_ROOM:
        where = f" while writing {error.filename}" if error.filename else ""
        return f"disk full{where}; free space, then give the same command again, 'selip run' and 'train' with --resume"
    return f"got {error}; name files that can be read and folders that can be written"
