"""The record of a run: where it came from and how it ended; and trainings that a record says are finished."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import torch

from benchmarks.classification.class_tasks import own_pools
from benchmarks.classification.shortcut_controls import CONTROLS
from benchmarks.settings import EvaluationConfig
from selip.data.cohort import Cohort
from selip.data.splits import LEFT_OUT
from selip.experiments.cohorts import Cohorts
from selip.experiments.experiment_file import Planned
from selip.experiments.run_directory import RunDirectory
from selip.models.dual_encoder import CheckpointFacts, DualEncoder, load_checkpoint
from selip.records.declaration import Declared
from selip.records.record import CohortFacts, Metric, Record, Training, in_declared_direction
from selip.system.environment import git_commit, now, package_versions
from selip.system.errors import InputError
from selip.system.files import content_hash
from selip.system.mappings import to_mapping
from selip.system.memory import peak_memory_mb


def cohort_facts(cohort: Cohort) -> CohortFacts:
    """Facts of a cohort that a record keeps."""
    info, studies = cohort.info, cohort.studies
    n_patients = studies.loc[studies["split"] != LEFT_OUT, "patient_id"].nunique()
    return CohortFacts(
        name=info.name, profile=info.profile, content_hash=info.content_hash, synthetic=info.synthetic,
        n_patients=n_patients, shape=info.shape, spacing_mm=info.spacing_mm, sheet=info.sheet.printed(),
    )  # fmt: skip


def run_facts(cell: Planned, evaluation: EvaluationConfig, cohorts: Cohorts, command: Sequence[str]) -> dict[str, Any]:
    """Facts that every record of a cell has in common, however it ends."""
    resolved: dict[str, Any] = {"run": to_mapping(cell.config), "evaluation": to_mapping(evaluation)}
    scored, transfer, trained_on = cohorts.scored, cohorts.transfer, None
    if cohorts.evaluate_on:
        resolved["evaluate_on"] = {"contrasts": cohorts.reading}
        trained_on = cohorts.trained_on
    return {
        "method": cell.method,
        "ablation": cell.ablation,
        "seed": cell.seed,
        **cell.facts,
        "cohort": cohort_facts(scored),
        "split_fingerprint": scored.info.split_fingerprint,
        "fold": scored.fold,
        "texts": "measured" if scored.info.is_measured else "",
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


def declared_on(declared: Declared, cohort: Cohort) -> Declared:
    """The declaration with the tasks that a cohort declares and, of a real one, its further controls."""
    changes: dict[str, Any] = {"pools": (*declared.pools, *own_pools(cohort)) if declared.pools else ()}
    if "metadata" in declared.floors and not cohort.info.synthetic:
        changes |= {"floors": declared.floors | CONTROLS, "shortcuts": (*declared.shortcuts, *CONTROLS)}
    return declared.model_copy(update=changes)


def scored_record(
    facts: Mapping[str, Any],
    identity: Mapping[str, Any],
    metrics: Mapping[str, Metric],
    notes: Mapping[str, str],
    training: Training,
    seconds: Mapping[str, float],
) -> Record:
    """Record of a scored cell, of `run_facts` and its identity: run_id, benchmark, protocol_version and declared.

    Headlines have the direction that the benchmark declares, whatever made their intervals.
    """
    return Record(
        **facts, **identity, status="ok", metrics=in_declared_direction(metrics, identity["declared"]),
        notes=dict(notes), training=training, seconds=dict(seconds), peak_memory_mb=peak_memory_mb(),
    )  # fmt: skip


def unscored_record(
    facts: Mapping[str, Any], identity: Mapping[str, Any], status: Literal["failed", "skipped"], reason: str
) -> Record:
    """Record of a cell without a score, and why."""
    return Record(**facts, **identity, status=status, reason=reason)


SAME = ("method", "ablation", "seed", "cohort", "trained_on", "split_fingerprint", "config_hash", "settings")
"""What a record shares with the cell, so that its account of the training is the cell's."""


def finished_training(
    path: Path, run: str, records: Iterable[Record], facts: Mapping[str, Any]
) -> tuple[DualEncoder, CheckpointFacts, Training, float] | None:
    """The model of a cell, what its checkpoint and its record say of it, and the seconds of training.

    `run` is the `Run.id` of the cell, `facts` are what every record of it says, from `run_facts`.

    Returns:
        None when there is no scored record of the cell, or no readable checkpoint of that very run and step.
    """
    return _trained_as([one for one in records if all(getattr(one, key) == facts[key] for key in SAME)], path, run)


def training_elsewhere(
    folder: str, label: str, run: str
) -> tuple[DualEncoder, CheckpointFacts, Training, float] | None:
    """The same of the cell `label` in the run directory `folder` of another experiment; None where it has no such run.

    `run` says all that the weights depend on: method, settings, seed, and the cohort that is trained on with its split.
    """
    directory = RunDirectory(Path(folder))
    found = directory.records_of(label) if folder else []
    return _trained_as(found, directory.checkpoints / f"{label}.safetensors", run)


def _trained_as(
    records: Iterable[Record], path: Path, run: str
) -> tuple[DualEncoder, CheckpointFacts, Training, float] | None:
    record = next((one for one in records if one.status == "ok"), None)
    if record is None or record.training is None or not path.is_file():
        return None
    try:
        model, checkpoint = load_checkpoint(path)
    except InputError:  # damaged; training writes it anew
        return None
    if (checkpoint.run, checkpoint.step) != (run, record.training.chosen_step):
        return None
    return model, checkpoint, record.training, record.seconds.get("train", 0.0)
