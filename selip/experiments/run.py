"""One cell of the grid: train it, score it on every benchmark, leave a record for each, whatever happens."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from benchmarks.benchmark import Benchmark, Score
from benchmarks.settings import EvaluationConfig
from leaderboards.scores.headlines import headline_of
from selip.data.contrast_mapping import read_as
from selip.experiments.cohorts import Cohorts
from selip.experiments.experiment_file import Planned
from selip.experiments.run_directory import IMAGE_ONLY, RunDirectory
from selip.experiments.run_record import (
    declared_on,
    finished_training,
    run_facts,
    scored_record,
    training_elsewhere,
    unscored_record,
)
from selip.models.dual_encoder import CheckpointFacts, DualEncoder
from selip.models.embedding_cache import EmbeddingCache
from selip.models.embeddings import Embeddings
from selip.models.repeatable_kernels import repeat_exactly
from selip.models.scored_model import Subject
from selip.records.record import Record, Training
from selip.records.record_files import write_record
from selip.system.errors import InputError, UnavailableError
from selip.system.memory import forget_peak_memory, within_memory
from selip.system.progress import DONE, FAILED, LEFT, RUNNING, SKIPPED, Report, Scored
from selip.training.distributed import ending_together, is_main, process_count, wait_for_all
from selip.training.method import Method
from selip.training.resume_state import forget_state
from selip.training.trackers import Tracking
from selip.training.trainer import Run, train

TRAINING_SIZES = ("training.batch_size", "training.micro_batch", "model.width")
"""Settings that decide how much memory a training takes."""


@dataclass(frozen=True)
class Setting:
    """Settings that the cells of an experiment have in common.

    Attributes:
        cohorts: What is trained on, what is scored, and how the model reads its contrasts.
        directory: Run directory.
        evaluation: How it is scored.
        tasks: Benchmarks by name.
        score: Scores a subject on the benchmark of a name.
        validate: Score of the val embeddings that chooses the step.
        on_score: Called with cell, benchmark and score, before there is a record, which says that all is there.
        command: What the user typed.
        report: Where progress goes.
        part: Part of the cohort that is scored.
        track: Tracker that losses are logged to; "" for none.
        trained_in: Run directory whose checkpoints are taken where it trained the same runs; "" for none.
    """

    cohorts: Cohorts
    directory: RunDirectory
    evaluation: EvaluationConfig
    tasks: Mapping[str, Benchmark]
    score: Callable[[str, Subject], Score]
    validate: Callable[[Embeddings], float]
    on_score: Callable[[Planned, str, Score], None]
    command: Sequence[str]
    report: Report
    part: str = "test"
    track: str = ""
    trained_in: str = ""


def run_cell(cell: Planned, method: Method, setting: Setting) -> bool:
    """Trains and scores one cell, and leaves out what has a record already.

    Of several processes that train together the main one scores and writes; a run that fails ends them all.

    Returns:
        Whether all went well; skipped is well.
    """
    with setting.directory.cell(cell.label, setting.report.line) if is_main() else nullcontext():
        return _run_held(cell, method, setting)


def leave_lost(cell: Planned, setting: Setting, reason: str) -> None:
    """Records why benchmarks have no score of a cell whose process or machine ended before it did."""
    facts = run_facts(cell, setting.evaluation, setting.cohorts, setting.command)
    _leave(cell, setting, facts, _not_done(cell, setting), InputError(reason))


def _run_held(cell: Planned, method: Method, setting: Setting) -> bool:
    facts = run_facts(cell, setting.evaluation, setting.cohorts, setting.command)
    left = _not_done(cell, setting)
    for name in cell.record_ids:
        setting.report.mark(cell.label, name, Scored(LEFT if name in left else DONE))
    forget_peak_memory()
    repeat_exactly()  # a training that is finished does not do it
    try:
        with ending_together(partial(_leave, cell, setting, facts, left)), within_memory(TRAINING_SIZES):
            model, checkpoint, training, seconds = _trained(cell, method, setting, facts)
    except InputError as error:
        well = _leave(cell, setting, facts, left, error)
        if process_count() > 1 and not well:  # the others may be in the middle of a step and would wait for ever
            raise
        return well
    if not is_main():
        return True
    subject = _subject(cell, setting, model, checkpoint)
    scored = [_score(cell, method, setting, facts, name, subject, training, seconds) for name in left]
    if all(scored):
        forget_state(setting.directory.checkpoints / cell.checkpoint)
    return all(scored)


def _not_done(cell: Planned, setting: Setting) -> list[str]:
    """The benchmarks of a cell that are to be scored."""
    return [name for name, run_id in cell.record_ids.items() if not setting.directory.is_done([run_id])]


def _trained(
    cell: Planned, method: Method, setting: Setting, facts: Mapping[str, Any]
) -> tuple[DualEncoder, CheckpointFacts, Training, float]:
    """The model of a cell with its facts and the seconds it took: as a scored record left it, else trained now."""
    run = Run(
        method=method, cohort=setting.cohorts.trained_on, config=cell.config, seed=cell.seed, validate=setting.validate,
        on_progress=lambda now: setting.report.count(cell.label, now.step, now.steps, now.detail),
        tracking=Tracking(setting.track, setting.directory.root / "tracking", cell.label),
    )  # fmt: skip
    path = setting.directory.checkpoints / cell.checkpoint
    known = finished_training(path, run.id, setting.directory.records_of(cell.label), facts)
    if known is None and (known := training_elsewhere(setting.trained_in, cell.label, run.id)):
        setting.report.line(f"{cell.label}: as {setting.trained_in} trained it")
    wait_for_all()
    if known:
        return known
    began = time.perf_counter()
    model, checkpoint, training = train(run, path)
    return model, checkpoint, training, time.perf_counter() - began


def _subject(cell: Planned, setting: Setting, model: DualEncoder, checkpoint: CheckpointFacts) -> Subject:
    cohorts = setting.cohorts
    model.intensity.read_as(read_as(cohorts.reading))  # after training: what the checkpoint holds stays as it is
    return Subject(
        model, cohorts.scored, majority_texts(checkpoint), cell.seed, setting.part, transfer=cohorts.transfer,
        trained_on=cohorts.trained_on if cohorts.evaluate_on else None, shared=setting.directory.root / "shared",
        cache=EmbeddingCache(setting.directory.embeddings, setting.report.line),
    )  # fmt: skip


def _score(
    cell: Planned,
    method: Method,
    setting: Setting,
    facts: dict[str, Any],
    name: str,
    subject: Subject,
    training: Training,
    trained_seconds: float,
) -> bool:
    if setting.tasks[name].needs_text and not method.learns_text:
        return _leave(cell, setting, facts, [name], UnavailableError(IMAGE_ONLY), quiet=True)
    setting.report.line(f"{cell.label}: {name}")
    setting.report.mark(cell.label, name, Scored(RUNNING))
    began = time.perf_counter()
    try:
        with within_memory(setting.tasks[name].sizes):
            score = setting.score(name, subject)
    except InputError as error:
        return _leave(cell, setting, facts, [name], error)
    seconds = {"train": trained_seconds, "evaluate": time.perf_counter() - began}
    notes = {**score.notes, **method.notes}
    record = scored_record(facts, _identity(cell, setting, name), score.metrics, notes, training, seconds)
    setting.on_score(cell, name, score)
    write_record(setting.directory.records, record, score.per_item)
    setting.directory.log(run=record.run_id, status="ok", seconds=seconds)
    setting.report.mark(cell.label, name, _scored(record))
    return True


def _scored(record: Record) -> Scored:
    headline = headline_of([record])
    return Scored(DONE, record.metrics[headline.key].value, headline.higher_is_better) if headline else Scored(DONE)


def _leave(
    cell: Planned, setting: Setting, facts: dict[str, Any], names: Iterable[str], error: Exception, quiet: bool = False
) -> bool:
    """Records why benchmarks have no score; whether that is well, as it is for what is not available here."""
    status: Literal["failed", "skipped"] = "skipped" if isinstance(error, UnavailableError) else "failed"
    if not is_main():
        return status == "skipped"
    reason = " ".join(str(error).split())
    if not quiet:
        setting.report.line(f"{cell.label} {status}: {reason}")
    for name in names:
        record = unscored_record(facts, _identity(cell, setting, name), status, reason)
        write_record(setting.directory.records, record)
        setting.directory.log(run=record.run_id, status=status, reason=reason)
        setting.report.mark(cell.label, name, Scored(FAILED if status == "failed" else SKIPPED))
    return status == "skipped"


def _identity(cell: Planned, setting: Setting, name: str) -> dict[str, Any]:
    task = setting.tasks[name]
    about = {"protocol_version": task.protocol_version, "declared": declared_on(task.declared, setting.cohorts.scored)}
    return {"run_id": cell.record_ids[name], "benchmark": name, **about}


def majority_texts(checkpoint: CheckpointFacts) -> list[str]:
    """Text of every volume that a checkpoint was trained on."""
    return [text for text, count in checkpoint.train_texts.items() for _ in range(count)]
