"""The cells of an experiment's grid."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from selip.experiments.catalogue import find_ablation, find_benchmark, find_method
from selip.experiments.config import ExperimentConfig
from selip.experiments.experiment_file import with_overrides
from selip.records.record import cell_label
from selip.system.files import content_hash
from selip.system.mappings import to_mapping
from selip.training.method import Method
from selip.training.settings import RunConfig

if TYPE_CHECKING:
    from selip.experiments.experiment_cohorts import Cohorts


Cell = tuple[Method, str, int, RunConfig]
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


def cells_of(config: ExperimentConfig) -> list[Cell]:
    """`grid` with the methods themselves."""
    return [(find_method(method), *rest) for method, *rest in grid(config)]


def grid(config: ExperimentConfig) -> list[tuple[str, str, int, RunConfig]]:
    """Method, ablation, seed and configuration of every cell, seed by seed, so that a part is a fair comparison too.

    Raises:
        InputError: For settings of a method that is not registered, or that it does not have.
    """
    run = _settled(config.run)
    rows = [(method, "", run) for method in config.methods]
    for name in config.ablations:
        ablation = find_ablation(name)
        rows.append((ablation.method, name, _settled(with_overrides(run, ablation.overrides))))
    return [(method, ablation, seed, run) for seed in config.seeds for method, ablation, run in rows]


def _settled(run: RunConfig) -> RunConfig:
    """`run` with the given settings of methods as their types have them, so that 1, 1.0 and 1e0 are one run."""
    own = {name: to_mapping(find_method(name).settings_in(run)) for name in run.methods}
    given = {name: {key: own[name][key] for key in values} for name, values in run.methods.items()}
    return replace(run, methods=given)


def plan(config: ExperimentConfig, cohorts: Cohorts) -> list[Planned]:
    """The grid in the order it is run, with the ids of its records."""
    protocols = {name: find_benchmark(name).protocol_version for name in config.benchmarks}
    declared = {
        "contrasts": config.contrasts,
        "controls": tuple(two for one, two in config.contrasts if find_method(two).control_of == one),
    }
    cells = []
    for method, ablation, seed, run in grid(config):
        own = to_mapping(find_method(method).settings_in(run))
        about = [to_mapping(run), own, to_mapping(config.evaluation), method, ablation, seed, *cohorts.hashes]
        ids = {
            name: f"{cell_label(method, ablation, seed)}-{name}-{content_hash([*about, name, protocol])[:12]}"
            for name, protocol in protocols.items()
        }
        cells.append(Planned(method, ablation, seed, run, ids, {"settings": own, **declared}))
    return cells
