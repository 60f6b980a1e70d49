"""Cross-validation: an experiment run once for each fold of the scored cohort, and its scores pooled out of fold.

Each fold is a run directory of its own, `folds/K`, that is resumed like any other; `records/` of the whole has one
pooled record a run and benchmark, of the patients of all folds. Where the folds are of a cohort that is evaluated on,
models are trained once and the folds share their checkpoints.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

from benchmarks.statistics.fold_pooling import pooled
from leaderboards.site.build import build_leaderboard
from selip.data.leakage_audit import AUDIT_FILE, AuditFacts
from selip.experiments.catalogue import check_names
from selip.experiments.cohorts import Cohorts, audit_of, open_cohorts
from selip.experiments.config import ExperimentConfig
from selip.experiments.executors.base import Counted, Execute
from selip.experiments.experiment import claimed, draw_worked_examples, execute_cells, score_options
from selip.experiments.experiment_file import plan
from selip.experiments.run_directory import RunDirectory
from selip.records.record import Record, cell_label
from selip.records.record_files import read_per_item, read_record, write_record
from selip.system.errors import InputError
from selip.system.files import content_hash, write_atomically
from selip.system.progress import Report
from selip.training.distributed import on_main

FOLDS = "folds"
FITTED = (
    "fitted on the other folds, one score a patient; patients are drawn once over all folds; scores of all fits are "
    "ranked together, so an answer that is the same within a fold, as the majority, can fall below an AUROC of 0.5"
)


def run_folds(
    config: ExperimentConfig, out: Path, resume: bool, command: Sequence[str], report: Report, execute: Execute,
    most: int | None = None,
) -> list[Path]:  # fmt: skip
    """Runs what is not done yet of every fold in `out`/folds, pools what is whole and writes the leaderboard.

    Arguments are those of `run_experiment`; `most` is over all folds.

    Returns:
        The files of the leaderboard; none while no run is done in every fold.

    Raises:
        InputError: For input that no run could use, or when runs failed; the other folds are done first.
    """
    check_names(config)
    counted, failures, audits = Counted(execute, most), [], []
    with ExitStack() as until_done:
        until_done.enter_context(claimed(config, out, resume, report))
        on_main(lambda: RunDirectory(out).take_cohort(config, report.line))
        on_main(lambda: open_cohorts(config, out, report) and None)
        for fold in range(1, config.folds + 1):
            report.line(f"fold {fold} of {config.folds}")
            cohorts, failed = _run_fold(config, fold, out, command, report, counted)
            audits.append(audit_of(cohorts, config.run))
            failures += [f"fold {fold}: {label}" for label in failed]
        on_main(lambda: write_atomically(out / AUDIT_FILE, _of_all(audits).model_dump_json(indent=1) + "\n"))
        done = on_main(partial(pool_records, config, out, report))
        if done:
            last = out / FOLDS / str(config.folds)
            on_main(partial(draw_worked_examples, last, cohorts, config.seeds[0], report))
        pages = on_main(lambda: build_leaderboard(out)) if done else []
    if failures:
        raise InputError(f"got {len(failures)} failed runs ({', '.join(failures)}); mend that and add --resume")
    return pages


def of_fold(config: ExperimentConfig, fold: int) -> ExperimentConfig:
    """The experiment of one fold."""
    return replace(config, fold=fold)


def _run_fold(
    config: ExperimentConfig, fold: int, out: Path, command: Sequence[str], report: Report, counted: Counted
) -> tuple[Cohorts, list[str]]:
    own, folder = of_fold(config, fold), out / FOLDS / str(fold)
    on_main(partial(_share, config, out, folder))
    with claimed(own, folder, True, report):
        return execute_cells(own, folder, command, report, counted, counted.left)


def _share(config: ExperimentConfig, out: Path, folder: Path) -> None:
    """Links what folds have in common: cohorts, embeddings, pictures; checkpoints where all are of one training.

    Of pictures of one name the last fold's is kept.
    """
    made = ["embeddings", "leaderboard", *(["checkpoints"] if config.evaluate_on else [])]
    for name in made:
        (out / name).mkdir(exist_ok=True)
    folder.mkdir(parents=True, exist_ok=True)
    for name in (*made, "cohort", "transfer", "evaluate_on"):
        if (out / name).is_dir() and not (folder / name).exists():
            (folder / name).symlink_to(Path("..", "..", name), target_is_directory=True)


def _of_all(audits: Sequence[AuditFacts]) -> AuditFacts:
    """One audit of all folds: each has its own parts, and so its own leaks."""
    cohorts = [cohort for one in audits for cohort in one.cohorts]
    crossings = [crossing for one in audits for crossing in one.crossings]
    return AuditFacts(cohorts=cohorts, crossings=crossings, regime=audits[0].regime)


def pool_records(config: ExperimentConfig, out: Path, report: Report) -> int:
    """Writes the pooled record of every run and benchmark that is done in all folds; how many there are."""
    directories = [RunDirectory(out / FOLDS / str(fold)) for fold in range(1, config.folds + 1)]
    plans = [
        plan(of_fold(config, fold), open_cohorts(of_fold(config, fold), directory.root, report))
        for fold, directory in enumerate(directories, start=1)
    ]
    done = 0
    for cells in zip(*plans, strict=True):
        for name in config.benchmarks:
            paths = [
                (one.records, one.records / f"{cell.record_ids[name]}.json")
                for one, cell in zip(directories, cells, strict=True)
            ]
            if all(path.is_file() for _, path in paths):
                _pool(config, RunDirectory(out).records, [(folder, read_record(path)) for folder, path in paths])
                done += 1
    report.line(f"{done} of {len(plans[0]) * len(config.benchmarks)} records pooled over {config.folds} folds")
    return done


def _pool(config: ExperimentConfig, folder: Path, found: Sequence[tuple[Path, Record]]) -> None:
    """Writes the pooled record of one run on one benchmark, or why there is none."""
    first, records = found[0][1], [record for _, record in found]
    ids = [record.run_id for record in records]
    label = cell_label(first.method, first.ablation, first.seed)
    about = {"run_id": f"{label}-{first.benchmark}-{content_hash(ids)[:12]}", "fold": f"{config.folds} pooled"}
    lost = next((record for record in records if record.status != "ok"), None)
    if lost:
        record = first.model_copy(update={**about, "status": lost.status, "metrics": {}, "notes": {}, "per_item": ""})
        reason = f"fold {lost.fold}: {lost.reason}" if first.status == "ok" else lost.reason
        write_record(folder, record.model_copy(update={"reason": reason, "per_item_sha256": ""}))
        return
    tables = [read_per_item(where, record) for where, record in found]
    table, metrics = pooled(tables, [record.metrics for record in records], score_options(config.evaluation))
    seconds = {key: sum(record.seconds.get(key, 0.0) for record in records) for key in first.seconds}
    if config.evaluate_on and "train" in seconds:  # one training for all
        seconds["train"] = first.seconds["train"]
    update = {"metrics": metrics, "notes": _notes(records), "seconds": seconds, "per_item": "", "per_item_sha256": ""}
    write_record(folder, first.model_copy(update={**about, **update}), table)


def _notes(records: Sequence[Record]) -> Mapping[str, str]:
    """Notes of all folds; where they differ each with its fold."""
    found = {"folds": FITTED}
    chosen = [str(record.training.chosen_step) for record in records if record.training and record.training.steps]
    if chosen and not records[0].trained_on:
        found["trainings"] = f"one a fold; chosen steps {', '.join(chosen)}; all else that is said of it is of fold 1"
    for subject in dict.fromkeys(subject for record in records for subject in record.notes):
        texts = {record.fold: record.notes.get(subject, "") for record in records}
        same = len({*texts.values()}) == 1
        found[subject] = records[0].notes[subject] if same else "; ".join(f"{k}: {v}" for k, v in texts.items() if v)
    return found
