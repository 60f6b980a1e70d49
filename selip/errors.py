"""The one error that a user's input can cause."""

from __future__ import annotations


class InputError(Exception):
    """Wrong input: one line that says what was got, what is allowed and what to do.

    The command line prints the line and ends with exit code 2, never with a traceback.
    """
