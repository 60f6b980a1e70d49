"""The cohorts of an experiment: what is trained on, what is scored, and a second one for tasks of transfer."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from selip.data.cohort import Cohort
from selip.data.cohort_check import check_parts, check_same_grid
from selip.data.contrast_mapping import Reading, resolve_reading, without_left_out
from selip.data.leakage_audit import AuditFacts, cohort_audit, crossing_audit
from selip.experiments.cohort_building import open_or_build
from selip.experiments.config import EvaluateOnConfig, ExperimentConfig
from selip.system.errors import InputError
from selip.system.progress import Report


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
    reading: Reading = field(default_factory=dict)

    @property
    def scored(self) -> Cohort:
        """The cohort that benchmarks fit on and score."""
        return self.evaluate_on or self.trained_on

    @property
    def synthetic(self) -> bool:
        """True when the scored cohort, or the one behind the model, is simulated."""
        return self.scored.info.synthetic or self.trained_on.info.synthetic

    @property
    def hashes(self) -> list[Any]:
        """Hashes that the ids of runs depend on."""
        first, second = self.trained_on.info, self.transfer
        found: list[Any] = [first.content_hash, first.split_fingerprint, second.info.content_hash if second else ""]
        if self.evaluate_on:
            info = self.evaluate_on.info
            found.append([info.content_hash, info.split_fingerprint, self.reading])
        return found


def open_cohorts(config: ExperimentConfig, out: Path, report: Report) -> Cohorts:
    """Opens the cohorts of an experiment; those that are generated are built in `out` when they are not there.

    Raises:
        InputError: When one cannot be opened, or a contrast of `evaluate_on` is neither known to training nor mapped.
    """
    cohort = open_or_build(config.cohort, out / "cohort", report)
    transfer = open_or_build(config.transfer, out / "transfer", report) if config.transfer else None
    if config.evaluate_on is None:
        return Cohorts(cohort, transfer)
    scored = open_or_build(config.evaluate_on, out / "evaluate_on", report)
    reading = _reading(cohort, scored, config.evaluate_on)
    return Cohorts(cohort, transfer, without_left_out(scored, reading), reading)


def _reading(cohort: Cohort, scored: Cohort, config: EvaluateOnConfig) -> Reading:
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


def check_cohorts(cohorts: Cohorts) -> None:
    """Checks parts and grids before anything is trained in vain; of `evaluate_on` only the test part must be there.

    Raises:
        InputError: For an empty part, another grid, or a cohort that is evaluated on although it is trained on.
    """
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


def audit_of(cohorts: Cohorts) -> AuditFacts:
    """Audit what the parts of each scored cohort share, and what each shares with the parts that training has seen."""
    scored = [one for one in (cohorts.scored, cohorts.transfer) if one]
    others = [one for one in (cohorts.evaluate_on, cohorts.transfer) if one]
    crossings = {one.root: crossing_audit(cohorts.trained_on, one) for one in others}
    names = {root: {"name": crossing.scored_on} for root, crossing in crossings.items()}  # told apart, as pages do
    audited = [cohort_audit(one).model_copy(update=names.get(one.root)) for one in scored]
    return AuditFacts(cohorts=audited, crossings=list(crossings.values()))
