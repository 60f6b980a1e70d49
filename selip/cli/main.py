"""The `selip` command: thin, every command calls one function of the library."""

from __future__ import annotations

import errno
import json
import math
import sys
import traceback
import webbrowser
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from selip import __version__
from selip.cli.cohort import app as cohort_app
from selip.cli.compare import compare_command
from selip.cli.evaluate import evaluate_command, search_command
from selip.cli.machine import doctor_command, profile_command
from selip.cli.options import AsJson, existing_records
from selip.cli.run import run_command, train_command, tune_command
from selip.cli.score import score_command
from selip.cli.sharing import export_app, pull_command, push_command, submit_command, verify_command
from selip.cli.texts import extract_command, similarity_command
from selip.system import progress
from selip.system.environment import is_first_process
from selip.system.errors import (
    DEFECT,
    INTERRUPTED,
    INTERRUPTED_LINE,
    WRONG_INPUT,
    InputError,
    is_out_of_memory,
    out_of_memory_line,
)
from selip.system.interrupts import was_interrupted

app = typer.Typer(
    no_args_is_help=True, pretty_exceptions_enable=False, help=__doc__,
    context_settings={"help_option_names": ["-h", "--help"]},
)  # fmt: skip
app.command("run")(run_command)
app.command("tune")(tune_command)
app.command("train")(train_command)
app.command("evaluate")(evaluate_command)
app.command("score")(score_command)
app.command("search")(search_command)
app.add_typer(cohort_app, name="cohort")
app.command("compare")(compare_command)
app.add_typer(export_app, name="export")
app.command("extract")(extract_command)
app.command("profile")(profile_command)
app.command("pull")(pull_command)
app.command("push")(push_command)
app.command("similarity")(similarity_command)
app.command("submit")(submit_command)
app.command("verify")(verify_command)
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
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Show no progress.")] = False,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Show progress every second.")] = False,
) -> None:
    """Take what holds for every command."""
    if quiet and verbose:
        raise InputError("got --quiet and --verbose; leave one out")
    progress.seconds_between_lines = math.inf if quiet else 1.0 if verbose else progress.SECONDS_BETWEEN_LINES


@app.command()
def leaderboard(
    directories: Annotated[list[Path], typer.Argument(help="Run directories, or any folders with records/.")],
    out: Annotated[
        Path | None, typer.Option("--out", help="Where to write; default DIRECTORY/leaderboard of one.")
    ] = None,
    html: Annotated[bool, typer.Option("--html/--no-html", help="Write index.html, the page, too.")] = True,
    shown: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
    serve: Annotated[bool, typer.Option("--serve", help="Serve the page here and keep it up to date.")] = False,
) -> None:
    """Write the leaderboard of a run directory again, or one of several, from their records alone."""
    if not html and (shown or serve):
        raise InputError("got --no-html with --open or --serve, which show the page; leave --no-html out")
    for path in directories:
        existing_records(path)
    from selip.experiments import api

    write = partial(api.leaderboard, *directories, out=out, html=html)
    paths = write()
    for path in paths:
        typer.echo(str(path))
    page = next((path for path in paths if path.name == "index.html"), None)
    if page and serve:
        _serve(page, directories, write, shown)
    elif page and shown:
        webbrowser.open(page.resolve().as_uri())


def _serve(page: Path, directories: list[Path], write: Callable[[], object], shown: bool) -> None:
    """Serves a page until Ctrl-C."""
    from selip.cli.serve import server_of

    with server_of(page.parent, [folder / "records" for folder in directories], write) as server:
        address = f"http://127.0.0.1:{server.server_port}/index.html"
        typer.echo(f"{address} (Ctrl-C ends)")
        if shown:
            webbrowser.open(address)
        with suppress(KeyboardInterrupt):
            server.serve_forever()


@app.command("list")
def list_registered(
    what: Annotated[
        Literal["methods", "benchmarks", "cohorts", "encoders", "experiments", "ablations"], typer.Argument()
    ],
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


USAGE_ERROR: Any = typer.BadParameter.__base__  # typer carries its own click, so its UsageError has no public name
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


def end(error: BaseException) -> int:
    """Says in one line on standard error why a command ends, and returns its exit code.

    Anything that neither the user nor the machine caused is a defect: its trace is shown, and the code is its own, so
    that nobody takes it for a regression.
    """
    code, line = _ending(error)
    with suppress(OSError):  # nobody may be listening any more
        if code == DEFECT:
            traceback.print_exception(error)
        if line:
            sys.stderr.write(f"selip: {line}\n")
    return code


def _ending(error: BaseException) -> tuple[int, str]:
    if was_interrupted() or isinstance(error, (typer.Abort, KeyboardInterrupt)):
        return INTERRUPTED, INTERRUPTED_LINE
    if isinstance(error, InputError):
        return WRONG_INPUT, str(error) if is_first_process() else ""  # which says what another one ended by, too
    if isinstance(error, USAGE_ERROR):
        message = " ".join(error.format_message().split())  # none when help was shown because nothing was asked
        return WRONG_INPUT, f"{message}; 'selip --help' lists what is allowed" if message else ""
    if is_out_of_memory(error):
        return WRONG_INPUT, out_of_memory_line(error)
    if isinstance(error, OSError):
        return WRONG_INPUT, _on_disk(error)
    return DEFECT, f"a defect of selip, not of your input: {type(error).__name__}; please report the lines above"


def _on_disk(error: OSError) -> str:
    if error.errno in _NO_ROOM:
        where = f" while writing {error.filename}" if error.filename else ""
        return f"disk full{where}; free space, then give the same command again, 'selip run' and 'train' with --resume"
    return f"got {error}; name files that can be read and folders that can be written"
