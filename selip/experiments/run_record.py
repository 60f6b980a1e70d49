"""What the record of a run says: where it came from, and how it ended."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch

from benchmarks.settings import EvaluationConfig
from selip.data.cohort import Cohort
from selip.data.splits import LEFT_OUT
from selip.experiments.experiment_cohorts import Cohorts
from selip.experiments.grid import Planned
from selip.records.record import CohortFacts, Metric, Record, Training
from selip.system.files import content_hash
from selip.system.mappings import to_mapping
from selip.system.memory import peak_memory_mb
from selip.system.provenance import git_commit, now, package_versions


def cohort_facts(cohort: Cohort) -> CohortFacts:
    """What a record says of its cohort."""
    info, studies = cohort.info, cohort.studies
    n_patients = studies.loc[studies["split"] != LEFT_OUT, "patient_id"].nunique()
    return CohortFacts(
        name=info.name, profile=info.profile, content_hash=info.content_hash, synthetic=info.synthetic,
        n_patients=n_patients, shape=info.shape, spacing_mm=info.spacing_mm,
    )  # fmt: skip


def run_facts(cell: Planned, evaluation: EvaluationConfig, cohorts: Cohorts, command: Sequence[str]) -> dict[str, Any]:
    """What every record of a cell has in common, however it ends."""
    resolved: dict[str, Any] = {"run": to_mapping(cell.config), "evaluation": to_mapping(evaluation)}
    scored, transfer, trained_on = cohorts.scored, cohorts.transfer, None
    if cohorts.evaluate_on:
        resolved["evaluate_on"] = {"contrasts": cohorts.reading}
        trained_on = cohorts.trained_on
    return {
        "method": cell.method,
        "ablation": cell.ablation,
        "seed": cell.seed,
        "cohort": cohort_facts(scored),
        "split_fingerprint": scored.info.split_fingerprint,
        "transfer": cohort_facts(transfer) if transfer else None,
        "transfer_split_fingerprint": transfer.info.split_fingerprint if transfer else "",
        "trained_on": cohort_facts(trained_on) if trained_on else None,
        "trained_on_split_fingerprint": trained_on.info.split_fingerprint if trained_on else "",
        "config": resolved,
        "config_hash": content_hash(resolved),
        "versions": package_versions(),
        "device": torch.cuda.get_device_name()
        if torch.cuda.is_available()
        else f"cpu, threads: {torch.get_num_threads()}",
        "git_commit": git_commit(),
        "created": now(),
        "command": shlex.join(command),
    }


def scored_record(
    facts: Mapping[str, Any],
    identity: Mapping[str, Any],
    metrics: Mapping[str, Metric],
    notes: Mapping[str, str],
    training: Training,
    seconds: Mapping[str, float],
) -> Record:
    """Record of a cell that was scored.

    Args:
        facts: From `run_facts`.
        identity: run_id, benchmark and protocol_version.
        metrics: What was scored.
        notes: Policies of the benchmark.
        training: How the model came about.
        seconds: Time by part.
    """
    return Record(
        **facts, **identity, status="ok", metrics=dict(metrics), notes=dict(notes), training=training,
        seconds=dict(seconds), peak_memory_mb=peak_memory_mb(),
    )  # fmt: skip


def unscored_record(
    facts: Mapping[str, Any], identity: Mapping[str, Any], status: Literal["failed", "skipped"], reason: str
) -> Record:
    """Record of a cell without a score, and why."""
    return Record(**facts, **identity, status=status, reason=reason)
