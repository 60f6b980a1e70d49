"""The `selip evaluate` and `selip search` commands: what a checkpoint can do on a cohort."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from selip.cli.options import Checkpoint, CohortOption, Split, registered
from selip.experiments.experiment_file import parse_contrasts
from selip.records.metric_key import MetricKey
from selip.system.errors import InputError

if TYPE_CHECKING:
    from rich.table import Table

    from benchmarks.benchmark import Score


def evaluate_command(
    checkpoint: Checkpoint,
    cohort: CohortOption,
    benchmark: Annotated[
        str, typer.Option(help="A benchmark of 'selip list benchmarks'.", callback=registered("benchmarks"))
    ] = "retrieval",
    split: Split = "test",
    as_json: Annotated[bool, typer.Option("--json", help="Print all metrics as JSON.")] = False,
    contrasts: Annotated[
        str | None, typer.Option(help="How new contrasts are read, as '{T1c: T1, DWI: null}'.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="New folder for a record of it.")] = None,
) -> None:
    """Score a checkpoint on a cohort, and leave a record with --out."""
    if out and (split != "test" or contrasts):
        raise InputError(
            "got --out with --split or --contrasts; records are of the test part as it is, so leave them out"
        )
    reading = None if contrasts is None else parse_contrasts(contrasts)
    from rich.console import Console

    if out:
        from selip.experiments.api import evaluate

        found = evaluate(checkpoint, cohort, [benchmark], out=out, command=["selip", *sys.argv[1:]])
        typer.echo(f"{out}: {found['run_id'].iloc[0]}")
        return
    from selip.experiments.experiment import evaluate_checkpoint

    score, warnings = evaluate_checkpoint(checkpoint, cohort, benchmark, split, reading)
    _warn(warnings)
    if as_json:
        typer.echo(json.dumps({key: metric.model_dump() for key, metric in score.metrics.items()}, indent=1))
    else:
        Console().print(_as_table(score, f"{benchmark} on {cohort} ({split})"))
    _warn([f"{name} {note}" for name, note in score.notes.items() if note.startswith("left out")])


def _as_table(score: Score, title: str) -> Table:
    """The metrics of whole pools, with interval and chance."""
    from rich.table import Table

    table = Table("metric", "value", "95 % interval", "chance", "items", title=title)
    for key, metric in score.metrics.items():
        if not MetricKey.parse(key).reference:
            chance = score.metrics.get(f"{key}/chance")
            interval = "" if metric.lower is None else f"{metric.lower:.3f} to {metric.upper:.3f}"
            table.add_row(
                key, f"{metric.value:.3f}", interval, f"{chance.value:.3f}" if chance else "", str(metric.n_items)
            )
    return table


def _warn(lines: list[str]) -> None:
    for line in lines:
        sys.stderr.write(f"note: {line}\n")


def search_command(
    checkpoint: Checkpoint,
    cohort: CohortOption,
    text: Annotated[str | None, typer.Option(help="Find volumes for this text.")] = None,
    volume: Annotated[Path | None, typer.Option(help="Find texts for this NIfTI file.")] = None,
    contrast: Annotated[str | None, typer.Option(help="Contrast of --volume: T1, T2, FLAIR, DWI, ADC, T1c.")] = None,
    k: Annotated[int, typer.Option("-k", help="Number of answers.")] = 10,
    split: Split = "all",
) -> None:
    """Find the volumes of a cohort for a text, or its texts for a volume."""
    from rich.console import Console
    from rich.table import Table

    from selip.experiments.search import search_cohort

    hits, items, warnings = search_cohort(checkpoint, cohort, split, text, volume, contrast, k)
    _warn(warnings)
    table = Table("rank", "cosine", "volume" if text else "first volume", "contrast", "findings")
    for rank, hit in enumerate(hits, 1):
        item = items.iloc[hit.row]
        table.add_row(str(rank), f"{hit.cosine:.3f}", item["volume_id"], item["contrast"], hit.text)
    Console().print(table)
