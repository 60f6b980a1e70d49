"""Experiment files and `key=value` overrides to configurations.

`methods: all`, `benchmarks: all` and `ablations: all` stand for everything that is registered when the file is read,
ablations of the experiment's methods; a run's own config.yaml holds the names.

An experiment file may end in `profiles:`, settings by cohort profile that are laid over the others when the experiment
is run on that profile, as a small model for the small profile.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from selip.experiments.catalogue import find_ablation, registered_names
from selip.experiments.config import CohortConfig, EvaluateOnConfig, ExperimentConfig
from selip.system.errors import InputError
from selip.system.mappings import (
    apply_override,
    from_mapping,
    merged,
    read_mapping,
    refuse_unknown,
    to_mapping,
)
from selip.training.settings import RunConfig

GRID = ("methods", "benchmarks", "ablations")


def read_experiment(path: Path, overrides: Sequence[str] = ()) -> ExperimentConfig:
    """Reads an experiment file and applies `key=value` overrides.

    Raises:
        InputError: When the file is missing, no YAML mapping, or a key or value is not allowed.
    """
    values = read_mapping(path, "experiment")
    profiles = values.pop("profiles", {})
    if not isinstance(profiles, Mapping) or not all(isinstance(over, Mapping) for over in profiles.values()):
        raise InputError(f"got profiles in {path} that are no mapping; allowed: profile: settings")
    refuse_unknown(ExperimentConfig, values, "")
    for name, over in profiles.items():
        refuse_unknown(ExperimentConfig, over, f"profiles.{name}")
    values = merged(values, profiles.get(_profile(values, overrides), {}))
    for override in overrides:
        apply_override(values, override, expand)
    return from_mapping(ExperimentConfig, _named(values))


def _named(values: Mapping[str, Any]) -> dict[str, Any]:
    """`values` with the names that `all` stands for; of ablations those of the methods."""
    every = {key: registered_names(key) for key in GRID if values.get(key) in ("all", ["all"])}
    if "ablations" in every:
        methods = every.get("methods", values.get("methods", ExperimentConfig.methods))
        every["ablations"] = [name for name in every["ablations"] if find_ablation(name).method in methods]
    return {**values, **every}


def _profile(values: dict[str, Any], overrides: Sequence[str]) -> str:
    """The cohort profile that an experiment ends up with."""
    probe: dict[str, Any] = {"cohort": dict(values.get("cohort") or {})}
    for override in overrides:
        if expand(override.partition("=")[0]) == "cohort.profile":
            apply_override(probe, override, expand)
    return str(probe["cohort"].get("profile", CohortConfig.profile))


def with_overrides(config: RunConfig, overrides: Sequence[str]) -> RunConfig:
    """`config` with `key=value` overrides applied, keys as `training.steps`.

    Raises:
        InputError: When a key or value is not allowed.
    """
    if not overrides:
        return config
    values = to_mapping(config)
    for override in overrides:
        apply_override(values, override)
    return from_mapping(RunConfig, values)


def parse_contrasts(text: str) -> dict[str, str | None]:
    """The mapping of contrasts of "{T1c: T1, DWI: null}".

    Raises:
        InputError: When it is no mapping of contrasts.
    """
    values: dict[str, Any] = {}
    apply_override(values, f"contrasts={text}")
    return from_mapping(EvaluateOnConfig, values).contrasts


def expand(key: str) -> str:
    """Full path of a short key: `profile` is cohort.profile, `methods.clip.margin` is run.methods.clip.margin."""
    head, dot, _ = key.partition(".")
    if head == "methods" and dot:
        return f"run.{key}"
    if head in {one.name for one in fields(ExperimentConfig)}:
        return key
    if head in {one.name for one in fields(RunConfig)}:
        return f"run.{key}"
    return f"cohort.{key}" if head in {"profile", "patients"} else key
