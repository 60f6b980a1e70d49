"""Experiment files and `key=value` overrides to configurations, and back to plain data.

An experiment file may end in `profiles:`, settings by cohort profile that are laid over the others when the experiment
is run on that profile, as a small model for the small profile.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar, get_args, get_type_hints

import yaml
from pydantic import TypeAdapter, ValidationError

from selip.experiments.config import CohortConfig, EvaluateOnConfig, ExperimentConfig, RunConfig
from selip.system.errors import InputError

T = TypeVar("T")


class _Loader(yaml.SafeLoader):
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


_Loader.yaml_implicit_resolvers = {
    first: [one for one in resolvers if one[0] != "tag:yaml.org,2002:bool" or first in "tTfF"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def from_mapping(kind: type[T], values: Mapping[str, Any], where: str = "") -> T:
    """`values` as a frozen dataclass.

    Raises:
        InputError: For an unknown key (with the nearest known one) or a value of the wrong type.
    """
    _refuse_unknown(kind, values, where)
    try:
        return TypeAdapter(kind).validate_python(dict(values))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join([where, *(str(part) for part in first["loc"])]).strip(".")
        raise InputError(f"got {key}={first['input']!r}; allowed: {first['msg'].lower()}") from error


def _refuse_unknown(kind: Any, values: Mapping[str, Any], where: str) -> None:  # noqa: ANN401
    if not isinstance(values, Mapping):
        raise InputError(f"got {where or 'a file'} that is not a mapping; allowed: key: value lines")
    hints = get_type_hints(kind)
    for key, value in values.items():
        path = f"{where}.{key}".strip(".")
        if key not in hints:
            near = difflib.get_close_matches(str(key), hints, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise InputError(f"got unknown key {path!r}; allowed: {', '.join(hints)}{hint}")
        part = next((one for one in (hints[key], *get_args(hints[key])) if is_dataclass(one)), None)
        if part and not (value is None and part is not hints[key]):
            _refuse_unknown(part, value, path)


def read_mapping(path: Path, what: str) -> dict[str, Any]:
    """The key: value lines of a YAML file; `what` it is, for the error.

    Raises:
        InputError: When the file is missing, or no YAML mapping.
    """
    try:
        values = yaml.load(path.read_text(), _Loader)
    except (OSError, UnicodeDecodeError, RecursionError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"got an unreadable {what} {path} ({reason}); allowed: a YAML file") from error
    if not isinstance(values, dict):
        raise InputError(f"got {path} that is not a mapping; allowed: key: value lines")
    return values


def read_experiment(path: Path, overrides: Sequence[str] = ()) -> ExperimentConfig:
    """Reads an experiment file and applies `key=value` overrides.

    Raises:
        InputError: When the file is missing, no YAML mapping, or a key or value is not allowed.
    """
    values = read_mapping(path, "experiment")
    profiles = values.pop("profiles", {})
    if not isinstance(profiles, Mapping) or not all(isinstance(over, Mapping) for over in profiles.values()):
        raise InputError(f"got profiles in {path} that are no mapping; allowed: profile: settings")
    _refuse_unknown(ExperimentConfig, values, "")
    for name, over in profiles.items():
        _refuse_unknown(ExperimentConfig, over, f"profiles.{name}")
    values = _merged(values, profiles.get(_profile(values, overrides), {}))
    for override in overrides:
        _apply(values, override)
    return from_mapping(ExperimentConfig, values)


def _profile(values: dict[str, Any], overrides: Sequence[str]) -> str:
    """The cohort profile that an experiment ends up with."""
    probe: dict[str, Any] = {"cohort": dict(values.get("cohort") or {})}
    for override in overrides:
        if _expand(override.partition("=")[0]) == "cohort.profile":
            _apply(probe, override)
    return str(probe["cohort"].get("profile", CohortConfig.profile))


def _merged(values: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`values` with the entries of `over` on top, mapping by mapping."""
    found = dict(values)
    for key, value in over.items():
        mapping = isinstance(value, Mapping) and isinstance(found.get(key), Mapping)
        found[key] = _merged(found[key], value) if mapping else value
    return found


def with_overrides(config: RunConfig, overrides: Sequence[str]) -> RunConfig:
    """`config` with `key=value` overrides applied, keys as `training.steps`.

    Raises:
        InputError: When a key or value is not allowed.
    """
    values = to_mapping(config)
    for override in overrides:
        _apply(values, override, expand=False)
    return from_mapping(RunConfig, values)


def parse_contrasts(text: str) -> dict[str, str | None]:
    """The mapping of contrasts of "{T1c: T1, DWI: null}".

    Raises:
        InputError: When it is no mapping of contrasts.
    """
    values: dict[str, Any] = {}
    _apply(values, f"contrasts={text}", expand=False)
    return from_mapping(EvaluateOnConfig, values).contrasts


def _apply(values: dict[str, Any], override: str, expand: bool = True) -> None:
    """Sets one `key=value`. Lists may be written a,b,c; a whole number of seeds means 0 to that number less one."""
    key, separator, text = override.partition("=")
    if not separator:
        raise InputError(f"got override {override!r}; allowed: key=value, as training.steps=200")
    *parents, last = (_expand(key) if expand else key).split(".")
    node = values
    for parent in parents:
        node = node.setdefault(parent, {})
        if not isinstance(node, dict):
            raise InputError(f"got override {override!r}, but {parent} has no parts; allowed: key=value")
    try:
        value = yaml.load(text, _Loader)
    except (RecursionError, yaml.YAMLError) as error:
        raise InputError(f"got override {override[:99]!r} with an unreadable value; allowed: key=value") from error
    if last == "seeds" and isinstance(value, int):
        value = list(range(value))
    elif last in {"methods", "benchmarks", "seeds", "ablations"} and not isinstance(value, list):
        value = text.split(",")
    node[last] = value


def parse_pairs(pairs: Sequence[str]) -> dict[str, Any]:
    """Values of `key=value` texts by key, read as YAML.

    Raises:
        InputError: When one is no such text.
    """
    found: dict[str, Any] = {}
    for pair in pairs:
        if "." in pair.partition("=")[0]:
            raise InputError(f"got {pair!r}; allowed: key=value, the key without a dot")
        _apply(found, pair, expand=False)
    return found


def _expand(key: str) -> str:
    """Full path of a short key: `profile` is cohort.profile, `training.steps` is run.training.steps."""
    head = key.split(".")[0]
    if head in {one.name for one in fields(ExperimentConfig)}:
        return key
    if head in {one.name for one in fields(RunConfig)}:
        return f"run.{key}"
    return f"cohort.{key}" if head in {"profile", "patients"} else key


def to_mapping(config: Any) -> dict[str, Any]:  # noqa: ANN401 (any of the dataclasses above)
    """A configuration as plain data: tuples become lists."""
    plain: dict[str, Any] = TypeAdapter(type(config)).dump_python(config, mode="json")
    return plain
