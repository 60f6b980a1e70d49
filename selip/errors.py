"""Errors that a user's input or machine can cause."""

from __future__ import annotations


class InputError(Exception):
    """Wrong input: one line that says what was got, what is allowed and what to do.

    The command line prints the line and ends with exit code 2, never with a traceback.
    """


class UnavailableError(InputError):
    """Something that a method or a benchmark needs is not here, as weights of a hub or masks: recorded as skipped."""
