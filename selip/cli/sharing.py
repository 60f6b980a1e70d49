"""The `selip push`, `pull`, `submit`, `verify` and `export` commands: models and results for others."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from selip.cli.options import Checkpoint, NewFolder, Records
from selip.system.errors import InputError
from selip.system.mappings import parse_pairs

export_app = typer.Typer(
    no_args_is_help=True,
    help="Write a tower for MONAI, embeddings and the texts to embed, or results for readers of CLIP_benchmark.",
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


Like = Annotated[Path | None, typer.Option(help="A run directory whose cohorts and benchmarks are taken.")]
OneCohort = Annotated[Path | None, typer.Option("--cohort", help="A cohort folder.")]


@export_app.command("texts")
def export_texts_command(
    out: Annotated[Path, typer.Option("--out", help="A .json file, a list.")],
    cohort: OneCohort = None,
    like: Like = None,
) -> None:
    """List the texts that benchmarks ask a text side: those to embed for 'selip score --embeddings'."""
    from selip.experiments.external.embedding_export import texts_asked
    from selip.experiments.external.scoring import place_of
    from selip.system.files import write_atomically

    texts = texts_asked(place_of(cohort, None, like, (), ()))
    write_atomically(out, json.dumps(texts, indent=0, ensure_ascii=False) + "\n")
    typer.echo(f"{out}: {len(texts)} texts")


@export_app.command("embeddings")
def export_embeddings_command(
    encoder: Annotated[str, typer.Argument(help="KIND:WHAT, of 'selip list encoders', as checkpoint:FILE.")],
    out: NewFolder,
    settings: Annotated[list[str] | None, typer.Argument(help="key=value of its kind, as slices=8.")] = None,
    cohort: OneCohort = None,
    like: Like = None,
) -> None:
    """Export the embeddings of a cohort's volumes and of the texts that benchmarks ask, for 'score --embeddings'."""
    from selip.experiments.external.embedding_export import export_embeddings
    from selip.experiments.external.scoring import place_of

    for path in export_embeddings(encoder, parse_pairs(settings or []), place_of(cohort, None, like, (), ()), out):
        typer.echo(str(path))


def submit_command(
    run: Records,
    out: Annotated[Path, typer.Option("--out", help="New file, FILE.zip.")],
    texts: Annotated[bool, typer.Option("--texts", help="With the report texts of the test volumes.")] = False,
) -> None:
    """Pack records and per-item scores of a run into one file, for a leaderboard of others: no voxels, no texts."""
    from leaderboards.gate.submission import submit

    typer.echo(f"{out}: {submit(run, out, texts)} records")


def verify_command(file: Annotated[Path, typer.Argument(help="A file of 'selip submit'.")]) -> None:
    """Check a submission: hashes, protocol, completeness, and every number again from its per-item scores.

    Exit code 2 when something is not so. It says what nobody can check from the file alone.
    """
    from leaderboards.gate.submission import verify
    from selip.experiments.catalogue import protocol_versions

    found = verify(file, protocol_versions())
    for line in found.unchecked:
        typer.echo(f"not checked: {line}")
    for line in found.wrong:
        typer.echo(f"wrong: {line}")
    typer.echo(f"{len(found.records)} records, {found.recomputed} metrics with their intervals computed again")
    if found.wrong:
        raise InputError(f"got {file} with {len(found.wrong)} faults, first: {found.wrong[0]}; do not merge it")
