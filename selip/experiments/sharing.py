"""Sharing a checkpoint: what is pushed, and what is checked when it is pulled.

A shared checkpoint is `model.safetensors` (the checkpoint as it is), `config.json` (what it says of itself, and the
checksum of the former), `README.md` (the model card) and, if asked for, `records/`. Nothing else is read from a place,
and no pickle from anywhere.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from selip.experiments.sharing_places import RECORDS, SharingPlace
from selip.records.record import Record
from selip.records.record_files import per_item_bytes, read_records
from selip.system.environment import package_versions
from selip.system.errors import InputError
from selip.system.files import content_hash, write_atomically
from selip.training.settings import identified

if TYPE_CHECKING:
    from selip.models.dual_encoder import CheckpointFacts

MODEL, FACTS, CARD = "model.safetensors", "config.json", "README.md"
PICKLES = (".bin", ".ckpt", ".pickle", ".pkl", ".pt", ".pth")


class SharedFacts(BaseModel):
    """Contents of `config.json`: version that pushed, SHA-256 (hex) of `model.safetensors`, facts of the checkpoint.

    `library` tells our files from others of the same names; of the training texts, which are in the model's file, only
    the number of distinct ones stands here.
    """

    model_config = ConfigDict(frozen=True)

    library: Literal["selip-bench"] = "selip-bench"
    selip_bench: str
    model_sha256: str
    facts: Mapping[str, Any]
    train_texts: int


def shared_facts(checkpoint: Path, facts: CheckpointFacts) -> SharedFacts:
    """Contents of `config.json` for a checkpoint."""
    plain = asdict(facts)
    return SharedFacts(
        selip_bench=package_versions()["selip-bench"],
        model_sha256=hashlib.sha256(checkpoint.read_bytes()).hexdigest(),
        train_texts=len(plain.pop("train_texts")),
        facts=plain,
    )


def records_of(checkpoint: Path, facts: CheckpointFacts) -> list[Record]:
    """The scored records of the very run that left `checkpoint`, from the run directory that it lies in.

    Raises:
        InputError: When a record there cannot be read.
    """
    folder = records_folder(checkpoint)
    found = read_records(folder) if any(folder.glob("*.json")) else []
    return [record for record in found if record.status == "ok" and _is_of(record, facts)]


def records_folder(checkpoint: Path) -> Path:
    """Folder of the records of a run directory, as seen from one of its checkpoints."""
    return checkpoint.resolve().parent.parent / RECORDS


def _is_of(record: Record, facts: CheckpointFacts) -> bool:
    config, training, trained_on = record.config.get("run"), record.training, record.trained_on or record.cohort
    if not config or not training:
        return False
    run = identified(config, training.init)
    split = record.trained_on_split_fingerprint or record.split_fingerprint
    about = [record.method, record.settings, run, record.seed, trained_on.content_hash, split]
    about += [record.fold] if record.fold and not record.trained_on else []
    return (content_hash(about), training.chosen_step) == (facts.run, facts.step)  # the first is trainer.Run.id


def push(checkpoint: Path, place: SharingPlace, facts: SharedFacts, card: str, records: Sequence[Record] = ()) -> None:
    """Puts a checkpoint into a place that is empty, or that holds a shared checkpoint already.

    `records` are shared too, with their per-item scores.

    Raises:
        InputError: When the place holds something else, or cannot be written.
    """
    names = place.names()
    if names:
        read_facts(place, names)
    files = {MODEL: checkpoint.read_bytes(), CARD: card.encode(), **dict(_record_files(checkpoint, records))}
    place.put(files | {FACTS: (facts.model_dump_json(indent=1) + "\n").encode()})  # last: it vouches for the others


def _record_files(checkpoint: Path, records: Sequence[Record]) -> Iterator[tuple[str, bytes]]:
    folder = records_folder(checkpoint)
    for record in records:
        if record.per_item:
            yield f"{RECORDS}/{record.per_item}", per_item_bytes(folder, record)
        yield f"{RECORDS}/{record.run_id}.json", (folder / f"{record.run_id}.json").read_bytes()


def pull(place: SharingPlace, out: Path) -> CheckpointFacts:
    """Writes the checkpoint of a place to `out`, once its checksum and its content were checked.

    Raises:
        InputError: When `out` is no new .safetensors file, or the place has no sound checkpoint of this project.
    """
    if out.suffix != ".safetensors" or out.exists():
        raise InputError(f"got --out {out}; name a new file that ends in .safetensors")
    facts = read_facts(place, place.names())
    path = place.fetch(MODEL)
    data = path.read_bytes()
    found = hashlib.sha256(data).hexdigest()
    if found != facts.model_sha256:
        raise InputError(
            f"got {MODEL} of {place} with sha256 {found}, not {facts.model_sha256} as its {FACTS} says; "
            "it was damaged or changed: have it pushed again"
        )
    from selip.models.dual_encoder import load_checkpoint

    _, checkpoint = load_checkpoint(path)
    write_atomically(out, data)
    return checkpoint


def read_facts(place: SharingPlace, names: Sequence[str]) -> SharedFacts:
    """Read the `config.json` of a place.

    Raises:
        InputError: When it is not a place that `push` left, or holds a pickle, which can run code when it is loaded.
    """
    action = "name a place that 'selip push' left"
    pickles = [name for name in names if name.lower().endswith(PICKLES)]
    if pickles:
        raise InputError(f"got {place} with {pickles[0]}, a pickle, which is never read; {action}")
    if not {MODEL, FACTS} <= set(names):
        raise InputError(f"got {place} without {MODEL} and {FACTS}; {action}")
    try:
        return SharedFacts.model_validate_json(place.fetch(FACTS).read_bytes())
    except (ValidationError, OSError) as error:
        raise InputError(f"got {place}, whose {FACTS} is of another kind of model; {action}") from error
