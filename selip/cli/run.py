"""The `selip run`, `selip tune` and `selip train` commands."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from selip.cli.options import CohortOption, Experiment, MethodName, NewFolder, Overrides, Resume, Threads, Track
from selip.experiments import api
from selip.experiments.catalogue import check_names, experiment_file
from selip.experiments.config import ExperimentConfig
from selip.experiments.experiment_file import cells_of, read_experiment
from selip.experiments.run_directory import RunDirectory
from selip.system.environment import is_first_process, launched_processes
from selip.system.errors import InputError
from selip.system.mappings import parse_pairs
from selip.system.progress import reporting

if TYPE_CHECKING:
    from selip.experiments.executors.base import Execute

Workers = Annotated[int, typer.Option(help="Processes; 0: one on a GPU, else one a core. The numbers are the same.")]
Name = Annotated[str, typer.Argument(help="An experiment of 'selip list experiments', or a .yaml file.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the grid, estimate its time and stop.")]
Executor = Annotated[Literal["local", "ray", "slurm"], typer.Option(help="Where runs are executed.")]
Address = Annotated[str, typer.Option(help="Of Ray: auto, HOST:PORT, or local for one here.")]
Most = Annotated[int | None, typer.Option(min=1, help="Runs to do at most, for a grid done in pieces.")]
Submit = Annotated[list[str] | None, typer.Option(help="Of a SLURM job, as slurm_partition=gpu.")]


def run_command(
    experiment: Name,
    out: NewFolder,
    overrides: Overrides = None,
    resume: Resume = False,
    dry_run: DryRun = False,
    tuned: Annotated[Path | None, typer.Option(help="File of 'selip tune' with the settings of each method.")] = None,
    executor: Executor = "local",
    workers: Workers = 0,
    threads: Threads = 0,
    track: Track = "",
    address: Address = "auto",
    most: Most = None,
    submit: Submit = None,
) -> None:
    """Train a grid of methods on one split, score them and write the leaderboard."""
    config = read_experiment(experiment_file(experiment), overrides or [])
    check_names(config)
    if (config.doses or config.folds) and track:
        raise InputError("got --track for a sweep or folds; leave it out, or track the experiment of one dose or fold")
    if tuned:
        from selip.experiments.tuning import with_tuned

        config = with_tuned(config, tuned)
    if dry_run:
        _dry_run(config)
        return
    _check_early(config, out, resume)
    execute = _executor(executor, workers, threads, address, submit, out)
    with reporting() as report:
        for path in api.run_grid(config, out, resume, _command(), report, execute, most, track):
            report.line(f"  {path}")


def tune_command(
    experiment: Name,
    out: NewFolder,
    trials: Annotated[int, typer.Option(min=2, help="Trials of every method, the default settings among them.")],
    overrides: Overrides = None,
    resume: Resume = False,
    dry_run: DryRun = False,
    executor: Executor = "local",
    workers: Workers = 0,
    threads: Threads = 0,
    address: Address = "auto",
    most: Most = None,
    submit: Submit = None,
) -> None:
    """Try settings at random, as many for every method, score them on val and write tuned.yaml; test is not read.

    Seeds and the seed of a generated cohort are others than the experiment's, unless seeds= and cohort.seed= say so.
    """
    asked = read_experiment(experiment_file(experiment), overrides or [])
    check_names(asked)
    from selip.experiments.tuning import tune, tuning_experiment

    config = tuning_experiment(asked, trials, [one.partition("=")[0] for one in overrides or []])
    if dry_run:
        _dry_run(config)
        return
    _check_early(config, out, resume)
    execute = _executor(executor, workers, threads, address, submit, out)
    with reporting() as report:
        path = tune(config, out, resume, _command(), report, execute, most)
        left = "trials are left: the same command with --resume goes on, and writes tuned.yaml when all are done"
        report.line(f"  {path}" if path else left)


def _executor(name: str, workers: int, threads: int, address: str, submit: list[str] | None, out: Path) -> Execute:
    """The executor that the options name.

    Raises:
        InputError: When a launcher has started several processes, which train each run together.
    """
    if launched_processes() > 1 and (name != "local" or workers > 1):
        raise InputError(
            f"got --executor {name} --workers {workers} in one of {launched_processes()} processes of a launcher; "
            "allowed there: local with one worker, which trains each run on all of them"
        )
    from selip.experiments.executors import EXECUTORS
    from selip.experiments.executors.base import ExecutorOptions
    from selip.system.registry import load

    options = ExecutorOptions(workers, threads, address, parse_pairs(submit or []), out / "jobs")
    execute: Execute = load(EXECUTORS, "selip.executors", name).of(options)
    return execute


def _check_early(config: ExperimentConfig, out: Path, resume: bool) -> None:
    """Refuses a folder before torch is loaded.

    Of processes that train together the main one checks, later, and tells the others: a slow one would find a run there
    that the main one has begun.
    """
    if launched_processes() == 1:
        RunDirectory(out).check(config, resume)


def _dry_run(config: ExperimentConfig) -> None:
    from selip.experiments.dry_run import dry_run_lines

    for line in dry_run_lines(config, cells_of(config)):
        typer.echo(line)
    if config.folds and not config.fold:
        once = "trained once, scored in" if config.evaluate_on else "this for"
        typer.echo(f"{once} each of {config.folds} folds")
    if config.doses:
        from selip.experiments.sweep import dosed

        typer.echo(f"this for each of {len(dosed(config))} doses: {', '.join(dosed(config))}")


def _command() -> list[str]:
    return ["selip", *sys.argv[1:]]


def train_command(
    method: MethodName,
    cohort: CohortOption,
    out: NewFolder,
    overrides: Overrides = None,
    seed: Annotated[int, typer.Option(help="Seed of weights, batches and augmentation.")] = 0,
    experiment: Experiment = "quick",
    resume: Resume = False,
    threads: Threads = 0,
    track: Track = "",
) -> None:
    """Train one method on a cohort, score it and keep its checkpoint and records."""
    with reporting() as report:
        checkpoint = api.train(
            method, cohort, out, overrides or [], seed=seed, experiment=experiment, resume=resume, threads=threads,
            track=track, command=_command(), report=report,
        )  # fmt: skip
    if is_first_process():
        typer.echo(str(checkpoint))
