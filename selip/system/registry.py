"""Lazy look-up in plain-dict registries, extended by third parties through entry points."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from selip.system.errors import InputError


def registered(registry: Mapping[str, str], group: str) -> dict[str, str]:
    """`registry` with the entry points of `group` ("selip.methods", "selip.cohorts", "selip.benchmarks") added.

    Args:
        registry: Name to "module:ATTRIBUTE". A built-in name is never replaced by a third party's.
        group: Name of the entry-point group.
    """
    return {point.name: point.value for point in entry_points(group=group)} | dict(registry)


def load(registry: Mapping[str, str], group: str, name: str) -> Any:  # noqa: ANN401 (each registry has its own type)
    """The object registered under `name`.

    Raises:
        InputError: When nothing has that name.
    """
    known = registered(registry, group)
    if name not in known:
        raise InputError(unknown(group.removeprefix("selip.").removesuffix("s"), name, known))
    module, _, attribute = known[name].partition(":")
    return getattr(import_module(module), attribute)


def unknown(kind: str, name: str, allowed: Iterable[str]) -> str:
    """One line for an unknown name, with the nearest known one."""
    names = sorted(allowed)
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return f"got unknown {kind} {name!r}; allowed: {', '.join(names)}{hint}"
