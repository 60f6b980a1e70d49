"""Checkpoints of 'selip train' and 'selip run', and of 'selip pull': our own dual encoder."""

from __future__ import annotations

from pathlib import Path

from selip.data.cohort import CohortInfo
from selip.models.dual_encoder import DualEncoder, load_checkpoint
from selip.models.embeddings import check_grid
from selip.models.encoder import EncoderKind, Stated


def open_checkpoint(argument: str, settings: Stated, info: CohortInfo) -> DualEncoder:
    """The model of a checkpoint.

    Raises:
        InputError: When it cannot be read, or its grid is another one than the cohort's.
    """
    model, _ = load_checkpoint(Path(argument))
    check_grid(model, info.shape)
    return model


ENCODER = EncoderKind(
    name="checkpoint",
    summary="a checkpoint of selip",
    source="checkpoint:FILE.safetensors",
    open=open_checkpoint,
)
