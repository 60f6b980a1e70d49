"""Experiment files and `key=value` overrides to configurations, and the grid of runs that one stands for.

`methods: all`, `benchmarks: all` and `ablations: all` stand for everything that is registered when the file is read,
ablations of the experiment's methods; a run's own config.yaml holds the names.

An experiment file may end in `profiles:`, settings by cohort profile that are laid over the others when the experiment
is run on that profile, as a small model for the small profile.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from selip.experiments.catalogue import find_ablation, find_benchmark, find_method, registered_names
from selip.experiments.config import CohortConfig, EvaluateOnConfig, ExperimentConfig
from selip.experiments.setting_grid import with_trials
from selip.records.record import TuningFacts, cell_label
from selip.system.errors import InputError
from selip.system.files import content_hash, file_hash
from selip.system.mappings import apply_override, from_mapping, merged, read_mapping, refuse_unknown, to_mapping
from selip.training.settings import RunConfig, identified

if TYPE_CHECKING:
    from selip.experiments.cohorts import Cohorts
    from selip.training.method import Method

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
    swept = [override for override in overrides if is_swept(override)]
    for override in overrides:
        if override not in swept:
            apply_override(values, override, expand)
    config = from_mapping(ExperimentConfig, _named(values))
    return with_grid(config, swept) if swept else config


def is_swept(override: str) -> bool:
    """True for several values of one setting of a run, as training.steps=100,200; a list stands in brackets."""
    key, _, text = override.partition("=")
    return expand(key).startswith("run.") and "," in text and text[:1] not in "[{\"'"


def with_grid(config: ExperimentConfig, swept: Sequence[str]) -> ExperimentConfig:
    """`config` with a cell for each combination of the values of `swept` overrides."""
    pairs = (override.partition("=") for override in swept)
    return with_trials(config, {expand(key).removeprefix("run."): text for key, _, text in pairs})


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
    """The mapping of contrasts of "{T1c: T1, DWI: null}"; raises InputError when it is no mapping of contrasts."""
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


GridCell = tuple["Method", str, int, RunConfig]
"""Method, ablation, seed and configuration of a run."""


@dataclass(frozen=True)
class Planned:
    """One cell of the grid: a method, an ablation or none, and a seed, with the record that each benchmark will leave.

    Attributes:
        method: Name of the method.
        ablation: Name of the ablation, "" for none.
        seed: Seed.
        config: Configuration of the run, the ablation's change in it.
        record_ids: Benchmark name to run id.
        facts: Fields of its records that the experiment and the method decide: settings, contrasts, controls.
    """

    method: str
    ablation: str
    seed: int
    config: RunConfig
    record_ids: dict[str, str]
    facts: dict[str, Any]

    @property
    def label(self) -> str:
        """Its name in messages and files."""
        return cell_label(self.method, self.ablation, self.seed)

    @property
    def checkpoint(self) -> str:
        """File name of its checkpoint; the same for every benchmark."""
        return f"{self.label}.safetensors"


def cells_of(config: ExperimentConfig) -> list[GridCell]:
    """`grid` with the methods themselves."""
    return [(find_method(method), ablation, seed, run) for method, ablation, seed, run in grid(config)]


def grid(config: ExperimentConfig) -> list[tuple[str, str, int, RunConfig]]:
    """Method, ablation, seed and configuration of every cell, seed by seed, so that a part is a fair comparison too.

    Raises:
        InputError: For settings of a method that is not registered, or that it does not have.
    """
    rows = [(method, "", _run_of(config, method)) for method in config.methods]
    for name in config.ablations:
        ablation = find_ablation(name)
        rows.append((ablation.method, name, _run_of(config, ablation.method, ablation.overrides)))
    rows += [(one.method, one.name, _run_of(config, one.method, _as_overrides(one.settings))) for one in config.trials]
    return [(method, ablation, seed, run) for seed in config.seeds for method, ablation, run in rows]


def _run_of(config: ExperimentConfig, method: str, overrides: Sequence[str] = ()) -> RunConfig:
    """The configuration of a run of `method`: the experiment's, the recipe's own, what was tuned, then `overrides`."""
    tuned = config.tuned.methods.get(method) if config.tuned else None
    chosen = _as_overrides(tuned.settings) if tuned else []
    return _settled(with_overrides(config.run, [*find_method(method).overrides, *chosen, *overrides]))


def _as_overrides(settings: Mapping[str, Any]) -> list[str]:
    return [f"{key}={value}" for key, value in settings.items()]


def _settled(run: RunConfig) -> RunConfig:
    """`run` with the given settings of methods as their types have them, so that 1, 1.0 and 1e0 are one run."""
    own = {name: to_mapping(find_method(name).settings_in(run)) for name in run.methods}
    given = {name: {key: own[name][key] for key in values} for name, values in run.methods.items()}
    return replace(run, methods=given)


def plan(config: ExperimentConfig, cohorts: Cohorts) -> list[Planned]:
    """The grid with the ids of its records; what trains nothing is run first of it."""
    protocols = {name: find_benchmark(name).protocol_version for name in config.benchmarks}
    declared = {
        "contrasts": config.contrasts,
        "controls": tuple(two for one, two in config.contrasts if find_method(two).control_of == one),
        "part": config.part,
        "terms": content_hash({**to_mapping(config.run), "methods": {}}),
    }
    cells = []
    for method, ablation, seed, run in grid(config):
        own = to_mapping(find_method(method).settings_in(run))
        scoring = [to_mapping(config.evaluation), config.part]
        settings = identified(to_mapping(run), file_hash(run.model.init))
        about = [settings, own, *scoring, method, ablation, seed, *cohorts.hashes]
        ids = {
            name: f"{cell_label(method, ablation, seed)}-{name}-{content_hash([*about, name, protocol])[:12]}"
            for name, protocol in protocols.items()
        }
        facts = {"settings": own, **declared, "tuning": _tuning_of(config, method)}
        cells.append(Planned(method, ablation, seed, run, ids, facts))
    return cells


def _tuning_of(config: ExperimentConfig, method: str) -> TuningFacts | None:
    """The account of how the settings of a method were tuned; None when they were not."""
    tuning = config.tuned
    found = tuning.methods.get(method) if tuning else None
    if tuning is None or found is None:
        return None
    cohort = tuning.cohort.path or f"{tuning.cohort.name} {tuning.cohort.profile}, seed {tuning.cohort.seed}"
    return TuningFacts(
        cohort=cohort, seeds=tuning.seeds, score=tuning.score, settings=found.settings, edges=found.edges,
        chosen=found.chosen, trials=found.trials,
    )  # fmt: skip
