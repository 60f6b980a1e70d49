"""Experiments: a grid of methods x seeds on one cohort becomes records. With cli.py the composition root."""

from __future__ import annotations

import shlex
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

import benchmarks
from baselines import METHODS
from benchmarks import BENCHMARKS
from benchmarks.benchmark import Benchmark, Score, ScoreOptions
from leaderboards.build import build_leaderboard
from leaderboards.examples import Example, draw_examples
from selip.cohort import Cohort
from selip.cohort_commands import Report, find_cohort, open_or_build
from selip.cohorts import COHORTS
from selip.config import ExperimentConfig, read_experiment, to_mapping
from selip.embed import embed_cohort
from selip.embeddings import Embeddings
from selip.errors import InputError
from selip.files import content_hash
from selip.memory import forget_peak_memory, peak_memory_mb
from selip.method import Method
from selip.mismatches import mismatches
from selip.model import CheckpointFacts, load_checkpoint
from selip.records import CohortFacts, Record, Training, git_commit, package_versions, write_record
from selip.registry import load, registered, unknown
from selip.run_directory import RunDirectory, now
from selip.trainer import Run, forget_state, train
from selip.worked_examples import worked_examples

EXPERIMENTS = Path(benchmarks.__file__).parent / "experiments"


@dataclass(frozen=True)
class Planned:
    """One cell of the grid: a method and a seed, with the record that each benchmark will leave.

    Attributes:
        method: Name of the method.
        seed: Seed.
        record_ids: Benchmark name to run id.
    """

    method: str
    seed: int
    record_ids: dict[str, str]

    @property
    def checkpoint(self) -> str:
        """File name of its checkpoint; the same for every benchmark."""
        return f"{self.method}-seed{self.seed}.safetensors"


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


def check_names(config: ExperimentConfig) -> None:
    """Raises InputError for a method, benchmark or cohort that is not registered."""
    for method in config.methods:
        find_method(method)
    for benchmark in config.benchmarks:
        find_benchmark(benchmark)
    if not config.cohort.path:
        find_cohort(config.cohort.name)


def plan(config: ExperimentConfig, cohort: Cohort) -> list[Planned]:
    """The grid in the order it is run: seed by seed, so that a part of it is a fair comparison too."""
    protocols = {name: find_benchmark(name).protocol_version for name in config.benchmarks}
    cells = []
    for seed in config.seeds:
        for method in config.methods:
            ids = {name: _run_id(config, cohort, method, seed, name, protocols[name]) for name in config.benchmarks}
            cells.append(Planned(method, seed, ids))
    return cells


def _run_id(config: ExperimentConfig, cohort: Cohort, method: str, seed: int, benchmark: str, protocol: str) -> str:
    decides = [
        to_mapping(config.run), to_mapping(config.evaluation), method, seed, benchmark, protocol,
        cohort.info.content_hash, cohort.info.split_fingerprint,
    ]  # fmt: skip
    return f"{method}-seed{seed}-{benchmark}-{content_hash(decides)[:12]}"


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
    cells = plan(config, cohort)
    failed: list[str] = []
    for number, cell in enumerate(cells, 1):
        name = f"{cell.method} seed {cell.seed}"
        if directory.is_done(cell.record_ids.values()):
            report.line(f"[{number}/{len(cells)}] {name}: done before, skipped")
            continue
        report.line(f"[{number}/{len(cells)}] {name}")
        if not _run_cell(cell, config, cohort, directory, shlex.join(command), report):
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
    cell: Planned, config: ExperimentConfig, cohort: Cohort, directory: RunDirectory, command: str, report: Report
) -> bool:
    """Trains and scores one cell; whether it went well."""
    name = f"{cell.method} seed {cell.seed}"
    run = Run(
        method=find_method(cell.method), cohort=cohort, config=config.run, seed=cell.seed, validate=validation_score,
        on_progress=lambda progress: report.count(name, progress.step, progress.steps, progress.detail),
    )  # fmt: skip
    facts = _record_facts(cell, config, cohort, command)
    began = time.perf_counter()
    forget_peak_memory()
    try:
        model, checkpoint, training = train(run, directory.checkpoints / cell.checkpoint)
        trained = time.perf_counter() - began
        embeddings = embed_cohort(model, cohort, "test", _majority_texts(checkpoint))
        for benchmark, run_id in cell.record_ids.items():
            started = time.perf_counter()
            score = score_with(benchmark, embeddings, config)
            seconds = {"train": trained, "evaluate": time.perf_counter() - started}
            write_record(directory.records, _scored(facts, benchmark, run_id, score, training, seconds), score.per_item)
            directory.log(run=run_id, status="ok", seconds=seconds)
        forget_state(directory.checkpoints / cell.checkpoint)
    except (InputError, torch.OutOfMemoryError) as error:
        reason = " ".join(str(error).split())
        report.line(f"{name} failed: {reason}")
        for benchmark, run_id in cell.record_ids.items():
            write_record(directory.records, _failed(facts, benchmark, run_id, reason))
            directory.log(run=run_id, status="failed", reason=reason)
        return False
    return True


def score_with(benchmark: str, embeddings: Embeddings, config: ExperimentConfig) -> Score:
    """Scores embeddings on a registered benchmark."""
    options = ScoreOptions(n_resamples=config.evaluation.n_resamples, seed=config.evaluation.seed)
    return find_benchmark(benchmark).score(embeddings, options)


def _majority_texts(checkpoint: CheckpointFacts) -> list[str]:
    return [text for text, count in checkpoint.train_texts.items() for _ in range(count)]


def cohort_facts(cohort: Cohort) -> CohortFacts:
    """What a record says of its cohort."""
    info = cohort.info
    return CohortFacts(
        name=info.name, profile=info.profile, content_hash=info.content_hash, synthetic=info.synthetic,
        n_patients=cohort.studies["patient_id"].nunique(), shape=info.shape, spacing_mm=info.spacing_mm,
    )  # fmt: skip


def _record_facts(cell: Planned, config: ExperimentConfig, cohort: Cohort, command: str) -> dict[str, Any]:
    resolved = {"run": to_mapping(config.run), "evaluation": to_mapping(config.evaluation)}
    return {
        "method": cell.method,
        "seed": cell.seed,
        "cohort": cohort_facts(cohort),
        "split_fingerprint": cohort.info.split_fingerprint,
        "config": resolved,
        "config_hash": content_hash(resolved),
        "versions": package_versions(),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
        "git_commit": git_commit(),
        "created": now(),
        "command": command,
    }


def _scored(
    facts: dict[str, Any], benchmark: str, run_id: str, score: Score, training: Training, seconds: dict[str, float]
) -> Record:
    return Record(
        **facts, status="ok", benchmark=benchmark, run_id=run_id, metrics=dict(score.metrics), notes=dict(score.notes),
        protocol_version=find_benchmark(benchmark).protocol_version, training=training, seconds=seconds,
        peak_memory_mb=peak_memory_mb(),
    )  # fmt: skip


def _failed(facts: dict[str, Any], benchmark: str, run_id: str, reason: str) -> Record:
    return Record(
        **facts, status="failed", reason=reason, benchmark=benchmark, run_id=run_id,
        protocol_version=find_benchmark(benchmark).protocol_version,
    )  # fmt: skip


def evaluate_checkpoint(checkpoint: Path, cohort: Path, benchmark: str, split: str) -> tuple[Score, list[str]]:
    """Scores a checkpoint on a part of a cohort; also lines a reader of the numbers should know."""
    model, facts = load_checkpoint(checkpoint)
    opened = Cohort.open(cohort)
    embeddings = embed_cohort(model, opened, split, _majority_texts(facts))
    score = find_benchmark(benchmark).score(embeddings, ScoreOptions())
    return score, mismatches(facts, opened, split)


def listing(what: str) -> list[dict[str, str]]:
    """Name, summary and source of everything registered as `what`."""
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
        if facts.step:
            embeddings = embed_cohort(model, cohort, "test", _majority_texts(facts))
            for name, queries in worked_examples(embeddings, cohort, facts.method).items():
                png = run_dir / "leaderboard" / "examples" / f"{facts.method}-{name}.png"
                draw_examples(png, [Example(**query) for query in queries])
    return build_leaderboard(run_dir)
