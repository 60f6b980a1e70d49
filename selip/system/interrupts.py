"""Ctrl-C, remembered: a library may turn its KeyboardInterrupt into an error of its own."""

from __future__ import annotations

import signal
from types import FrameType

_got: list[int] = []  # signals


def note_interrupts() -> None:
    """Remembers Ctrl-C from now on; a process that was started deaf to it, as by nohup, stays so."""
    _got.clear()
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _note)


def was_interrupted() -> bool:
    """True when Ctrl-C was pressed: whatever was raised since is its echo, as pydantic's SchemaError."""
    return bool(_got)


def _note(number: int, frame: FrameType | None) -> None:
    _got.append(number)
    signal.default_int_handler(number, frame)
