"""The `selip export` commands: what other tools read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="Write a tower for MONAI, or results for readers of CLIP_benchmark.")


@app.command("tower")
def export_tower_command(
    checkpoint: Annotated[Path, typer.Argument(help="A .safetensors checkpoint of 'selip train' or 'selip run'.")],
    out: Annotated[Path, typer.Option("--out", help="Folder to write; it must not be in use.")],
) -> None:
    """Export the volume tower: weights, JSON and a short file that rebuilds it with MONAI, without this package."""
    from selip.models.tower_export import export_tower

    for path in export_tower(checkpoint, out):
        typer.echo(str(path))


@app.command("results")
def export_results_command(
    directory: Annotated[Path, typer.Argument(help="A run directory, or any folder with records/.")],
    out: Annotated[Path, typer.Option("--out", help="A .json or .csv file, or a folder for one file a result.")],
    language: Annotated[str, typer.Option(help="Language of the cohort's texts.")] = "en",
) -> None:
    """Export retrieval, zero-shot and linear-probe results in the layout of CLIP_benchmark."""
    from leaderboards.scores.clip_benchmark import results_of, write_results

    results = results_of(directory, language)
    write_results(results, out)
    typer.echo(f"{out}: {len(results)} results")
