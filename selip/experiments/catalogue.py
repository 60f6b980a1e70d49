"""What is registered, by name: with cli.py and experiment.py the composition root."""

from __future__ import annotations

from itertools import chain
from pathlib import Path

import benchmarks
from baselines import METHODS
from baselines.ablations import Ablation, all_ablations
from benchmarks import BENCHMARKS
from benchmarks.benchmark import Benchmark
from selip.cohorts import COHORTS
from selip.experiments.cohort_building import find_cohort
from selip.experiments.config import ExperimentConfig
from selip.experiments.experiment_file import read_experiment
from selip.system.errors import InputError
from selip.system.registry import load, registered, unknown
from selip.training.method import Method

EXPERIMENTS = Path(benchmarks.__file__).parent / "experiments"


def experiment_file(name: str) -> Path:
    """File of a packaged experiment, or `name` itself when it is a .yaml file.

    Raises:
        InputError: When it is neither.
    """
    known = {path.stem: path for path in sorted(EXPERIMENTS.glob("*.yaml"))}
    if name in known:
        return known[name]
    if Path(name).suffix in {".yaml", ".yml"}:
        return Path(name)
    raise InputError(f"{unknown('experiment', name, known)}, or a .yaml file")


def find_method(name: str) -> Method:
    """The registered method `name`."""
    method: Method = load(METHODS, "selip.methods", name)
    return method


def find_benchmark(name: str) -> Benchmark:
    """The registered benchmark `name`."""
    benchmark: Benchmark = load(BENCHMARKS, "selip.benchmarks", name)
    return benchmark


def find_ablation(name: str) -> Ablation:
    """The registered ablation `name`.

    Raises:
        InputError: When there is none.
    """
    known = all_ablations()
    if name not in known:
        raise InputError(unknown("ablation", name, known))
    return known[name]


def check_names(config: ExperimentConfig) -> None:
    """Raises InputError for a name that is not registered, and for an ablation without its method."""
    for benchmark in config.benchmarks:
        find_benchmark(benchmark)
    for method in (*config.methods, *chain.from_iterable(config.contrasts)):
        find_method(method)
    for name in config.ablations:
        ablation = find_ablation(name)
        if ablation.method not in config.methods:
            raise InputError(
                f"got ablation {name} without the method {ablation.method}, which it is compared to; add it to methods"
            )
    for cohort in (config.cohort, config.transfer, config.evaluate_on):
        if cohort and not cohort.path:
            find_cohort(cohort.name)


def listing(what: str) -> list[dict[str, str]]:
    """Name, summary and source of everything registered as `what`."""
    if what == "ablations":
        return [
            {"name": name, "summary": one.summary, "source": ", ".join(one.overrides)}
            for name, one in all_ablations().items()
        ]
    if what == "experiments":
        configs = [read_experiment(path) for path in sorted(EXPERIMENTS.glob("*.yaml"))]
        return [{"name": one.name, "summary": one.summary, "source": f"{one.name}.yaml"} for one in configs]
    registry = {"methods": METHODS, "benchmarks": BENCHMARKS, "cohorts": COHORTS}[what]
    group = f"selip.{what}"
    found = [load(registry, group, name) for name in registered(registry, group)]
    return [{"name": one.name, "summary": one.summary, "source": one.source} for one in found]
