"""YAML, plain mappings and `key=value` texts to frozen dataclasses, and back to plain data."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

import yaml
from pydantic import TypeAdapter, ValidationError

from selip.system.errors import InputError

T = TypeVar("T")
Key = TypeVar("Key", bound=Hashable)


class YamlLoader(yaml.SafeLoader):
    """YAML's safe loader, in which only true and false are boolean: `precision: no` and `flip: off` stay words.

    A key that a mapping has twice, of which YAML would take the last, is refused.
    """

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """As of the safe loader."""
        names = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise yaml.constructor.ConstructorError(None, None, f"key {twice!r} twice", node.start_mark)
        return super().construct_mapping(node, deep)


YamlLoader.yaml_implicit_resolvers = {
    first: [one for one in resolvers if one[0] != "tag:yaml.org,2002:bool" or first in "tTfF"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def from_mapping(kind: type[T], values: Mapping[str, Any], where: str = "") -> T:
    """`values` as a frozen dataclass.

    Raises:
        InputError: For an unknown key (with the nearest known one) or a value of the wrong type.
    """
    refuse_unknown(kind, values, where)
    try:
        return TypeAdapter(kind).validate_python(dict(values))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join([where, *(str(part) for part in first["loc"])]).strip(".")
        raise InputError(f"got {key}={first['input']!r}; allowed: {first['msg'].lower()}") from error


def refuse_unknown(kind: Any, values: Mapping[str, Any], where: str) -> None:  # noqa: ANN401
    """Raises InputError for a key that the dataclass `kind`, found at `where`, or one inside of it does not have."""
    if not isinstance(values, Mapping):
        raise InputError(f"got {where or 'a file'} that is not a mapping; write key: value lines")
    hints = get_type_hints(kind)
    for key, value in values.items():
        path = f"{where}.{key}".strip(".")
        if key not in hints:
            near = difflib.get_close_matches(str(key), hints, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise InputError(f"got unknown key {path!r}; allowed: {', '.join(hints) or 'none'}{hint}")
        for where_inside, part, inside in _parts(hints[key], value, path):
            refuse_unknown(part, inside, where_inside)


def _parts(hint: Any, value: Any, path: str) -> Iterator[tuple[str, Any, Any]]:  # noqa: ANN401
    """Path, dataclass and value of what is a dataclass by `hint`: `value` itself, or what a mapping or list holds."""
    if get_origin(hint) is dict and isinstance(value, Mapping):
        inside = [(f"{path}.{key}", one) for key, one in value.items()]
    elif get_origin(hint) is tuple and isinstance(value, Sequence) and not isinstance(value, str):
        inside = [(f"{path}.{number}", one) for number, one in enumerate(value)]
    else:
        inside = [] if value is None and not is_dataclass(hint) else [(path, value)]
    part = next((one for one in (hint, *get_args(hint)) if is_dataclass(one)), None)
    yield from ((where, part, one) for where, one in inside if part)


def read_mapping(path: Path, what: str) -> dict[str, Any]:
    """The key: value lines of a YAML file; `what` it is, for the error.

    Raises:
        InputError: When the file is missing, or no YAML mapping.
    """
    try:
        values = yaml.load(path.read_text(), YamlLoader)
    except (OSError, UnicodeDecodeError, RecursionError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"got an unreadable {what} {path} ({reason}); name a YAML file") from error
    if not isinstance(values, dict):
        raise InputError(f"got {path} that is not a mapping; write key: value lines")
    return values


def merged(values: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`values` with the entries of `over` on top, mapping by mapping."""
    found = dict(values)
    for key, value in over.items():
        mapping = isinstance(value, Mapping) and isinstance(found.get(key), Mapping)
        found[key] = merged(found[key], value) if mapping else value
    return found


def apply_override(values: dict[str, Any], override: str, expand: Callable[[str], str] = str) -> None:
    """Sets one `key=value`. Lists may be written a,b,c; a whole number of seeds means 0 to that number less one."""
    key, separator, text = override.partition("=")
    if not separator:
        raise InputError(f"got override {override!r}; write key=value, as training.steps=200")
    *parents, last = expand(key).split(".")
    node = values
    for parent in parents:
        node = node.setdefault(parent, {})
        if not isinstance(node, dict):
            raise InputError(f"got override {override!r}, but {parent} has no parts; leave the last one out")
    try:
        value = yaml.load(text, YamlLoader)
    except (RecursionError, yaml.YAMLError) as error:
        raise InputError(f"got override {override[:99]!r} with an unreadable value; write key=value") from error
    if last == "seeds" and isinstance(value, int):
        value = list(range(value))
    elif last in {"methods", "benchmarks", "seeds", "ablations"} and not isinstance(value, list):
        value = text.split(",")
    node[last] = value


def parse_pairs(pairs: Sequence[str]) -> dict[str, Any]:
    """Values of `key=value` texts by key, read as YAML; raises InputError when one is no such text."""
    found: dict[str, Any] = {}
    for pair in pairs:
        if "." in pair.partition("=")[0]:
            raise InputError(f"got {pair!r}; write key=value, the key without a dot")
        apply_override(found, pair)
    return found


def to_mapping(config: Any) -> dict[str, Any]:  # noqa: ANN401 (any of the dataclasses above)
    """A configuration as plain data: tuples become lists."""
    plain: dict[str, Any] = TypeAdapter(type(config)).dump_python(config, mode="json")
    return plain


def dotted(tree: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Values of a nested mapping by dotted name, as "selip.kl_weight"."""
    found: dict[str, Any] = {}
    for key, value in tree.items():
        found |= dotted(value, f"{before}{key}.") if isinstance(value, Mapping) else {f"{before}{key}": value}
    return found


def grouped(pairs: Iterable[tuple[Key, T]]) -> dict[Key, list[T]]:
    """Values by key, keys and values in the order in which they come."""
    found: dict[Key, list[T]] = {}
    for key, value in pairs:
        found.setdefault(key, []).append(value)
    return found
