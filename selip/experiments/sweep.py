"""Dose-response: an experiment run again at every dose of a factor, one factor at a time, all else as it is.

Each dose is an experiment of its own, in a folder of its own, with its own split: numbers of two doses never share a
table, their paired differences share a figure. A cohort that several doses have in common is built once.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import ExitStack, nullcontext, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

from leaderboards.scores.dose_response import BASE, CONTROL, DOSES, Dose, Sweep
from leaderboards.site.build import build_doses
from selip.experiments.catalogue import check_names
from selip.experiments.cohorts import open_or_build
from selip.experiments.config import CohortConfig, ExperimentConfig
from selip.experiments.executors.base import Counted, Execute
from selip.experiments.experiment import run_experiment
from selip.experiments.experiment_file import expand
from selip.experiments.run_directory import RunDirectory
from selip.system.errors import InputError
from selip.system.files import content_hash, write_atomically
from selip.system.mappings import apply_override, from_mapping, to_mapping
from selip.system.progress import Report
from selip.training.distributed import on_main

COHORTS = "cohorts"


def dosed(config: ExperimentConfig) -> dict[str, ExperimentConfig]:
    """The experiments of a sweep by name: "base", each factor=dose that differs from it, and the positive control.

    Raises:
        InputError: For a factor or a dose that is not allowed.
    """
    plain = replace(config, doses={}, positive_control=())
    found = {BASE: plain}
    for factor, doses in config.doses.items():
        for dose in doses:
            experiment = _with(plain, [f"{factor}={json.dumps(dose)}"])
            if experiment != plain:
                found[name_of(factor, dose)] = experiment
    if config.positive_control:
        found[CONTROL] = _with(plain, config.positive_control)
    return found


def name_of(factor: str, dose: object) -> str:
    """The folder of a dose."""
    return f"{factor}={dose}".replace("/", "_")


def _with(plain: ExperimentConfig, overrides: Sequence[str]) -> ExperimentConfig:
    values = to_mapping(plain)
    for override in overrides:
        apply_override(values, override, expand)
    return from_mapping(ExperimentConfig, values)


def run_sweep(
    config: ExperimentConfig, out: Path, resume: bool, command: Sequence[str], report: Report, execute: Execute,
    most: int | None = None,
) -> list[Path]:  # fmt: skip
    """Runs what is not done yet of every dose in `out`/doses, and writes the page of doses and differences.

    Arguments are those of `run_experiment`; `most` is over all doses.

    Returns:
        The files of the page of doses.

    Raises:
        InputError: For input that no run could use, or when runs failed; the other doses are done first.
    """
    check_names(config)
    experiments, counted, failures = dosed(config), Counted(execute, most), []
    claim = RunDirectory(out).claimed(config, resume, report.line)
    with ExitStack() as until_done:
        on_main(lambda: until_done.enter_context(claim))
        on_main(lambda: write_atomically(out / DOSES, _listed(config).model_dump_json(indent=1) + "\n"))
        for name, experiment in experiments.items():
            if counted.left == 0:
                break
            folder = out / "doses" / name
            report.line(f"dose {name}")
            on_main(partial(_share_cohort, experiment.cohort, out, folder, report))
            try:
                run_experiment(experiment, folder, True, command, report, counted, counted.left)
            except InputError as error:
                failures.append(f"{name}: {error}")
        with suppress(InputError) if failures else nullcontext():  # the failures say more than a page without records
            pages = on_main(lambda: build_doses(out))
    if failures:
        raise InputError(f"got {len(failures)} of {len(experiments)} doses with failures; {'; '.join(failures)}")
    return pages


def _share_cohort(cohort: CohortConfig, out: Path, folder: Path, report: Report) -> None:
    """Builds a generated cohort once for all doses that have it, and links it to where its experiment looks for it."""
    link = folder / "cohort"
    if cohort.path or link.exists():
        return
    built = out / COHORTS / content_hash(to_mapping(cohort))[:12]
    open_or_build(cohort, built, report)
    folder.mkdir(parents=True, exist_ok=True)
    link.symlink_to(Path("..", "..", COHORTS, built.name), target_is_directory=True)


def _listed(config: ExperimentConfig) -> Sweep:
    """Lists what the page of doses needs to know of the sweep beside its records."""
    names = dosed(config)
    doses = tuple(
        Dose(factor=factor, dose=str(dose), folder=name_of(factor, dose) if name_of(factor, dose) in names else BASE)
        for factor, values in config.doses.items()
        for dose in values
    )
    return Sweep(
        name=config.name, summary=config.summary, doses=doses, contrasts=config.contrasts,
        positive_control=config.positive_control,
    )  # fmt: skip
