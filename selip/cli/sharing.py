"""The `selip push`, `selip pull` and `selip export` commands: models and results for others."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from selip.cli.options import Checkpoint, Records

export_app = typer.Typer(
    no_args_is_help=True, help="Write a tower for MONAI, or results for readers of CLIP_benchmark."
)
PLACE = "A folder, or OWNER/NAME of the Hugging Face hub (hf:OWNER/NAME where a folder is called alike)."


def push_command(
    checkpoint: Checkpoint,
    to: Annotated[str, typer.Argument(help=PLACE)],
    records: Annotated[bool, typer.Option("--records", help="Share its records and per-item scores too.")] = False,
    public: Annotated[bool, typer.Option("--public", help="Make a new repository public; else it is private.")] = False,
) -> None:
    """Share a checkpoint with a model card made from its records."""
    from leaderboards.pages.model_card import model_card
    from selip.experiments.sharing import push, records_of, shared_facts
    from selip.experiments.sharing_places import place_of
    from selip.models.dual_encoder import load_checkpoint

    place = place_of(to, not public)
    _, facts = load_checkpoint(checkpoint)
    own = records_of(checkpoint, facts)
    card = model_card(facts, own, str(place))
    push(checkpoint, place, shared_facts(checkpoint, facts), card, own if records else ())
    items = " with per-item scores of its test volumes" if records and own else ""
    sys.stderr.write(f"note: what was shared holds {len(facts.train_texts)} texts of training volumes{items}\n")
    typer.echo(f"{place}: {checkpoint.name}, records in its card: {len(own)}")


def pull_command(
    source: Annotated[str, typer.Argument(help=PLACE)],
    out: Annotated[Path, typer.Option("--out", help="File to write, FILE.safetensors; it must be new.")],
) -> None:
    """Fetch a shared checkpoint and check it."""
    from selip.experiments.sharing import pull
    from selip.experiments.sharing_places import place_of

    facts = pull(place_of(source), out)
    typer.echo(f"{out}: {facts.method}, seed {facts.seed}, step {facts.step}")


@export_app.command("tower")
def export_tower_command(
    checkpoint: Checkpoint, out: Annotated[Path, typer.Option("--out", help="Folder to write; it must not be in use.")]
) -> None:
    """Export the volume tower: weights, JSON and a short file that rebuilds it with MONAI, without this package."""
    from selip.models.tower_export import export_tower

    for path in export_tower(checkpoint, out):
        typer.echo(str(path))


@export_app.command("results")
def export_results_command(
    directory: Records,
    out: Annotated[Path, typer.Option("--out", help="A .json or .csv file, or a folder for one file a result.")],
    language: Annotated[str, typer.Option(help="Language of the cohort's texts.")] = "en",
) -> None:
    """Export retrieval, zero-shot and linear-probe results in the layout of CLIP_benchmark."""
    from leaderboards.scores.clip_benchmark import results_of, write_results

    results = results_of(directory, language)
    write_results(results, out)
    typer.echo(f"{out}: {len(results)} results")
