"""The `selip score` command: a model from outside gets a row."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from selip.cli.options import NewFolder
from selip.system.errors import InputError
from selip.system.progress import reporting

Contrasts = Annotated[str | None, typer.Option(help="How new contrasts are read, as '{T1c: T1, DWI: null}'.")]


def score_command(
    out: NewFolder,
    settings: Annotated[
        list[str] | None,
        typer.Argument(help="key=value of its kind, as slices=8, or of scoring, as evaluation.seed=0."),
    ] = None,
    encoder: Annotated[str, typer.Option(help="KIND:WHAT, of 'selip list encoders'.")] = "",
    embeddings: Annotated[Path | None, typer.Option(help="Folder of embeddings that were computed elsewhere.")] = None,
    masks: Annotated[Path | None, typer.Option(help="Folder of NIfTI masks that were predicted elsewhere.")] = None,
    scores: Annotated[Path | None, typer.Option(help="Table of class probabilities of elsewhere.")] = None,
    cohort: Annotated[Path | None, typer.Option(help="A cohort folder.")] = None,
    transfer: Annotated[Path | None, typer.Option(help="A second cohort, for tasks of transfer.")] = None,
    like: Annotated[
        Path | None, typer.Option(help="A run directory whose cohorts, benchmarks and settings of scoring are taken.")
    ] = None,
    benchmarks: Annotated[str, typer.Option(metavar="A,B", help="Benchmarks; default: those of quick or --like.")] = "",
    name: Annotated[str, typer.Option(help="Name of its row.")] = "",
    contrasts: Contrasts = None,
) -> None:
    """Score a model from outside, or what it answered, and write its records: a row for any leaderboard.

    Settings of every kind: origin= and licence=, which the record states; of a module: spacing_mm=, shape=, intensity=.
    """
    from selip.experiments.api import evaluate

    asked = {"embeddings": embeddings, "masks": masks, "scores": scores}
    specs = [encoder] if encoder else []
    specs += [f"{kind}:{path}" for kind, path in asked.items() if path]
    if len(specs) != 1:
        raise InputError("got none or several of --encoder, --embeddings, --masks and --scores; give one of them")
    wanted = benchmarks or {"masks": "segmentation", "scores": "fine_tune"}.get(specs[0].partition(":")[0], "")
    with reporting() as report:
        found = evaluate(
            specs[0], cohort, wanted.split(",") if wanted else (), out=out, settings=settings or [], transfer=transfer,
            like=like, name=name, contrasts=contrasts, command=["selip", *sys.argv[1:]], report=report,
        )  # fmt: skip
    typer.echo(f"{out}: {found['run_id'].nunique()} records of {found['method'].iloc[0]}")
    typer.echo(f"beside a run: selip leaderboard RUN {out} --out DIR")
