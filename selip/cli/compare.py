"""The `selip compare` command."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from selip.cli.options import existing_records
from selip.system.errors import InputError
from selip.system.progress import reporting

if TYPE_CHECKING:
    from leaderboards.gate.quality_gate import Gate

LOG_WIDTH = 140
"""Columns of the table where no terminal tells: a CI log wraps by itself."""
_SIDE = "A run directory, a folder of records, or one record."


def compare_command(
    reference: Annotated[Path, typer.Argument(help=f"What is compared to. {_SIDE}")],
    candidate: Annotated[Path, typer.Argument(help=f"What is compared. {_SIDE}", callback=existing_records)],
    junit: Annotated[Path | None, typer.Option(help="Write JUnit XML: regress fails, inconclusive is skipped.")] = None,
    markdown: Annotated[Path | None, typer.Option(help="Write a summary in Markdown.")] = None,
    as_json: Annotated[Path | None, typer.Option("--json", help="Write all numbers as JSON.")] = None,
    margins: Annotated[Path | None, typer.Option(help="YAML file of margins, and of more metrics to guard.")] = None,
    methods: Annotated[
        str, typer.Option(metavar="A,B", help="Compare method A of REFERENCE with method B of CANDIDATE alone.")
    ] = "",
    update_reference: Annotated[
        bool, typer.Option("--update-reference", help="Make the candidate's records the reference's; then exit 0.")
    ] = False,
) -> None:
    """Say whether CANDIDATE is worse than REFERENCE by more than a margin, on the same patients.

    Exit codes: 0 pass, 1 regress, 2 the two may not be compared, 3 inconclusive. Guarded is the mean of the co-primary
    metrics of each benchmark, or the one that ranks it, in every method that takes training steps.
    """
    named = _two(methods, update_reference) if methods else ()
    if not update_reference:
        existing_records(reference)
    from leaderboards.gate import reference_update
    from leaderboards.gate.comparison import one_row, read_side
    from leaderboards.gate.margins import read_margins
    from leaderboards.gate.quality_gate import compare
    from leaderboards.gate.report import gate_json, gate_junit, gate_markdown
    from selip.system.files import write_atomically

    own = read_margins(margins) if margins else {}
    reference_update.recover(reference)
    theirs = read_side(candidate)
    if update_reference and not reference.exists():
        if junit or markdown or as_json:
            raise InputError(f"got no {reference} to compare to; give --update-reference without reports")
        _echo(reference_update.update_reference(reference, theirs))
        return
    ours = read_side(reference)
    if named:
        ours, theirs = one_row(ours, named[0]), one_row(theirs, named[1])
    with reporting() as report:
        gate = compare(ours, theirs, own, progress=lambda done, total: report.count("comparing", done, total, ""))
    for path, write in ((junit, gate_junit), (markdown, gate_markdown), (as_json, gate_json)):
        if path:
            write_atomically(path, write(gate))
    _show(gate)
    if update_reference:
        _echo(reference_update.update_reference(reference, theirs))
        return
    raise typer.Exit(gate.exit_code)


def _two(methods: str, update_reference: bool) -> tuple[str, ...]:
    """The two methods of --methods."""
    names = tuple(name.strip() for name in methods.split(","))
    if len(names) != 2 or not all(names):
        raise InputError(
            f"got --methods {methods}; name two, one of the reference and one of the candidate, as selip,clip"
        )
    if update_reference:
        raise InputError("got --methods with --update-reference, which replaces all records; leave one of them out")
    return names


def _echo(lines: list[str]) -> None:
    for line in lines:
        typer.echo(line)


def _show(gate: Gate) -> None:
    """The table of verdicts, the policy and the outcome."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from leaderboards.gate.report import GATE_COLUMNS, cells_of, policy, summary

    made = " (SYNTHETIC)" if any(record.synthetic for record in gate.reference.records) else ""
    table = Table(*GATE_COLUMNS, title=escape(f"{gate.candidate.path} against {gate.reference.path}{made}"))
    for line in gate.lines:
        table.add_row(*map(escape, cells_of(line)))
    console = Console()
    (console if console.is_terminal else Console(width=LOG_WIDTH)).print(table)
    _echo([f"{subject}: {text}" for subject, text in policy(gate)])
    typer.echo(f"gate: {summary(gate)}")
