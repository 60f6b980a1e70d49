"""The `selip cohort` commands."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from selip.cli.options import CohortFolder, NewFolder, Source, registered
from selip.experiments.config import CohortConfig
from selip.system.errors import InputError
from selip.system.mappings import parse_pairs
from selip.system.progress import reporting

app = typer.Typer(no_args_is_help=True, help="Build, import, check and look at cohorts.")


@app.command("build")
def cohort_build(
    name: Annotated[
        str, typer.Argument(help="A generated cohort of 'selip list cohorts'.", callback=registered("cohorts"))
    ],
    out: NewFolder,
    settings: Annotated[list[str] | None, typer.Argument(help="Dials of the profile as key=value.")] = None,
    profile: Annotated[str, typer.Option(help="quick, standard, hard or reports for the phantom.")] = "quick",
    seed: Annotated[int, typer.Option(help="Seed of everything in it.")] = 0,
    patients: Annotated[int | None, typer.Option(help="Number of patients; default: the profile's.")] = None,
    workers: Annotated[int, typer.Option(help="Processes; 0 is one a core. The bytes are the same.")] = 0,
    device: Annotated[
        str, typer.Option(help="cuda makes the voxels on a GPU: the same heads with other noise.")
    ] = "cpu",
) -> None:
    """Generate a cohort."""
    from selip.experiments.cohorts import build_cohort

    with reporting() as report:
        config = CohortConfig(name, profile, seed, patients, settings=parse_pairs(settings or []))
        cohort = build_cohort(config, out, report, workers, device)
    typer.echo(f"{out}: {len(cohort.studies)} studies, {len(cohort.volumes)} volumes")


@app.command("import")
def cohort_import(
    name: Annotated[
        str,
        typer.Argument(
            help="An imported cohort of 'selip list cohorts', as table or brats2020.", callback=registered("cohorts")
        ),
    ],
    source: Source,
    out: NewFolder,
    root: Annotated[Path | None, typer.Option(help="For table: folder of its paths; default: the CSV's.")] = None,
    like: Annotated[Path | None, typer.Option(help="Checkpoint or cohort whose grid to use.")] = None,
    shape: Annotated[str, typer.Option(help="Voxels along right, front, top.")] = "64,64,24",
    spacing_mm: Annotated[str, typer.Option(help="Voxel edges in mm, same order.")] = "3,3.5,6",
    centre: Annotated[
        Literal["foreground", "world"] | None,
        typer.Option(help="world: files are in MNI space; default: as the set is, foreground for table."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the split, or of val, where the set has none.")] = 0,
    texts: Annotated[
        Literal["extracted", "report", "masks", "none"] | None,
        typer.Option(
            help="Where a contrast has no text: findings of the report (of the mask without one), or as named; "
            "default: as the set is, extracted for table."
        ),
    ] = None,
    language: Annotated[str, typer.Option(help="Language of the reports.")] = "en",
    strict: Annotated[bool, typer.Option("--strict", help="Refuse when one study cannot be imported.")] = False,
    workers: Annotated[int, typer.Option(help="Processes; 0 is one a core. The bytes are the same.")] = 0,
) -> None:
    """Import a public set that you downloaded, or your own volumes and reports.

    A study that cannot be read is left out, with its reason in quarantine.csv. A killed import goes on when the same
    command is given again.
    """
    from selip.experiments.cohorts import grid_like, import_cohort, parse_grid, rebuild_command

    grid = grid_like(like) if like else parse_grid(shape, spacing_mm)
    options = {"root": root, "centre": centre, "seed": seed, "texts": texts, "language": language, "strict": strict}
    with reporting() as report:
        command = rebuild_command(sys.argv[1:])
        cohort = import_cohort(name, source, out, grid, report, workers=workers, command=command, **options)
    typer.echo(f"{out}: {len(cohort.studies)} studies, {len(cohort.volumes)} volumes")


@app.command("check")
def cohort_check(directory: CohortFolder) -> None:
    """Validate a cohort: schema, disjoint patients, voxels, hashes. Exit code 2 when something is wrong.

    Of a sound one it tells the regime: what the texts ask of a method of soft targets, in batches of the default run.
    """
    from selip.data.cohort import Cohort
    from selip.data.cohort_check import check_cohort, state_line
    from selip.data.leakage_audit import near_duplicate_reports
    from selip.training.regime import regime_facts
    from selip.training.settings import RunConfig

    problems = check_cohort(directory)
    for problem in problems:
        typer.echo(problem)
    if problems:
        raise InputError(f"got a cohort with {len(problems)} problems in {directory}; build or import it again")
    typer.echo(f"{directory}: sound")
    cohort = Cohort.open(directory)
    typer.echo(state_line(cohort))
    for question, answer in regime_facts(cohort, RunConfig()).items():
        typer.echo(f"{question}: {answer}")
    alike = near_duplicate_reports(cohort)
    listed = "; first: " + ", ".join(f"{study} like {other}" for study, other in alike[:5]) if alike else ""
    typer.echo(f"reports of val and test that are near-identical to one of train: {len(alike)}{listed}")


@app.command("show")
def cohort_show(
    directory: CohortFolder,
    png: Annotated[Path | None, typer.Option(help="Draw studies into this file.")] = None,
    studies: Annotated[int, typer.Option(help="Number of studies to draw.")] = 6,
) -> None:
    """Count what is in a cohort, or draw volumes with lesion outlines and findings."""
    from selip.data.cohort import Cohort
    from selip.data.cohort_pictures import describe_cohort, show_cohort

    cohort = Cohort.open(directory)
    if png is None:
        typer.echo(describe_cohort(cohort))
    else:
        show_cohort(cohort, png, studies)
        typer.echo(str(png))
