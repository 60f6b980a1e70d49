"""The cohorts of an experiment, made by their registered names: trained on, scored, and a second one for transfer."""

from __future__ import annotations

import math
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from selip.data.cohort import Cohort
from selip.data.cohort_check import check_parts, check_same_grid, refuse_shared_collections
from selip.data.contrast_mapping import ContrastReading, resolve_reading, without_left_out
from selip.data.folds import fold_cohort, patient_folds
from selip.data.leakage_audit import AuditFacts, cohort_audit, crossing_audit
from selip.experiments.catalogue import find_cohort
from selip.experiments.config import CohortConfig, EvaluateOnConfig, ExperimentConfig
from selip.system.errors import InputError
from selip.system.progress import Report
from selip.training.regime import regime_facts
from selip.training.settings import RunConfig

MAX_VOXELS = 2**27  # 512 voxels along each edge

GridSize = tuple[tuple[int, int, int], tuple[float, float, float]]


def open_or_build(config: CohortConfig, folder: Path, report: Report) -> Cohort:
    """The named folder, or a generated cohort that is built in `folder` when it is not there yet.

    Raises:
        InputError: When it cannot be opened or generated.
    """
    if config.path:
        return Cohort.open(config.path)
    if not folder.exists():
        report.line(f"building cohort {config.name} {config.profile} in {folder}")
        build_cohort(config, folder, report)
    try:
        return Cohort.open(folder)
    except InputError as error:
        raise InputError(f"{error}: delete {folder}, and --resume builds it") from error


def build_cohort(config: CohortConfig, out: Path, report: Report, workers: int = 0, device: str = "cpu") -> Cohort:
    """Generates a registered cohort into `out`; `workers` processes, 0 for one a core, never change the bytes.

    Raises:
        InputError: When the cohort cannot be generated, or not on this device.
    """
    source = find_cohort(config.name)
    if source.build is None:
        raise InputError(f"got cohort {config.name!r}, which is not generated; use 'selip cohort import {config.name}'")
    if config.settings and not source.has_settings:
        raise InputError(f"got settings {', '.join(config.settings)} for cohort {config.name!r}; leave them out")
    if device != "cpu" and not source.on_device:
        raise InputError(f"got device {device!r} for cohort {config.name!r}; leave --device out")
    options = "" if config.patients is None else f" --patients {config.patients}"
    options += "" if device == "cpu" else f" --device {device}"
    options += "".join(f" {shlex.quote(f'{key}={value}')}" for key, value in config.settings.items())
    command = f"selip cohort build {config.name} --profile {config.profile} --seed {config.seed}{options} --out DIR"
    return source.build(
        config.profile,
        config.seed,
        out,
        patients=config.patients,
        workers=workers,
        command=command,
        progress=lambda done, total: report.count("studies", done, total, ""),
        **({} if device == "cpu" else {"device": device}),
        **config.settings,
    )


def import_cohort(
    name: str,
    source: Path,
    out: Path,
    grid: GridSize,
    report: Report,
    **options: Any,  # noqa: ANN401 (root, and the fields of selip.cohorts.importing.import_plan.Recipe)
) -> Cohort:
    """Imports what the user has into `out`; options that are None are left to the cohort.

    Raises:
        InputError: When the cohort cannot be imported, something in `source` is wrong, or no study came through.
    """
    cohort = find_cohort(name)
    if cohort.import_from is None:
        raise InputError(f"got cohort {name!r}, which is not imported; use 'selip cohort build {name}'")
    shape, spacing_mm = grid
    return cohort.import_from(
        source,
        out,
        shape=shape,
        spacing_mm=spacing_mm,
        progress=lambda done, total: report.count("studies", done, total, ""),
        say=report.line,
        **{name: value for name, value in options.items() if value is not None},
    )


def rebuild_command(arguments: Sequence[str]) -> str:
    """The `selip` command of these arguments without --workers, which changes no byte of a cohort."""
    kept = [
        argument
        for before, argument in zip(("", *arguments), arguments, strict=False)
        if before != "--workers" and not argument.startswith("--workers")
    ]
    return shlex.join(["selip", *kept])


def grid_like(path: Path) -> GridSize:
    """Grid of a cohort folder or of a checkpoint's cohort."""
    if path.is_dir():
        info = Cohort.open(path).info
        return info.shape, info.spacing_mm
    from selip.models.dual_encoder import load_checkpoint

    _, facts = load_checkpoint(path)
    return facts.shape, facts.spacing_mm


def parse_grid(shape: str, spacing_mm: str) -> GridSize:
    """Grid of "64,64,24" and "3,3.5,6"; raises InputError when either is not three positive numbers."""
    try:
        voxels = tuple(int(part) for part in shape.split(","))
        edges = tuple(float(part) for part in spacing_mm.split(","))
    except ValueError:
        voxels, edges = (), ()
    if len(voxels) != 3 or len(edges) != 3 or min(*voxels, *edges) <= 0 or math.prod(voxels) > MAX_VOXELS:
        raise InputError(
            f"got --shape {shape} --spacing-mm {spacing_mm}; give three positive numbers each, as 64,64,24, "
            f"and at most {MAX_VOXELS} voxels"
        )
    return voxels, edges


@dataclass(frozen=True)
class Cohorts:
    """The cohorts of an experiment.

    Attributes:
        trained_on: Its train part trains, its val part chooses the step. It is scored too, without `evaluate_on`.
        transfer: The second cohort, for tasks of transfer; None leaves them out.
        evaluate_on: The cohort that is scored in place of `trained_on`, less what `reading` leaves out; or None.
        reading: How the model reads the contrasts of `evaluate_on`; empty without it.
    """

    trained_on: Cohort
    transfer: Cohort | None = None
    evaluate_on: Cohort | None = None
    reading: ContrastReading = field(default_factory=dict)

    @property
    def scored(self) -> Cohort:
        """The cohort that benchmarks fit on and score."""
        return self.evaluate_on or self.trained_on

    @property
    def hashes(self) -> list[Any]:
        """Hashes that the ids of runs depend on."""
        first, second = self.trained_on.info, self.transfer
        found: list[Any] = [first.content_hash, first.split_fingerprint, second.info.content_hash if second else ""]
        if self.evaluate_on:
            info = self.evaluate_on.info
            found.append([info.content_hash, info.split_fingerprint, self.reading])
        return [*found, self.scored.fold] if self.scored.fold else found


def open_cohorts(config: ExperimentConfig, out: Path, report: Report) -> Cohorts:
    """Opens the cohorts of an experiment; those that are generated are built in `out` when they are not there.

    Raises:
        InputError: When one cannot be opened, or a contrast of `evaluate_on` is not known to training nor mapped.
    """
    cohort = open_or_build(config.cohort, out / "cohort", report)
    transfer = open_or_build(config.transfer, out / "transfer", report) if config.transfer else None
    if config.evaluate_on is None:
        return Cohorts(_of_fold(cohort, config, config.cohort.seed), transfer)
    scored = open_or_build(config.evaluate_on, out / "evaluate_on", report)
    reading = _reading(cohort, scored, config.evaluate_on)
    scored = _of_fold(without_left_out(scored, reading), config, config.evaluate_on.seed)
    return Cohorts(cohort, transfer, scored, reading)


def _of_fold(cohort: Cohort, config: ExperimentConfig, seed: int) -> Cohort:
    """The cohort with the parts of the experiment's fold, as it is without one."""
    folds = patient_folds(cohort, config.folds, seed) if config.fold else None
    return fold_cohort(cohort, folds, config.fold, seed) if folds else cohort


def _reading(cohort: Cohort, scored: Cohort, config: EvaluateOnConfig) -> ContrastReading:
    known = cohort.volumes.iloc[cohort.rows("train")]["contrast"]
    return resolve_reading(known, scored, config.contrasts)


def check_given(config: ExperimentConfig) -> None:
    """Opens the cohorts that are given as folders, before anything is written.

    Raises:
        InputError: When one is none, or both are and a contrast of `evaluate_on` is neither known nor mapped.
    """
    cohort = Cohort.open(config.cohort.path) if config.cohort.path else None
    if config.evaluate_on and config.evaluate_on.path:
        scored = Cohort.open(config.evaluate_on.path)
        if cohort:
            _reading(cohort, scored, config.evaluate_on)


def check_cohorts(cohorts: Cohorts, allow_overlap: bool = False) -> None:
    """Checks parts and grids before anything is trained in vain; of `evaluate_on` only the test part must be there.

    Raises:
        InputError: For an empty part, another grid, or evaluation on what is trained on or of the same collection.
    """
    for other in () if allow_overlap else (cohorts.transfer, cohorts.evaluate_on):
        refuse_shared_collections(cohorts.trained_on, other)
    for one in (cohorts.trained_on, cohorts.transfer):
        if one:
            check_parts(one)
    if cohorts.transfer:
        check_same_grid(cohorts.trained_on, cohorts.transfer)
    if cohorts.evaluate_on:
        check_parts(cohorts.evaluate_on, ("test",))
        check_same_grid(cohorts.trained_on, cohorts.evaluate_on, "evaluate_on")
        if cohorts.evaluate_on.info.content_hash == cohorts.trained_on.info.content_hash:
            raise InputError(
                f"got evaluate_on {cohorts.evaluate_on.root}, the cohort that is trained on; "
                "leave evaluate_on out to score the test part of the training cohort"
            )


def audit_of(cohorts: Cohorts, run: RunConfig) -> AuditFacts:
    """Audit what the parts of each scored cohort share, and what each shares with the parts that training has seen.

    The regime is that of training under `run`.
    """
    scored = [one for one in (cohorts.scored, cohorts.transfer) if one]
    others = [one for one in (cohorts.evaluate_on, cohorts.transfer) if one]
    crossings = {one.root: crossing_audit(cohorts.trained_on, one) for one in others}
    names = {root: {"name": crossing.scored_on} for root, crossing in crossings.items()}  # told apart, as pages do
    audited = [cohort_audit(one).model_copy(update=names.get(one.root)) for one in scored]
    return AuditFacts(cohorts=audited, crossings=list(crossings.values()), regime=regime_facts(cohorts.trained_on, run))
