"""Embeddings of an encoder as files that `embeddings:DIR` reads, and the texts that benchmarks ask of one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from selip.data.cohort_writer import check_free
from selip.experiments.catalogue import find_benchmark
from selip.experiments.experiment import score_options
from selip.experiments.external.opening import open_encoder
from selip.experiments.external.scoring import Place
from selip.models.embeddings import embed_volumes
from selip.models.encoder import VolumeBatch, Wants, logit_scale_of
from selip.models.encoders.embedding_files import write_embeddings
from selip.models.repeatable_kernels import repeat_exactly
from selip.models.scored_model import Subject
from selip.system.errors import UnavailableError

TEXTS_AT_ONCE = 256


class _Listening:
    """An encoder that remembers the texts that it is asked, and answers at random."""

    wants, device = Wants(), torch.device("cpu")

    def __init__(self) -> None:
        self.texts: dict[str, None] = {}
        self.generator = torch.Generator().manual_seed(0)

    def encode_volumes(self, batch: VolumeBatch) -> torch.Tensor:
        """Random unit vectors (B, 8)."""
        return self._random(len(batch.voxels))

    def encode_texts(self, texts: Sequence[str]) -> torch.Tensor:
        """Random unit vectors (n, 8)."""
        self.texts |= dict.fromkeys(texts)
        return self._random(len(texts))

    def _random(self, count: int) -> torch.Tensor:
        return torch.nn.functional.normalize(torch.randn(count, 8, generator=self.generator), dim=1)


def texts_asked(place: Place) -> list[str]:
    """The texts that the benchmarks of `place` ask the text side of an encoder, sorted."""
    listening, cohort = _Listening(), place.cohort
    words = cohort.volumes["text"].iloc[cohort.rows("train")].tolist()
    options = score_options(replace(place.config.evaluation, n_resamples=2))
    for name in place.config.benchmarks:
        task = find_benchmark(name)
        if task.needs_text:
            with suppress(UnavailableError):
                task.score(Subject(listening, cohort, words, transfer=place.transfer), options)
    return sorted(listening.texts)


def export_embeddings(spec: str, settings: Mapping[str, Any], place: Place, out: Path) -> list[Path]:
    """Writes the embeddings and features of every volume in a part of `place`, and of the texts that it asks.

    Raises:
        InputError: When the encoder cannot be opened, or the folder is in use.
    """
    check_free(out)
    repeat_exactly()
    encoder, _ = open_encoder(spec, settings, place.cohort)
    ids: list[str] = []
    parts = []
    for cohort in (one for one in (place.cohort, place.transfer) if one):
        for part in ("train", "val", "test"):  # part by part, as benchmarks ask
            rows = cohort.rows(part)
            items = cohort.volumes.iloc[rows]
            ids += items["volume_id"].tolist()
            contrasts, spacing_mm = items["contrast"].tolist(), cohort.info.spacing_mm
            voxels = cohort.read_volumes(rows)
            parts.append(embed_volumes(encoder, voxels, contrasts, items=items, spacing_mm=spacing_mm))
    vectors, features = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    texts, of_texts = texts_asked(place), np.zeros((0, 0), np.float32)
    try:
        with torch.no_grad():
            found = [encoder.encode_texts(texts[at : at + TEXTS_AT_ONCE]) for at in range(0, len(texts), TEXTS_AT_ONCE)]
        of_texts = torch.cat(found).cpu().numpy()
    except UnavailableError:
        texts = []
    return write_embeddings(out, ids, vectors, features, texts, of_texts, logit_scale_of(encoder))
