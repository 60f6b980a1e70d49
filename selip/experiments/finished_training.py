"""A training that is finished already: its checkpoint, for benchmarks that are asked for later."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from selip.models.dual_encoder import CheckpointFacts, DualEncoder, load_checkpoint
from selip.records.record import Record, Training
from selip.system.errors import InputError

SAME = ("method", "ablation", "seed", "cohort", "trained_on", "split_fingerprint", "config_hash")
"""What a record shares with the cell, so that its account of the training is the cell's."""


def finished_training(
    path: Path, run: str, records: Iterable[Record], facts: Mapping[str, Any]
) -> tuple[DualEncoder, CheckpointFacts, Training, float] | None:
    """The model of a cell, what its checkpoint and its record say of it, and the seconds of training.

    Args:
        path: The checkpoint.
        run: `selip.training.trainer.Run.id` of the cell.
        records: Records that may be of the cell.
        facts: What every record of the cell says, from `selip.experiments.run_record.run_facts`.

    Returns:
        None when there is no scored record of the cell, or no readable checkpoint of that very run and step.
    """
    scored = (one for one in records if one.status == "ok" and all(getattr(one, key) == facts[key] for key in SAME))
    record = next(scored, None)
    if record is None or record.training is None or not path.is_file():
        return None
    try:
        model, checkpoint = load_checkpoint(path)
    except InputError:  # damaged; training writes it anew
        return None
    if (checkpoint.run, checkpoint.step) != (run, record.training.chosen_step):
        return None
    return model, checkpoint, record.training, record.seconds.get("train", 0.0)
