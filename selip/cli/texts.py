"""The `selip extract` and `selip similarity` commands, and the files of reports that the former reads."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from selip.cli.options import AsJson
from selip.data.tables import is_no_report, parse_table, read_utf8
from selip.experiments.experiment_file import with_overrides
from selip.system.errors import InputError
from selip.system.progress import reporting
from selip.training.settings import RunConfig

if TYPE_CHECKING:
    from selip.reports.extraction.report_facts import Extraction

TEXT_NAME = "text"
ID_COLUMNS = ("study", "id")
REPORT_COLUMN = "report"
SHOWN = 5


def extract_command(
    source: Annotated[
        Path | None,
        typer.Argument(help="A .json file of {id: text}, or a .csv or .tsv file with columns report and study or id."),
    ] = None,
    text: Annotated[str | None, typer.Option(help="A report itself, in place of a file.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print facts with spans, findings, clauses as JSON.")] = False,
    as_facts: Annotated[bool, typer.Option("--facts", help="Print the facts by id as JSON.")] = False,
    language: Annotated[Literal["en", "zh"], typer.Option(help="Language of the reports.")] = "en",
    endpoint: Annotated[
        str | None,
        typer.Option(help="SENDS the reports to this OpenAI-compatible address; without it nothing is sent."),
    ] = None,
    model: Annotated[str, typer.Option(help="Model at --endpoint.")] = "",
    cache: Annotated[Path | None, typer.Option(help="Folder that keeps the answers of --endpoint.")] = None,
) -> None:
    """Read findings out of reports and show the words that say them."""
    if as_json and as_facts:
        raise InputError("got --json and --facts; leave one out")
    if (source is None) == (text is None):
        raise InputError("got both or neither of a file and --text; name one .json or .csv file")
    if endpoint is None and (model or cache):
        raise InputError("got --model or --cache without --endpoint; give the address, nothing was sent")
    from selip.data.languages import is_foreign
    from selip.reports.extraction.extractor import Extraction, extract

    reports = read_reports(source) if source is not None else _checked({TEXT_NAME: text or ""}, "--text")
    if endpoint is None:
        found = {name: extract(report, language) for name, report in reports.items()}
        foreign = [name for name, report in reports.items() if is_foreign(report, language)]
        found |= {name: Extraction(reports[name]) for name in foreign}
        if foreign:
            names = ", ".join(foreign[:SHOWN])
            told = f"{len(foreign)} of them are in another language than {language} and were not read (first: {names})"
            typer.echo(f"{told}; set --language", err=True)
    else:
        found = _asked(reports, endpoint, model, cache)
    show(found, as_json, as_facts)
    if silent := [name for name, report in reports.items() if is_no_report(report)]:
        typer.echo(f"{len(silent)} of them hold no report (empty, or as {reports[silent[0]][:20]!r})", err=True)


def _asked(reports: Mapping[str, str], address: str, model: str, cache: Path | None) -> dict[str, Extraction]:
    from selip.reports.extraction.endpoint_extractor import Endpoint, extract_with_model

    with reporting() as progress:
        found = extract_with_model(reports, Endpoint(address, model, cache=cache), progress)
    if not found:
        raise InputError(f"got no valid answer for any of {len(reports)} reports from {address}; see above; try again")
    return found


def show(extractions: Mapping[str, Extraction], as_json: bool, as_facts: bool) -> None:
    """Prints extractions on standard output, and how many were recognised: with JSON on standard error."""
    from rich.console import Console

    from selip.reports.extraction.report_facts import as_mapping, as_tables, facts_of, summary

    if as_json:
        typer.echo(json.dumps({name: as_mapping(found) for name, found in extractions.items()}, indent=1))
    elif as_facts:
        typer.echo(json.dumps(facts_of(extractions), indent=1))
    else:
        console = Console(highlight=False)
        for name, found in extractions.items():
            console.print(as_tables(name, found))
    typer.echo(summary(extractions), err=as_json or as_facts)


def read_reports(path: Path) -> dict[str, str]:
    """Id to report.

    Args:
        path: A .json file of {id: text}, or a .csv or .tsv file with a column "report" and a column "study" or
            "id" (without one, rows are numbered from 1), see `selip.data.tables`. The reports of a study must be equal.

    Raises:
        InputError: When the file is missing, empty, not UTF-8 or not of this form.
    """
    readers = {".json": _read_json, ".csv": _read_csv, ".tsv": _read_csv}
    if path.suffix.lower() not in readers:
        raise InputError(f"got {path}; name a .json, .csv or .tsv file, or give the report with --text")
    content = read_utf8(path)
    if not content.strip():
        raise InputError(f"got {path}, which is empty; write at least one report")
    return _checked(readers[path.suffix.lower()](content, path), str(path))


def _read_json(content: str, path: Path) -> dict[str, str]:
    try:
        data = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise InputError(f"got {path}, not JSON ({error}); write {{id: text}}") from error
    if not isinstance(data, dict) or not all(isinstance(text, str) for text in data.values()):
        raise InputError(f"got {path}, JSON of another form; write one object of id to text, {{id: text}}")
    return data


def _read_csv(content: str, path: Path) -> dict[str, str]:
    table = parse_table(content, path)
    if REPORT_COLUMN not in table.columns:
        raise InputError(f"got {path} with columns {', '.join(table.columns)}; add a column {REPORT_COLUMN}")
    column = next((name for name in ID_COLUMNS if name in table.columns), None)
    names = [row[column] if column else str(number) for number, row in enumerate(table.rows, start=1)]
    reports: dict[str, str] = {}
    for name, report in zip(names, (row[REPORT_COLUMN] for row in table.rows), strict=True):
        if reports.setdefault(name, report) != report:
            raise InputError(f"got {path} with two reports of {name}; give each a {column} of its own")
    return reports


def _checked(reports: dict[str, str], source: str) -> dict[str, str]:
    if all(map(is_no_report, reports.values())):
        raise InputError(f"got {source} without any text; write at least one report")
    for name, report in reports.items():
        try:
            (name + report).encode()
        except UnicodeEncodeError as error:
            raise InputError(f"got {source} with half a character in a text; save it as Unicode") from error
    return reports


def similarity_command(
    text_a: Annotated[str, typer.Argument(help="Findings or a report.")],
    text_b: Annotated[str, typer.Argument(help="The other text.")],
    overrides: Annotated[list[str] | None, typer.Argument(help="Measures, as semantic=ontology.")] = None,
    as_json: AsJson = False,
) -> None:
    """Say how alike two texts are, and why: every pair of clauses with its terms."""
    settings = [f"similarity.{item.removeprefix('similarity.')}" for item in overrides or []]
    config = with_overrides(RunConfig(), settings).similarity
    from rich.console import Console

    from selip.similarity.explanation import as_mapping, as_tables, explain

    found = explain(text_a, text_b, config)
    if as_json:
        typer.echo(json.dumps(as_mapping(found), indent=1))
    else:
        Console().print(as_tables(found))
