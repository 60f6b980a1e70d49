"""The `selip run` and `selip train` commands."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from selip.cli.options import CohortOption, Experiment, MethodName, NewFolder, Overrides, Resume, Threads, Track
from selip.experiments.catalogue import check_names, experiment_file
from selip.experiments.config import ExperimentConfig
from selip.experiments.experiment_file import cells_of, read_experiment
from selip.experiments.run_directory import RunDirectory
from selip.system.environment import is_first_process, launched_processes
from selip.system.errors import InputError
from selip.system.mappings import parse_pairs
from selip.system.progress import reporting

Workers = Annotated[int, typer.Option(help="Processes; 0: one on a GPU, else one a core. The numbers are the same.")]


def run_command(
    experiment: Annotated[str, typer.Argument(help="An experiment of 'selip list experiments', or a .yaml file.")],
    out: NewFolder,
    overrides: Overrides = None,
    resume: Resume = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the grid, estimate its time and stop.")] = False,
    executor: Annotated[Literal["local", "ray", "slurm"], typer.Option(help="Where runs are executed.")] = "local",
    workers: Workers = 0,
    threads: Threads = 0,
    track: Track = "",
    address: Annotated[str, typer.Option(help="Of Ray: auto, HOST:PORT, or local for one here.")] = "auto",
    most: Annotated[int | None, typer.Option(min=1, help="Runs to do at most, for a grid done in pieces.")] = None,
    submit: Annotated[list[str] | None, typer.Option(help="Of a SLURM job, as slurm_partition=gpu.")] = None,
) -> None:
    """Train a grid of methods on one split, score them and write the leaderboard."""
    config = read_experiment(experiment_file(experiment), overrides or [])
    check_names(config)
    if dry_run:
        _dry_run(config)
        return
    if launched_processes() > 1 and (executor != "local" or workers > 1):
        raise InputError(
            f"got --executor {executor} --workers {workers} in one of {launched_processes()} processes of a launcher; "
            "allowed there: local with one worker, which trains each run on all of them"
        )
    _check_early(config, out, resume)
    from selip.experiments.executors import EXECUTORS
    from selip.experiments.executors.base import ExecutorOptions
    from selip.experiments.experiment import run_experiment
    from selip.system.registry import load

    options = ExecutorOptions(workers, threads, address, parse_pairs(submit or []), out / "jobs")
    execute = load(EXECUTORS, "selip.executors", executor).of(options)
    with reporting() as report:
        for path in run_experiment(config, out, resume, _command(), report, execute, most, track):
            report.line(f"  {path}")


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
    grid = [f"cohort.path={cohort}", "transfer=null", f"methods={method}", f"seeds=[{seed}]"]
    config = read_experiment(experiment_file(experiment), [*(overrides or []), *grid])
    check_names(config)
    _check_early(config, out, resume)
    from selip.experiments.executors.local import Local
    from selip.experiments.experiment import run_experiment

    with reporting() as report:
        run_experiment(config, out, resume, _command(), report, Local(1, threads), track=track)
    if is_first_process():
        typer.echo(str(out / "checkpoints" / f"{method}-seed{seed}.safetensors"))
