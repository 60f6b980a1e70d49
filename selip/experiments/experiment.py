"""Experiments: a grid of methods x seeds on one cohort becomes records. Part of the composition root."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from benchmarks.benchmark import Score, ScoreOptions
from benchmarks.settings import EvaluationConfig
from benchmarks.tasks import retrieval
from leaderboards.figures.example_pictures import draw_cases, draw_examples
from leaderboards.site.build import build_leaderboard
from selip.data.cohort import Cohort
from selip.data.contrast_mapping import ContrastReading, read_as, resolve_reading, without_left_out
from selip.data.leakage_audit import AUDIT_FILE
from selip.experiments.catalogue import check_names, find_benchmark, find_method
from selip.experiments.cohorts import Cohorts, audit_of, check_cohorts, check_given, open_cohorts
from selip.experiments.config import ExperimentConfig
from selip.experiments.executors.base import Execute
from selip.experiments.executors.local import ONE_BY_ONE
from selip.experiments.experiment_file import Planned, grid, plan
from selip.experiments.run import Setting, leave_lost, majority_texts, run_cell
from selip.experiments.run_directory import RunDirectory
from selip.experiments.search import worked_examples
from selip.models.dual_encoder import CheckpointFacts, DualEncoder, load_checkpoint
from selip.models.embedding_cache import EmbeddingCache
from selip.models.embeddings import Embeddings, embed_cohort
from selip.models.repeatable_kernels import repeat_exactly
from selip.models.scored_model import Subject, mismatches
from selip.records.record import cell_label
from selip.system.errors import InputError
from selip.system.files import write_atomically
from selip.system.progress import Report
from selip.training.distributed import check_batch_size, join, on_main
from selip.training.settings import RunConfig
from selip.training.trackers import check_tracker


def validation_score(embeddings: Embeddings) -> float:
    """Mean reciprocal rank on val, which chooses the step: both directions averaged, among abnormal volumes if any."""
    found = retrieval.score(embeddings, ScoreOptions(n_resamples=2)).metrics
    pool = "abnormal" if "abnormal/image_to_text_MRR" in found else "all"
    return (found[f"{pool}/image_to_text_MRR"].value + found[f"{pool}/text_to_image_MRR"].value) / 2


def run_experiment(
    config: ExperimentConfig,
    out: Path,
    resume: bool,
    command: Sequence[str],
    report: Report,
    execute: Execute = ONE_BY_ONE,
    most: int | None = None,
    track: str = "",
) -> list[Path]:
    """Runs what is not done yet of an experiment, leaves its records in `out`/records and writes its leaderboard.

    Args:
        config: The experiment.
        out: Run directory.
        resume: Whether `out` may hold a part of it already.
        command: What the user typed.
        report: Where progress goes.
        execute: Executes runs by their numbers in the plan, see `selip.experiments.executors`.
        most: Runs to do at most; the others stay to be done. None: all.
        track: Tracker that losses are logged to, see `selip.training.trackers`; "" for none.

    Returns:
        The files of the leaderboard.

    Raises:
        InputError: For input that no run could use. An error inside one run becomes its failed record first, the other
            runs go on, and the leaderboard is written before the error.
    """
    with claimed(config, out, resume, report, track):
        cohorts, failed = execute_cells(config, out, command, report, execute, most, track)
        report.line("writing the leaderboard")
        on_main(lambda: write_audit(out, cohorts, config.run))
        pages = on_main(lambda: write_leaderboard(out, cohorts, config.seeds[0], report))
    if failed:
        raise InputError(
            f"got {len(failed)} of {len(grid(config))} runs failed ({', '.join(failed)}); the reasons are in their "
            f"records in {RunDirectory(out).records}; mend that and run again with --resume"
        )
    return pages


@contextmanager
def claimed(config: ExperimentConfig, out: Path, resume: bool, report: Report, track: str = "") -> Iterator[None]:
    """Checks all that can be checked before anything is written, then holds the run directory `out`.

    Raises:
        InputError: For input that no run could use, or a directory that is in use or holds another experiment.
    """
    check_tracker(track)
    join()
    check_names(config)
    for *_, run in grid(config):
        check_batch_size(run.training.batch_size)
    check_given(config)
    with ExitStack() as until_done:
        claim = RunDirectory(out).claimed(config, resume, report.line)
        on_main(lambda: until_done.enter_context(claim))
        yield


def execute_cells(
    config: ExperimentConfig, out: Path, command: Sequence[str], report: Report, execute: Execute,
    most: int | None = None, track: str = "",
) -> tuple[Cohorts, list[str]]:  # fmt: skip
    """Executes what is not done yet of an experiment in its claimed directory.

    Returns:
        Its cohorts, and the labels of the runs that failed; their records say why.
    """
    directory = RunDirectory(out)
    on_main(lambda: _build_cohorts(config, out, report))
    cohorts = open_cohorts(config, out, report)
    check_cohorts(cohorts, config.allow_overlap)
    cells = plan(config, cohorts)
    left = on_main(lambda: [n for n, cell in enumerate(cells) if not directory.is_finished(cell, report.line)])
    later = len(left) - len(left[:most])
    left = left[:most]
    report.line(f"{len(left)} of {len(cells)} runs to do" + (f", {later} left for later" if later else ""))
    left.sort(key=lambda n: find_method(cells[n].method).prepare is not None)  # the untrained leave what all share
    job = partial(execute_run, config, out.resolve(), tuple(command), track=track)
    outcomes = execute(job, left, report) if left else []
    setting = make_setting(config, out, cohorts, command, report)
    for number, outcome in zip(left, outcomes, strict=True):
        if isinstance(outcome, str):
            leave_lost(cells[number], setting, outcome)
    failed = sorted(number for number, outcome in zip(left, outcomes, strict=True) if outcome is not True)
    return cohorts, [cells[number].label for number in failed]


def execute_run(
    config: ExperimentConfig, out: Path, command: Sequence[str], number: int, report: Report, track: str = ""
) -> bool:
    """Trains and scores run `number` of the plan in the claimed run directory `out`; whether all went well.

    Needs nothing but its arguments and that folder, so that any process or machine which sees it can do it.
    """
    cohorts = open_cohorts(config, out, report)
    cells = plan(config, cohorts)
    report.line(f"[{number + 1}/{len(cells)}] {cells[number].label}")
    setting = make_setting(config, out, cohorts, command, report, track)
    return run_cell(cells[number], find_method(cells[number].method), setting)


def make_setting(
    config: ExperimentConfig, out: Path, cohorts: Cohorts, command: Sequence[str], report: Report, track: str = ""
) -> Setting:
    """Collect what the cells of an experiment in the run directory `out` have in common."""
    return Setting(
        cohorts, RunDirectory(out), config.evaluation,
        tasks={name: find_benchmark(name) for name in config.benchmarks},
        score=lambda name, subject: find_benchmark(name).score(
            subject, replace(score_options(config.evaluation), keep_references=bool(config.fold))
        ),
        validate=validation_score,
        on_score=lambda cell, name, score: draw_case_pictures(
            out, cell, name, score, cohorts.scored.info.synthetic, config.seeds[0]
        ),
        command=command,
        report=report,
        part=config.part,
        track=track,
        trained_in=config.trained_in,
    )  # fmt: skip


def _build_cohorts(config: ExperimentConfig, out: Path, report: Report) -> None:
    """Builds what is not there; gives nothing back, as tables are not to be sent to the other processes."""
    RunDirectory(out).take_cohort(config, report.line)
    open_cohorts(config, out, report)


def write_audit(out: Path, cohorts: Cohorts, run: RunConfig) -> None:
    """Writes `audit.json`: what the parts of each cohort share, and cohorts with each other; the regime of `run`."""
    write_atomically(out / AUDIT_FILE, audit_of(cohorts, run).model_dump_json(indent=1) + "\n")


def draw_case_pictures(out: Path, cell: Planned, name: str, score: Score, synthetic: bool, seed: int) -> None:
    """Draws the cases of the benchmark `name`, where it has some, for the full methods of the first seed."""
    if cell.ablation or cell.seed != seed:
        return
    for pool in dict.fromkeys(case.pool for case in score.pictures):
        cases = [case for case in score.pictures if case.pool == pool]
        png = out / "leaderboard" / "examples" / f"{name}-{cell.method}-{pool}.png"
        draw_cases(png, f"{name}: {cell.method}, {pool.replace('_', ' ')}", cases, synthetic)


def score_options(config: EvaluationConfig) -> ScoreOptions:
    """Scoring options of `config`."""
    return ScoreOptions(config.n_resamples, config.seed, probe=config.probe, segmentation=config.segmentation)


def evaluate_checkpoint(
    checkpoint: Path, cohort: Path, benchmark: str, split: str, contrasts: Mapping[str, str | None] | None = None
) -> tuple[Score, list[str]]:
    """Scores a checkpoint on a part of a cohort; also lines a reader of the numbers should know.

    Without `contrasts` (see `resolve_reading`) each volume of a contrast that the model was not trained on is
    standardised by its own mean and spread.
    """
    repeat_exactly()
    model, facts = load_checkpoint(checkpoint)
    opened, reading = Cohort.open(cohort), ContrastReading()
    if contrasts is not None:
        reading = resolve_reading(facts.contrasts, opened, contrasts, "--contrasts")
        opened = without_left_out(opened, reading)
        model.intensity.read_as(read_as(reading))
    notes = mismatches(facts, opened, split, reading)
    cache = EmbeddingCache.beside(checkpoint, notes.append)
    subject = Subject(model, opened, majority_texts(facts), facts.seed, split, cache=cache)
    return find_benchmark(benchmark).score(subject, ScoreOptions()), notes


def write_leaderboard(run_dir: Path, cohorts: Cohorts, seed: int, report: Report) -> list[Path]:
    """Worked examples of the trained models of `seed`, then every page of the leaderboard of `run_dir`."""
    draw_worked_examples(run_dir, cohorts, seed, report)
    return build_leaderboard(run_dir)


def draw_worked_examples(run_dir: Path, cohorts: Cohorts, seed: int, report: Report) -> None:
    """Answers of the trained models of `seed` to some queries of the test part, as pictures of the leaderboard."""
    repeat_exactly()
    cache = EmbeddingCache(RunDirectory(run_dir).embeddings, report.line)
    for model, facts in _trained_models(run_dir / "checkpoints", seed, report):
        model.intensity.read_as(read_as(cohorts.reading))
        embeddings = embed_cohort(model, cohorts.scored, "test", majority_texts(facts), cache)
        for name, queries in worked_examples(embeddings, cohorts.scored, facts.method).items():
            png = run_dir / "leaderboard" / "examples" / f"{facts.method}-{name}.png"
            draw_examples(png, queries)


def _trained_models(folder: Path, seed: int, report: Report) -> Iterator[tuple[DualEncoder, CheckpointFacts]]:
    """The full methods of `seed` that were trained with texts; a checkpoint that cannot be read is said."""
    for path in sorted(folder.glob(f"*-seed{seed}.safetensors")):
        try:
            model, facts = load_checkpoint(path)
        except InputError as error:
            report.line(f"no worked examples: {error}")
            continue
        if facts.step and path.stem == cell_label(facts.method, "", seed) and find_method(facts.method).learns_text:
            yield model, facts
