"""Catalogue of all that is registered, by name; nothing of it is imported before it is asked for."""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import benchmarks
from baselines import METHODS
from baselines.ablations import Ablation, all_ablations
from benchmarks import BENCHMARKS
from selip.cohorts import COHORTS
from selip.models.encoders import ENCODERS
from selip.system.errors import InputError
from selip.system.mappings import read_mapping
from selip.system.registry import Registry, check_registered, declared, described, load, registered, unknown

if TYPE_CHECKING:
    from benchmarks.benchmark import Benchmark
    from selip.cohorts.cohort_source import CohortSource
    from selip.experiments.config import ExperimentConfig
    from selip.models.encoder import EncoderKind
    from selip.training.method import Method

EXPERIMENTS = Path(benchmarks.__file__).parent / "experiments"
REGISTRIES: dict[str, tuple[Registry, str]] = {
    "methods": (METHODS, "selip.methods"),
    "benchmarks": (BENCHMARKS, "selip.benchmarks"),
    "cohorts": (COHORTS, "selip.cohorts"),
    "encoders": (ENCODERS, "selip.encoders"),
}
"""Registries with the entry-point group that third parties extend each by."""


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
    method: Method = load(*REGISTRIES["methods"], name)
    return method


def find_benchmark(name: str) -> Benchmark:
    """The registered benchmark `name`."""
    benchmark: Benchmark = load(*REGISTRIES["benchmarks"], name)
    return benchmark


def find_cohort(name: str) -> CohortSource:
    """The registered cohort `name`."""
    source: CohortSource = load(*REGISTRIES["cohorts"], name)
    return source


def find_encoder(name: str) -> EncoderKind:
    """The registered kind of encoder `name`."""
    kind: EncoderKind = load(*REGISTRIES["encoders"], name)
    return kind


def find_ablation(name: str) -> Ablation:
    """The registered ablation `name`; raises InputError when there is none."""
    known = all_ablations()
    if name not in known:
        raise InputError(unknown("ablation", name, known))
    return known[name]


def check_name(what: str, name: str) -> None:
    """Raises InputError when nothing of the registry `what`, as "methods", has that name."""
    check_registered(*REGISTRIES[what], name)


def registered_names(what: str) -> list[str]:
    """Names of all registered "methods", "benchmarks", "cohorts" or "ablations", those of third parties last."""
    return list(all_ablations()) if what == "ablations" else list(registered(*REGISTRIES[what]))


def protocol_versions() -> dict[str, str]:
    """The protocol version of each benchmark that is ours, which is not imported for it."""
    return {name: declared(target).get("protocol_version", "") for name, target in BENCHMARKS.items()}


def check_names(config: ExperimentConfig) -> None:
    """Raises InputError for a name that is not registered, an ablation without its method, a folder without a cohort.

    No method, benchmark or cohort is imported for that.
    """
    from selip.data.cohort import facts_file

    methods = (*config.methods, *chain.from_iterable(config.contrasts))
    for what, names in (("methods", methods), ("benchmarks", config.benchmarks)):
        for name in names:
            check_name(what, name)
    for name in config.ablations:
        ablation = find_ablation(name)
        if ablation.method not in config.methods:
            raise InputError(
                f"got ablation {name} without the method {ablation.method}, which it is compared to; add it to methods"
            )
    if config.run.model.init and not Path(config.run.model.init).is_file():
        raise InputError(f"got model.init={config.run.model.init}, no such file; name a file of weights")
    for cohort in (config.cohort, config.transfer, config.evaluate_on):
        if cohort and cohort.path:
            facts_file(Path(cohort.path))
        elif cohort:
            check_name("cohorts", cohort.name)


def listing(what: str) -> list[dict[str, str]]:
    """Name, summary and source of everything registered as `what`."""
    if what == "ablations":
        return [
            {"name": name, "summary": one.summary, "source": ", ".join(one.overrides)}
            for name, one in all_ablations().items()
        ]
    if what == "experiments":
        files = [(path.name, read_mapping(path, "experiment")) for path in sorted(EXPERIMENTS.glob("*.yaml"))]
        return [{"name": one["name"], "summary": one["summary"], "source": file} for file, one in files]
    return [
        {"name": one["name"], "summary": one["summary"], "source": _with_terms(one["source"], one.get("licence", ""))}
        for one in described(*REGISTRIES[what])
    ]


def _with_terms(source: str, licence: str) -> str:
    return f"{source} ({licence})" if licence else source
