"""The `selip similarity` command."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from selip.cli.options import AsJson
from selip.experiments.experiment_file import with_overrides
from selip.training.settings import RunConfig


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
