"""The `selip` command: thin, every command calls one function of the library."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from selip import __version__
from selip.cli.cohort import app as cohort_app
from selip.cli.compare import compare_command
from selip.cli.doctor import doctor_command
from selip.cli.evaluate import evaluate_command, search_command
from selip.cli.exit_codes import end
from selip.cli.extract import extract_command
from selip.cli.options import AsJson, Records
from selip.cli.profile import profile_command
from selip.cli.run import run_command, train_command, tune_command
from selip.cli.sharing import export_app, pull_command, push_command
from selip.cli.similarity import similarity_command
from selip.system.errors import INTERRUPTED

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
app.command("run")(run_command)
app.command("tune")(tune_command)
app.command("train")(train_command)
app.command("evaluate")(evaluate_command)
app.command("search")(search_command)
app.add_typer(cohort_app, name="cohort")
app.command("compare")(compare_command)
app.add_typer(export_app, name="export")
app.command("extract")(extract_command)
app.command("profile")(profile_command)
app.command("pull")(pull_command)
app.command("push")(push_command)
app.command("similarity")(similarity_command)
app.command("doctor")(doctor_command)


def main() -> None:
    """Runs the command line. Exit codes: 0 fine, 1 regressed, 2 wrong input, 3 inconclusive, 70 defect, 130 stopped."""
    try:
        code = app(standalone_mode=False)
        if code == INTERRUPTED:
            raise KeyboardInterrupt
    except (Exception, KeyboardInterrupt) as error:
        code = end(error)
    sys.exit(code if isinstance(code, int) else 0)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def version(
    _: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Take what holds for every command: nothing but --version."""


@app.command()
def leaderboard(
    directory: Records,
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
    as_json: AsJson = False,
) -> None:
    """List what is registered, each with one line and its source."""
    from rich.console import Console
    from rich.table import Table

    from selip.experiments.catalogue import listing

    rows = listing(what)
    if as_json:
        typer.echo(json.dumps(rows, indent=1))
        return
    table = Table("name", "summary", "source", title=what)
    for row in rows:
        table.add_row(row["name"], row["summary"], row["source"])
    Console().print(table)
