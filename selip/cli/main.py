"""The `selip` command: thin, every command calls one function of the library."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.table import Table

from selip.cli.cohort import app as cohort_app
from selip.cli.compare import compare_command
from selip.cli.exit_codes import end
from selip.cli.export import app as export_app
from selip.cli.extract import extract_command
from selip.cli.profile import profile_command
from selip.cli.sharing import pull_command, push_command
from selip.cli.similarity import similarity_command
from selip.experiments.experiment_file import parse_contrasts, read_experiment
from selip.system.environment import is_first_process, launched_processes
from selip.system.errors import INTERRUPTED, InputError
from selip.system.mappings import parse_pairs
from selip.system.progress import reporting
from selip.system.registry import load

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
app.add_typer(cohort_app, name="cohort")
app.command("compare")(compare_command)
app.add_typer(export_app, name="export")
app.command("extract")(extract_command)
app.command("profile")(profile_command)
app.command("pull")(pull_command)
app.command("push")(push_command)
app.command("similarity")(similarity_command)

OutOption = Annotated[Path, typer.Option("--out", help="Folder to write; it must not be in use.")]
CohortOption = Annotated[Path, typer.Option("--cohort", help="A cohort folder.")]
SplitOption = Annotated[str, typer.Option(help="train, val, test or all.")]
CheckpointArgument = Annotated[Path, typer.Argument(help="A .safetensors checkpoint of 'selip train' or 'selip run'.")]
Overrides = Annotated[list[str] | None, typer.Argument(help="key=value overrides, as training.steps=200.")]
Workers = Annotated[int, typer.Option(help="Processes; 0: one on a GPU, else one a core. The numbers are the same.")]
Threads = Annotated[int, typer.Option(help="Threads of a run; 0: one on a CPU. Another number rounds sums otherwise.")]
Track = Annotated[str, typer.Option(help="Log losses to tensorboard, wandb or mlflow; the numbers are the same.")]
Resume = Annotated[bool, typer.Option("--resume", help="Continue what was begun in --out.")]


def main() -> None:
    """Runs the command line. Exit codes: 0 fine, 1 regressed, 2 wrong input, 3 inconclusive, 70 defect, 130 stopped."""
    try:
        code = app(standalone_mode=False)
        if code == INTERRUPTED:
            raise KeyboardInterrupt
    except (Exception, KeyboardInterrupt) as error:
        code = end(error)
    sys.exit(code if isinstance(code, int) else 0)


@app.command()
def run(
    experiment: Annotated[str, typer.Argument(help="An experiment of 'selip list experiments', or a .yaml file.")],
    out: OutOption,
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
    from selip.experiments.catalogue import check_names, experiment_file, find_method
    from selip.experiments.experiment import grid, run_experiment

    config = read_experiment(experiment_file(experiment), overrides or [])
    check_names(config)
    if dry_run:
        from selip.experiments.dry_run import dry_run_lines

        cells = [(find_method(method), ablation, seed, resolved) for method, ablation, seed, resolved in grid(config)]
        for line in dry_run_lines(config, cells):
            typer.echo(line)
        return
    if launched_processes() > 1 and (executor != "local" or workers > 1):
        raise InputError(
            f"got --executor {executor} --workers {workers} in one of {launched_processes()} processes of a launcher; "
            "allowed there: local with one worker, which trains each run on all of them"
        )
    from selip.experiments.executors import EXECUTORS
    from selip.experiments.executors.base import ExecutorOptions

    options = ExecutorOptions(workers, threads, address, parse_pairs(submit or []), out / "jobs")
    execute = load(EXECUTORS, "selip.executors", executor).of(options)
    with reporting() as report:
        for path in run_experiment(config, out, resume, _command(), report, execute, most, track):
            report.line(f"  {path}")


def _command() -> list[str]:
    return ["selip", *sys.argv[1:]]


@app.command()
def train(
    method: Annotated[str, typer.Argument(help="A method of 'selip list methods'.")],
    cohort: CohortOption,
    out: OutOption,
    overrides: Overrides = None,
    seed: Annotated[int, typer.Option(help="Seed of weights, batches and augmentation.")] = 0,
    experiment: Annotated[str, typer.Option(help="Experiment whose run settings are taken.")] = "quick",
    resume: Resume = False,
    threads: Threads = 0,
    track: Track = "",
) -> None:
    """Train one method on a cohort, score it and keep its checkpoint and records."""
    from selip.experiments.catalogue import experiment_file
    from selip.experiments.executors.local import Local
    from selip.experiments.experiment import run_experiment

    grid = [f"cohort.path={cohort}", "transfer=null", f"methods={method}", f"seeds=[{seed}]"]
    config = read_experiment(experiment_file(experiment), [*(overrides or []), *grid])
    with reporting() as report:
        run_experiment(config, out, resume, _command(), report, Local(1, threads), track=track)
    if is_first_process():
        typer.echo(str(out / "checkpoints" / f"{method}-seed{seed}.safetensors"))


@app.command()
def evaluate(
    checkpoint: CheckpointArgument,
    cohort: CohortOption,
    benchmark: Annotated[str, typer.Option(help="A benchmark of 'selip list benchmarks'.")] = "retrieval",
    split: SplitOption = "test",
    as_json: Annotated[bool, typer.Option("--json", help="Print all metrics as JSON.")] = False,
    contrasts: Annotated[
        str | None, typer.Option(help="How new contrasts are read, as '{T1c: T1, DWI: null}'.")
    ] = None,
) -> None:
    """Score a checkpoint on a cohort."""
    from selip.experiments.experiment import evaluate_checkpoint
    from selip.records.metric_key import MetricKey

    reading = None if contrasts is None else parse_contrasts(contrasts)
    score, warnings = evaluate_checkpoint(checkpoint, cohort, benchmark, split, reading)
    for warning in warnings:
        sys.stderr.write(f"note: {warning}\n")
    if as_json:
        typer.echo(json.dumps({key: metric.model_dump() for key, metric in score.metrics.items()}, indent=1))
        return
    table = Table("metric", "value", "95 % interval", "chance", "items", title=f"{benchmark} on {cohort} ({split})")
    for key, metric in score.metrics.items():
        if not MetricKey.parse(key).reference:
            chance = score.metrics.get(f"{key}/chance")
            interval = "" if metric.lower is None else f"{metric.lower:.3f} to {metric.upper:.3f}"
            table.add_row(
                key, f"{metric.value:.3f}", interval, f"{chance.value:.3f}" if chance else "", str(metric.n_items)
            )
    Console().print(table)


@app.command()
def search(
    checkpoint: CheckpointArgument,
    cohort: CohortOption,
    text: Annotated[str | None, typer.Option(help="Find volumes for this text.")] = None,
    volume: Annotated[Path | None, typer.Option(help="Find texts for this NIfTI file.")] = None,
    contrast: Annotated[str | None, typer.Option(help="Contrast of --volume: T1, T2, FLAIR, DWI, ADC, T1c.")] = None,
    k: Annotated[int, typer.Option("-k", help="Number of answers.")] = 10,
    split: SplitOption = "all",
) -> None:
    """Find the volumes of a cohort for a text, or its texts for a volume."""
    from selip.experiments.search import search_cohort

    hits, items, warnings = search_cohort(checkpoint, cohort, split, text, volume, contrast, k)
    for warning in warnings:
        sys.stderr.write(f"note: {warning}\n")
    table = Table("rank", "cosine", "volume" if text else "first volume", "contrast", "findings")
    for rank, hit in enumerate(hits, 1):
        item = items.iloc[hit.row]
        table.add_row(str(rank), f"{hit.cosine:.3f}", item["volume_id"], item["contrast"], hit.text)
    Console().print(table)


@app.command()
def leaderboard(
    directory: Annotated[Path, typer.Argument(help="A run directory, or any folder with records/.")],
    out: Annotated[Path | None, typer.Option("--out", help="Where to write; default DIRECTORY/leaderboard.")] = None,
    html: Annotated[bool, typer.Option("--html/--no-html", help="Write index.html, the page, too.")] = True,
) -> None:
    """Write the leaderboard of a run directory again, from its records alone."""
    from leaderboards.site.build import build_leaderboard

    for path in build_leaderboard(directory, out, html=html):
        typer.echo(str(path))


@app.command("list")
def list_registered(
    what: Annotated[Literal["methods", "benchmarks", "cohorts", "experiments", "ablations"], typer.Argument()],
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """List what is registered, each with one line and its source."""
    from selip.experiments.catalogue import listing

    rows = listing(what)
    if as_json:
        typer.echo(json.dumps(rows, indent=1))
        return
    table = Table("name", "summary", "source", title=what)
    for row in rows:
        table.add_row(row["name"], row["summary"], row["source"])
    Console().print(table)


@app.command()
def doctor() -> None:
    """Print versions, device and whether the packaged weights are the official ones."""
    from selip.cli.doctor import diagnose

    for name, value in diagnose().items():
        typer.echo(f"{name:22} {value}")
