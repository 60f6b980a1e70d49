"""Look-up by name in plain-dict registries, extended by third parties through entry points; nothing is imported early.

A registry maps a name to "module:ATTRIBUTE". What a plug-in says of itself in plain text (name, summary, source, as
keywords of the call that makes it) is read from its file, so that listing many costs no import of torch.
"""

from __future__ import annotations

import ast
import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from selip.system.errors import InputError

Registry = Mapping[str, str]
SAID = ("name", "summary", "source")
"""What every plug-in says of itself; a cohort says its licence too."""


def registered(registry: Registry, group: str) -> dict[str, str]:
    """`registry`, then the entry points of `group` ("selip.methods", "selip.cohorts", ...).

    Names are to "module:ATTRIBUTE"; a built-in one is never replaced by a third party's.
    """
    return dict(registry) | {one.name: one.value for one in entry_points(group=group) if one.name not in registry}


def check_registered(registry: Registry, group: str, name: str) -> str:
    """The "module:ATTRIBUTE" of what is registered under `name`, which is not imported.

    Raises:
        InputError: When nothing has that name.
    """
    known = registered(registry, group)
    if name not in known:
        raise InputError(unknown(group.removeprefix("selip.").removesuffix("s"), name, known))
    return known[name]


def load(registry: Registry, group: str, name: str) -> Any:  # noqa: ANN401 (each registry has its own type)
    """The object registered under `name`; raises InputError when nothing has that name."""
    module, _, attribute = check_registered(registry, group, name).partition(":")
    return getattr(import_module(module), attribute)


def unknown(kind: str, name: str, allowed: Iterable[str]) -> str:
    """One line for an unknown name, with the nearest known one."""
    names = sorted(allowed)
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return f"got unknown {kind} {name!r}; allowed: {', '.join(names)}{hint}"


def described(registry: Registry, group: str) -> Iterator[dict[str, str]]:
    """Facts that each registered plug-in declares; only a third party's, or one that computes it, is imported."""
    for name, target in registered(registry, group).items():
        found = declared(target) if name in registry else {}
        if not found.keys() >= {*SAID}:
            plugin = load(registry, group, name)
            found = {key: getattr(plugin, key, "") for key in (*SAID, "licence")}
        yield found


def declared(target: str) -> dict[str, str]:
    """The texts among the keywords of the call that "module:ATTRIBUTE" is assigned; the module is not imported.

    A name that is handed to that call stands for what it is assigned: COHORT = adapter_source(ADAPTER).
    """
    module, _, attribute = target.partition(":")
    return _keywords(attribute, _Source.of(module))


@dataclass(frozen=True)
class _Source:
    """The top level of a module's text: what its names are assigned, and from which module they are imported."""

    values: Mapping[str, ast.expr]
    origins: Mapping[str, str]

    @classmethod
    @cache
    def of(cls, module: str) -> _Source:
        spec = find_spec(module)
        body = ast.parse(Path(spec.origin).read_text(encoding="utf-8")).body if spec and spec.origin else []
        values = {name.id: one.value for one in body if isinstance(one, ast.Assign) for name in _names(one)}
        imports = (one for one in body if isinstance(one, ast.ImportFrom) and one.module and not one.level)
        return cls(values, {alias.name: one.module or "" for one in imports for alias in one.names})

    def text(self, value: ast.expr) -> str | None:
        """The text of a literal, an f-string or a name; None when it is another thing."""
        if isinstance(value, ast.Name):
            return self.named(value.id)
        if isinstance(value, ast.JoinedStr):
            parts = [self.text(one.value if isinstance(one, ast.FormattedValue) else one) for one in value.values]
            return None if None in parts else "".join(map(str, parts))
        return value.value if isinstance(value, ast.Constant) and isinstance(value.value, str) else None

    def named(self, name: str) -> str | None:
        """The text that a name stands for, here or in the module that it is imported from."""
        if name in self.values:
            return self.text(self.values[name])
        return _Source.of(self.origins[name]).named(name) if name in self.origins else None


def _names(assignment: ast.Assign) -> list[ast.Name]:
    return [one for one in assignment.targets if isinstance(one, ast.Name)]


def _keywords(name: str, source: _Source) -> dict[str, str]:
    """Texts among the keywords of the call that is assigned to `name`, or of the call whose name it is given."""
    call, found = source.values.get(name), dict[str, str]()
    if isinstance(call, ast.Call):
        for argument in call.args:
            found |= _keywords(argument.id, source) if isinstance(argument, ast.Name) else {}
        texts = {one.arg: source.text(one.value) for one in call.keywords if one.arg}
        found |= {key: text for key, text in texts.items() if text is not None}
    return found
