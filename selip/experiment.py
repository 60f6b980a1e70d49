"""Experiments: a grid of methods x seeds on one cohort becomes records. With cli.py the composition root."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

import torch

import benchmarks
from baselines import METHODS
from baselines.ablations import ABLATIONS, Ablation
from benchmarks import BENCHMARKS
from benchmarks.benchmark import Benchmark, Score, ScoreOptions
from leaderboards.build import build_leaderboard
from leaderboards.examples import Example, draw_examples
from selip.cohort import Cohort
from selip.cohort_commands import Report, find_cohort, open_or_build
from selip.cohorts import COHORTS
from selip.config import ExperimentConfig, RunConfig
from selip.embed import embed_cohort
from selip.embeddings import Embeddings
from selip.errors import InputError, UnavailableError
from selip.files import content_hash
from selip.grid import Planned, cell_label
from selip.memory import forget_peak_memory
from selip.method import Method
from selip.mismatches import mismatches
from selip.model import CheckpointFacts, load_checkpoint
from selip.records import write_record
from selip.registry import load, registered, unknown
from selip.run_directory import RunDirectory
from selip.run_records import run_facts, scored_record, unscored_record
from selip.settings import read_experiment, to_mapping, with_overrides
from selip.splits import SPLITS
from selip.trainer import Run, forget_state, train
from selip.worked_examples import worked_examples

IMAGE_ONLY = "the method trains no text tower"
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
    if name not in ABLATIONS:
        raise InputError(unknown("ablation", name, ABLATIONS))
    return ABLATIONS[name]


def grid(config: ExperimentConfig) -> list[tuple[str, str, int, RunConfig]]:
    """Method, ablation, seed and configuration of every cell, seed by seed, so that a part is a fair comparison too."""
    changed = {name: with_overrides(config.run, find_ablation(name).overrides) for name in config.ablations}
    rows = [(method, "", config.run) for method in config.methods]
    rows += [("selip", name, run) for name, run in changed.items()]
    return [(method, ablation, seed, run) for seed in config.seeds for method, ablation, run in rows]


def check_names(config: ExperimentConfig) -> None:
    """Raises InputError for a method, benchmark or cohort that is not registered."""
    for method in config.methods:
        find_method(method)
    for benchmark in config.benchmarks:
        find_benchmark(benchmark)
    for ablation in config.ablations:
        find_ablation(ablation)
    if not config.cohort.path:
        find_cohort(config.cohort.name)


def check_parts(cohort: Cohort) -> None:
    """Raises InputError when a part is empty, before anything is trained in vain."""
    empty = [part for part in SPLITS if not len(cohort.rows(part))]
    if empty:
        raise InputError(
            f"got a cohort without a {' or '.join(empty)} part in {cohort.root}; allowed: volumes in train, val and "
            "test; add patients, or a split column"
        )


def plan(config: ExperimentConfig, cohort: Cohort) -> list[Planned]:
    """The grid in the order it is run, with the ids of its records."""
    protocols = {name: find_benchmark(name).protocol_version for name in config.benchmarks}
    cells = []
    for method, ablation, seed, run in grid(config):
        about = [
            to_mapping(run), to_mapping(config.evaluation), method, ablation, seed,
            cohort.info.content_hash, cohort.info.split_fingerprint,
        ]  # fmt: skip
        ids = {
            name: f"{cell_label(method, ablation, seed)}-{name}-{content_hash([*about, name, protocol])[:12]}"
            for name, protocol in protocols.items()
        }
        cells.append(Planned(method, ablation, seed, run, ids))
    return cells


def validation_score(embeddings: Embeddings) -> float:
    """What chooses the step: mean reciprocal rank on val, both directions averaged, among abnormal volumes if any."""
    found = find_benchmark("retrieval").score(embeddings, ScoreOptions(n_resamples=2)).metrics
    pool = "abnormal" if "abnormal/image_to_text_MRR" in found else "all"
    return (found[f"{pool}/image_to_text_MRR"].value + found[f"{pool}/text_to_image_MRR"].value) / 2


def run_experiment(
    config: ExperimentConfig, out: Path, resume: bool, command: Sequence[str], report: Report
) -> list[Path]:
    """Runs what is not done yet of an experiment, leaves its records in `out`/records and writes its leaderboard.

    Returns:
        The files of the leaderboard.

    Raises:
        InputError: For input that no run could use. An error inside one run becomes its failed record first, the other
            runs go on, and the leaderboard is written before the error.
    """
    check_names(config)
    directory = RunDirectory(out)
    if config.cohort.path:
        Cohort.open(config.cohort.path)
    directory.claim(config, resume)
    cohort = open_or_build(config.cohort, out / "cohort", report)
    check_parts(cohort)
    cells = plan(config, cohort)
    failed: list[str] = []
    for number, cell in enumerate(cells, 1):
        name = cell.label
        if directory.is_done(cell.record_ids.values()):
            report.line(f"[{number}/{len(cells)}] {name}: done before, skipped")
            continue
        report.line(f"[{number}/{len(cells)}] {name}")
        if not _run_cell(cell, config, cohort, directory, command, report):
            failed.append(name)
    report.line("writing the leaderboard")
    pages = write_leaderboard(out, cohort, config.seeds[0])
    if failed:
        raise InputError(
            f"got {len(failed)} of {len(cells)} runs failed ({', '.join(failed)}); the reasons are in their records in "
            f"{directory.records}; mend that and run again with --resume"
        )
    return pages


def _run_cell(
    cell: Planned,
    config: ExperimentConfig,
    cohort: Cohort,
    directory: RunDirectory,
    command: Sequence[str],
    report: Report,
) -> bool:
    """Trains and scores one cell; whether it went well. A skipped cell did."""
    method = find_method(cell.method)
    run = Run(
        method=method, cohort=cohort, config=cell.config, seed=cell.seed, validate=validation_score,
        on_progress=lambda progress: report.count(cell.label, progress.step, progress.steps, progress.detail),
    )  # fmt: skip
    facts = run_facts(cell, config.evaluation, cohort, command)
    began = time.perf_counter()
    forget_peak_memory()
    try:
        model, checkpoint, training = train(run, directory.checkpoints / cell.checkpoint)
        trained = time.perf_counter() - began
        embeddings = embed_cohort(model, cohort, "test", _majority_texts(checkpoint))
        for benchmark in cell.record_ids:
            if find_benchmark(benchmark).needs_text and not method.learns_text:
                _leave_unscored(directory, facts, cell, [benchmark], "skipped", IMAGE_ONLY)
                continue
            started = time.perf_counter()
            score = score_with(benchmark, embeddings, config)
            seconds = {"train": trained, "evaluate": time.perf_counter() - started}
            record = scored_record(facts, _identity(cell, benchmark), score.metrics, score.notes, training, seconds)
            write_record(directory.records, record, score.per_item)
            directory.log(run=record.run_id, status="ok", seconds=seconds)
        forget_state(directory.checkpoints / cell.checkpoint)
    except (InputError, torch.OutOfMemoryError) as error:
        skipped, reason = isinstance(error, UnavailableError), " ".join(str(error).split())
        report.line(f"{cell.label} {'skipped' if skipped else 'failed'}: {reason}")
        _leave_unscored(directory, facts, cell, cell.record_ids, "skipped" if skipped else "failed", reason)
        return skipped
    return True


def _identity(cell: Planned, benchmark: str) -> dict[str, str]:
    version = find_benchmark(benchmark).protocol_version
    return {"run_id": cell.record_ids[benchmark], "benchmark": benchmark, "protocol_version": version}


def _leave_unscored(
    directory: RunDirectory,
    facts: dict[str, Any],
    cell: Planned,
    benchmarks_left: Iterable[str],
    status: Literal["failed", "skipped"],
    reason: str,
) -> None:
    for benchmark in benchmarks_left:
        record = unscored_record(facts, _identity(cell, benchmark), status, reason)
        write_record(directory.records, record)
        directory.log(run=record.run_id, status=status, reason=reason)


def score_with(benchmark: str, embeddings: Embeddings, config: ExperimentConfig) -> Score:
    """Scores embeddings on a registered benchmark."""
    options = ScoreOptions(n_resamples=config.evaluation.n_resamples, seed=config.evaluation.seed)
    return find_benchmark(benchmark).score(embeddings, options)


def _majority_texts(checkpoint: CheckpointFacts) -> list[str]:
    return [text for text, count in checkpoint.train_texts.items() for _ in range(count)]


def evaluate_checkpoint(checkpoint: Path, cohort: Path, benchmark: str, split: str) -> tuple[Score, list[str]]:
    """Scores a checkpoint on a part of a cohort; also lines a reader of the numbers should know."""
    model, facts = load_checkpoint(checkpoint)
    opened = Cohort.open(cohort)
    embeddings = embed_cohort(model, opened, split, _majority_texts(facts))
    score = find_benchmark(benchmark).score(embeddings, ScoreOptions())
    return score, mismatches(facts, opened, split)


def listing(what: str) -> list[dict[str, str]]:
    """Name, summary and source of everything registered as `what`."""
    if what == "ablations":
        return [
            {"name": name, "summary": one.summary, "source": ", ".join(one.overrides)}
            for name, one in ABLATIONS.items()
        ]
    if what == "experiments":
        configs = [read_experiment(path) for path in sorted(EXPERIMENTS.glob("*.yaml"))]
        return [{"name": one.name, "summary": one.summary, "source": f"{one.name}.yaml"} for one in configs]
    registry = {"methods": METHODS, "benchmarks": BENCHMARKS, "cohorts": COHORTS}[what]
    group = f"selip.{what}"
    found = [load(registry, group, name) for name in registered(registry, group)]
    return [{"name": one.name, "summary": one.summary, "source": one.source} for one in found]


def write_leaderboard(run_dir: Path, cohort: Cohort, seed: int) -> list[Path]:
    """Worked examples of the trained models of `seed`, then every page of the leaderboard of `run_dir`."""
    for checkpoint in sorted((run_dir / "checkpoints").glob(f"*-seed{seed}.safetensors")):
        model, facts = load_checkpoint(checkpoint)
        if (
            facts.step
            and checkpoint.stem == cell_label(facts.method, "", seed)
            and find_method(facts.method).learns_text
        ):
            embeddings = embed_cohort(model, cohort, "test", _majority_texts(facts))
            for name, queries in worked_examples(embeddings, cohort, facts.method).items():
                png = run_dir / "leaderboard" / "examples" / f"{facts.method}-{name}.png"
                draw_examples(png, [Example(**query) for query in queries])
    return build_leaderboard(run_dir)
