"""Grids of settings in Hydra's comma syntax: `training.steps=100,200` is two runs of every method."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from typing import Any

import yaml

from selip.experiments.catalogue import find_method
from selip.experiments.config import ExperimentConfig, Trial
from selip.system.errors import InputError
from selip.system.mappings import dotted, to_mapping


def trials_of(config: ExperimentConfig, swept: dict[str, str]) -> tuple[Trial, ...]:
    """The cells of a grid for each method, less what is the experiment's own: that is the plain row of the method.

    A method has no cells over settings of another one.

    Args:
        config: The experiment.
        swept: Key of a run setting to its values, as the user typed them.

    Raises:
        InputError: For a value that is missing, or one that is there twice.
    """
    values = {key: _values(key, text) for key, text in swept.items()}
    found: dict[tuple[str, str], Trial] = {}
    for method in config.methods:
        settings = {method: to_mapping(find_method(method).settings_in(config.run))}
        own = dotted(to_mapping(config.run)) | dotted({"methods": settings})
        for cell in product(*values.values()):
            mine = {key: one for key, one in zip(values, cell, strict=True) if _is_of(key, method)}
            changed = {key: one for key, one in mine.items() if own.get(key) != one}
            name = ",".join(f"{_short(key, values)}={one}" for key, one in changed.items()).replace("/", "_")
            if changed:
                found[method, name] = Trial(name, method, mine)
    return tuple(found.values())


def _is_of(key: str, method: str) -> bool:
    return not key.startswith("methods.") or key.split(".")[1] == method


def _short(key: str, keys: Sequence[str] | dict[str, Any]) -> str:
    """The last word of a key, or all of it where another key ends in that word too."""
    last = key.rpartition(".")[2]
    return last if sum(one.rpartition(".")[2] == last for one in keys) == 1 else key


def _values(key: str, text: str) -> list[Any]:
    found = [yaml.safe_load(one) for one in text.split(",")]
    found = [_number(one) for one in found]
    if None in found or len({str(one) for one in found}) < len(found):
        raise InputError(f"got {key}={text}; give values with a comma between them, each once")
    return found


def _number(value: Any) -> Any:  # noqa: ANN401 (YAML has 1e-3 as a text)
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value


def with_trials(config: ExperimentConfig, swept: dict[str, str]) -> ExperimentConfig:
    """`config` with the cells of a grid beside its methods."""
    if config.doses or config.trials:
        raise InputError(f"got {', '.join(swept)} with several values in a sweep of doses; leave one of the two out")
    return replace(config, trials=trials_of(config, swept))
