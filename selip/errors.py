"""Errors that a user's input or machine can cause."""

from __future__ import annotations

MAX_REASON = 200  # characters


class InputError(Exception):
    """Wrong input: one line that says what was got, what is allowed and what to do.

    The command line prints the line and ends with exit code 2, never with a traceback.
    """


class UnavailableError(InputError):
    """Something that a method or a benchmark needs is not here, as weights of a hub or masks: recorded as skipped."""


def one_line(text: object) -> str:
    """`text` on one line, and not longer than a line of the screen or two."""
    return " ".join(str(text).split())[:MAX_REASON]
