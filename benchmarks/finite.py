"""Refusal of numbers that no ranking or mean can take: NaN would rank first, infinity would carry every mean."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from selip.system.errors import InputError


def check_finite(values: npt.ArrayLike, name: str) -> None:
    """Refuses values that are not finite.

    Args:
        values: Any shape.
        name: The values in the user's words, as "scores".

    Raises:
        InputError: When one is NaN or infinite.
    """
    numbers = np.asarray(values)
    lost = numbers.size - np.count_nonzero(np.isfinite(numbers))
    if lost:
        raise InputError(f"got {lost} of {numbers.size} {name} that are not finite; score every item, then try again")


def check_no_infinity(values: npt.ArrayLike, name: str) -> None:
    """Refuses infinite values where NaN stands for one that is not defined.

    Raises:
        InputError: When one is infinite.
    """
    numbers = np.asarray(values)
    lost = np.count_nonzero(np.isinf(numbers))
    if lost:
        raise InputError(f"got {lost} of {numbers.size} {name} that are infinite; allowed: NaN where undefined")
