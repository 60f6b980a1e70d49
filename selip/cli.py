"""The `selip` command: thin, every command calls one function of the library."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console
from rich.table import Table

from selip.cohort_commands import Report, build_cohort, grid_like, import_cohort, parse_grid
from selip.config import CohortConfig, RunConfig
from selip.errors import InputError
from selip.progress import progress_display
from selip.settings import read_experiment, with_overrides

INTERRUPTED = 130
USAGE_ERROR: Any = typer.BadParameter.__base__  # typer carries its own click, so its UsageError has no public name

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
cohort_app = typer.Typer(no_args_is_help=True, help="Build, import, check and look at cohorts.")
app.add_typer(cohort_app, name="cohort")

OutOption = Annotated[Path, typer.Option("--out", help="Folder to write; it must not be in use.")]
CohortOption = Annotated[Path, typer.Option("--cohort", help="A cohort folder.")]
SplitOption = Annotated[str, typer.Option(help="train, val, test or all.")]
CheckpointArgument = Annotated[Path, typer.Argument(help="A .safetensors checkpoint of 'selip train' or 'selip run'.")]
Overrides = Annotated[list[str] | None, typer.Argument(help="key=value overrides, as training.steps=200.")]
Resume = Annotated[bool, typer.Option("--resume", help="Continue what was begun in --out.")]


def main() -> None:
    """Runs the command line. Exit codes: 0 fine, 2 wrong input, 130 interrupted (resumable)."""
    try:
        code = app(standalone_mode=False)
    except InputError as error:
        sys.stderr.write(f"selip: {error}\n")
        sys.exit(2)
    except USAGE_ERROR as error:
        message = " ".join(error.format_message().split())
        if message:  # none when help was shown because nothing was asked
            sys.stderr.write(f"selip: {message}; 'selip --help' lists what is allowed\n")
        sys.exit(2)
    except OSError as error:
        sys.stderr.write(f"selip: got {error}; allowed: files that can be read and folders that can be written\n")
        sys.exit(2)
    except (typer.Abort, KeyboardInterrupt):
        code = INTERRUPTED
    if code == INTERRUPTED:
        sys.stderr.write("selip: interrupted; the same command with --resume continues\n")
    sys.exit(code if isinstance(code, int) else 0)


@contextmanager
def _report() -> Iterator[Report]:
    console = Console(stderr=True)
    with progress_display(console) as show:
        yield Report(line=lambda text: console.print(text, highlight=False, markup=False, soft_wrap=True), count=show)


@app.command()
def run(
    experiment: Annotated[str, typer.Argument(help="An experiment of 'selip list experiments', or a .yaml file.")],
    out: OutOption,
    overrides: Overrides = None,
    resume: Resume = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the grid, estimate its time and stop.")] = False,
    executor: Annotated[Literal["local"], typer.Option(help="Where runs are executed.")] = "local",
) -> None:
    """Train a grid of methods on one split, score them and write the leaderboard."""
    from selip.experiment import check_names, experiment_file, find_method, grid, run_experiment

    config = read_experiment(experiment_file(experiment), overrides or [])
    check_names(config)
    if dry_run:
        from selip.dry_run import dry_run_lines

        cells = [(find_method(method), ablation, seed, resolved) for method, ablation, seed, resolved in grid(config)]
        for line in dry_run_lines(config, cells):
            typer.echo(line)
        return
    with _report() as report:
        for path in run_experiment(config, out, resume, _command(), report):
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
) -> None:
    """Train one method on a cohort, score it and keep its checkpoint and records."""
    from selip.experiment import experiment_file, run_experiment

    grid = [f"cohort.path={cohort}", f"methods={method}", f"seeds=[{seed}]"]
    config = read_experiment(experiment_file(experiment), [*(overrides or []), *grid])
    with _report() as report:
        run_experiment(config, out, resume, _command(), report)
    typer.echo(str(out / "checkpoints" / f"{method}-seed{seed}.safetensors"))


@app.command()
def evaluate(
    checkpoint: CheckpointArgument,
    cohort: CohortOption,
    benchmark: Annotated[str, typer.Option(help="A benchmark of 'selip list benchmarks'.")] = "retrieval",
    split: SplitOption = "test",
    as_json: Annotated[bool, typer.Option("--json", help="Print all metrics as JSON.")] = False,
) -> None:
    """Score a checkpoint on a cohort."""
    from selip.experiment import evaluate_checkpoint

    score, warnings = evaluate_checkpoint(checkpoint, cohort, benchmark, split)
    for warning in warnings:
        sys.stderr.write(f"note: {warning}\n")
    if as_json:
        typer.echo(json.dumps({key: metric.model_dump() for key, metric in score.metrics.items()}, indent=1))
        return
    table = Table("metric", "value", "95 % interval", "chance", "items", title=f"{benchmark} on {cohort} ({split})")
    for key, metric in score.metrics.items():
        if key.count("/") == 1:
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
    from selip.search import search_cohort

    hits, items, warnings = search_cohort(checkpoint, cohort, split, text, volume, contrast, k)
    for warning in warnings:
        sys.stderr.write(f"note: {warning}\n")
    table = Table("rank", "cosine", "volume" if text else "first volume", "contrast", "findings")
    for rank, hit in enumerate(hits, 1):
        item = items.iloc[hit.row]
        table.add_row(str(rank), f"{hit.cosine:.3f}", item["volume_id"], item["contrast"], hit.text)
    Console().print(table)


@app.command()
def similarity(
    text_a: Annotated[str, typer.Argument(help="Findings or a report.")],
    text_b: Annotated[str, typer.Argument(help="The other text.")],
    overrides: Annotated[list[str] | None, typer.Argument(help="Measures, as semantic=ontology.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Say how alike two texts are, and why: every pair of clauses with its terms."""
    from selip.similarity_view import as_mapping, as_tables, explain

    settings = [f"similarity.{item.removeprefix('similarity.')}" for item in overrides or []]
    found = explain(text_a, text_b, with_overrides(RunConfig(), settings).similarity)
    if as_json:
        typer.echo(json.dumps(as_mapping(found), indent=1))
    else:
        Console().print(as_tables(found))


@app.command()
def leaderboard(
    directory: Annotated[Path, typer.Argument(help="A run directory, or any folder with records/.")],
    out: Annotated[Path | None, typer.Option("--out", help="Where to write; default DIRECTORY/leaderboard.")] = None,
) -> None:
    """Write the leaderboard of a run directory again, from its records alone."""
    from leaderboards.build import build_leaderboard

    for path in build_leaderboard(directory, out):
        typer.echo(str(path))


@app.command("list")
def list_registered(
    what: Annotated[Literal["methods", "benchmarks", "cohorts", "experiments", "ablations"], typer.Argument()],
    as_json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """List what is registered, each with one line and its source."""
    from selip.experiment import listing

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
    from selip.doctor import diagnose

    for name, value in diagnose().items():
        typer.echo(f"{name:22} {value}")


@cohort_app.command("build")
def cohort_build(
    name: Annotated[str, typer.Argument(help="A generated cohort of 'selip list cohorts'.")],
    out: OutOption,
    profile: Annotated[str, typer.Option(help="quick, standard or hard for the phantom.")] = "quick",
    seed: Annotated[int, typer.Option(help="Seed of everything in it.")] = 0,
    patients: Annotated[int | None, typer.Option(help="Number of patients; default: the profile's.")] = None,
    workers: Annotated[int, typer.Option(help="Processes; 0 is one a core. The bytes are the same.")] = 0,
) -> None:
    """Generate a cohort."""
    with _report() as report:
        cohort = build_cohort(CohortConfig(name, profile, seed, patients), out, report, workers)
    typer.echo(f"{out}: {len(cohort.studies)} studies, {len(cohort.volumes)} volumes")


@cohort_app.command("import")
def cohort_import(
    name: Annotated[str, typer.Argument(help="An imported cohort of 'selip list cohorts', as table.")],
    source: Annotated[Path, typer.Argument(help="What to import; for table, a CSV file.")],
    out: OutOption,
    root: Annotated[Path | None, typer.Option(help="Folder that paths are relative to; default: the CSV's.")] = None,
    like: Annotated[Path | None, typer.Option(help="Checkpoint or cohort whose grid to use.")] = None,
    shape: Annotated[str, typer.Option(help="Voxels along right, front, top.")] = "64,64,24",
    spacing_mm: Annotated[str, typer.Option(help="Voxel edges in mm, same order.")] = "3,3.5,6",
    centre: Annotated[
        Literal["foreground", "world"], typer.Option(help="world: files are in MNI space.")
    ] = "foreground",
    seed: Annotated[int, typer.Option(help="Seed of the split.")] = 0,
) -> None:
    """Import your own volumes and reports."""
    grid = grid_like(like) if like else parse_grid(shape, spacing_mm)
    with _report() as report:
        cohort = import_cohort(name, source, out, grid, root, centre, seed, shlex.join(_command()), report)
    typer.echo(f"{out}: {len(cohort.studies)} studies, {len(cohort.volumes)} volumes")


@cohort_app.command("check")
def cohort_check(directory: Annotated[Path, typer.Argument(help="A cohort folder.")]) -> None:
    """Validate a cohort: schema, disjoint patients, voxels, hashes. Exit code 2 when something is wrong."""
    from selip.cohort import Cohort
    from selip.cohort_check import check_cohort
    from selip.near_duplicates import near_duplicate_reports

    problems = check_cohort(directory)
    for problem in problems:
        typer.echo(problem)
    if problems:
        raise InputError(f"got a cohort with {len(problems)} problems in {directory}; build or import it again")
    typer.echo(f"{directory}: sound")
    alike = near_duplicate_reports(Cohort.open(directory))
    listed = "; first: " + ", ".join(f"{study} like {other}" for study, other in alike[:5]) if alike else ""
    typer.echo(f"reports of val and test that are near-identical to one of train: {len(alike)}{listed}")


@cohort_app.command("show")
def cohort_show(
    directory: Annotated[Path, typer.Argument(help="A cohort folder.")],
    png: Annotated[Path | None, typer.Option(help="Draw studies into this file.")] = None,
    studies: Annotated[int, typer.Option(help="Number of studies to draw.")] = 6,
) -> None:
    """Count what is in a cohort, or draw volumes with lesion outlines and findings."""
    from selip.cohort import Cohort
    from selip.show import describe_cohort, show_cohort

    cohort = Cohort.open(directory)
    if png is None:
        typer.echo(describe_cohort(cohort))
    else:
        show_cohort(cohort, png, studies)
        typer.echo(str(png))
