"""Embeddings that were computed elsewhere, in a folder.

    volumes.parquet   volume_id, embedding (a list), and features (a list) where probes shall have them
    texts.parquet     text, embedding; without it benchmarks of texts are skipped
    facts.json        {"logit_scale": ...}, where softmax probabilities shall be the model's own

or volumes.npy (N, E) with volume_ids.txt, one a line, and texts.npy (M, E) with texts.json, a list. A part of the
cohort is there whole or not at all.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from selip.data.cohort import Cohort, CohortInfo
from selip.data.splits import SPLITS
from selip.models.encoder import CLIP_LOGIT_SCALE, EncoderKind, Stated, VolumeBatch, Wants, no_text_side
from selip.system.arrays import FloatArray
from selip.system.errors import InputError, UnavailableError, one_line
from selip.system.files import content_hash, write_atomically

VOLUMES, TEXTS, FACTS = "volumes.parquet", "texts.parquet", "facts.json"


class EmbeddingFiles:
    """Embeddings of a folder as an Encoder: looked up by volume id and by text."""

    wants, device = Wants(), torch.device("cpu")

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rows, self.volumes, self.vectors = read_vectors(folder, "volume", ("volume_ids.txt",))
        self.texts, self.text_vectors, _ = read_vectors(folder, "text", ("texts.json",))
        if self.texts and self.text_vectors.shape[1] != self.volumes.shape[1]:
            sizes = f"{self.volumes.shape[1]} numbers of volumes and {self.text_vectors.shape[1]} of texts"
            raise InputError(f"got {folder} with embeddings of {sizes}; give both one size")
        self.logit_scale = _logit_scale(folder / FACTS)
        hashes = [one.tobytes().hex() for one in (self.volumes, self.text_vectors)]
        self.weights_hash = content_hash([*hashes, sorted(self.rows), sorted(self.texts)])

    def check(self, cohorts: Sequence[Cohort]) -> None:
        """Refuses ids that no cohort has, and a part of which some volumes are missing.

        Raises:
            InputError: Naming the first.
        """
        known = {one for cohort in cohorts for one in cohort.volumes["volume_id"]}
        if strange := [one for one in self.rows if one not in known]:
            raise InputError(
                f"got {len(strange)} ids in {self.folder} that the cohort lacks, first {strange[0]!r}; remove them"
            )
        for cohort in cohorts:
            for part in SPLITS:
                ids = cohort.volumes["volume_id"].iloc[cohort.rows(part)]
                missing = [one for one in ids if one not in self.rows]
                if missing and (part == "test" or len(missing) < len(ids)):
                    raise InputError(
                        f"got {self.folder} without {len(missing)} of {len(ids)} volumes of the {part} part, first "
                        f"{missing[0]!r}; embed them too"
                    )

    def encode_volumes(self, batch: VolumeBatch) -> torch.Tensor:
        """The embeddings (B, E) of volumes by their ids."""
        return self._of(batch, self.volumes)

    def features(self, batch: VolumeBatch) -> torch.Tensor:
        """The features (B, F) of volumes by their ids; their embeddings where the folder has none."""
        return self._of(batch, self.volumes if self.vectors is None else self.vectors)

    def _of(self, batch: VolumeBatch, vectors: FloatArray) -> torch.Tensor:
        missing = next((one for one in batch.ids if one not in self.rows), None)
        if missing:
            raise UnavailableError(f"{self.folder} has no embedding of {missing!r}; embed its part, or leave this out")
        return torch.from_numpy(vectors[[self.rows[one] for one in batch.ids]])

    def encode_texts(self, texts: Sequence[str]) -> torch.Tensor:
        """The embeddings (n, E) of texts."""
        if not self.texts:
            raise no_text_side(f"embeddings:{self.folder}")
        missing = [one for one in texts if one not in self.texts]
        if missing:
            raise InputError(
                f"got {self.folder} without {len(missing)} of {len(texts)} texts, first {missing[0]!r}; embed those "
                "that 'selip export texts' lists"
            )
        return torch.from_numpy(self.text_vectors[[self.texts[one] for one in texts]])


def read_vectors(
    folder: Path, what: str, names: tuple[str, ...]
) -> tuple[dict[str, int], FloatArray, FloatArray | None]:
    """Row by name, embeddings (n, E), and features (n, F) or None, of the "volume"s or "text"s of a folder.

    Raises:
        InputError: When files are missing or damaged, a name is twice, or vectors are not finite or of several sizes.
    """
    parquet, array = folder / f"{what}s.parquet", folder / f"{what}s.npy"
    try:
        if parquet.is_file():
            table = pd.read_parquet(parquet)
            keys = [str(one) for one in table["volume_id" if what == "volume" else "text"]]
            found = {name: _stacked(table[name], parquet) for name in ("embedding", "features") if name in table}
        elif array.is_file():
            text = (folder / names[0]).read_text()
            keys = json.loads(text) if names[0].endswith(".json") else text.split()
            found = {"embedding": np.load(array, allow_pickle=False).astype(np.float32)}
        elif what == "text":
            return {}, np.zeros((0, 0), np.float32), None
        else:
            raise InputError(f"got {folder} without {VOLUMES} and volumes.npy; name a folder with embeddings")
    except (OSError, ValueError, KeyError) as error:
        raise InputError(
            f"got {folder} with unreadable {what} embeddings ({one_line(error)}); write them again"
        ) from error
    _check(folder, what, keys, found)
    return {key: row for row, key in enumerate(keys)}, found["embedding"], found.get("features")


def _stacked(column: pd.Series, path: Path) -> FloatArray:
    sizes = column.map(len)
    if sizes.nunique() > 1:
        raise InputError(f"got {path} with {column.name} of {sizes.min()} to {sizes.max()} numbers; give all one size")
    stacked: FloatArray = np.stack(column.to_list()).astype(np.float32)
    return stacked


def _check(folder: Path, what: str, keys: Sequence[str], found: dict[str, Any]) -> None:
    twice = next((key for key in keys if keys.count(key) > 1), None) if len(set(keys)) < len(keys) else None
    if twice is not None:
        raise InputError(f"got {what} {twice!r} twice in {folder}; remove the repeat")
    for vectors in found.values():
        if vectors.ndim != 2 or len(vectors) != len(keys):
            raise InputError(
                f"got {what} vectors of shape {vectors.shape} in {folder} for {len(keys)} names; give each one"
            )
        finite = np.isfinite(vectors).all(axis=1)
        if not finite.all():
            raise InputError(
                f"got a {what} vector that is not finite in {folder}, of {keys[finite.argmin()]!r}; mend it"
            )


def _logit_scale(path: Path) -> float:
    if not path.is_file():
        return CLIP_LOGIT_SCALE
    try:
        return float(json.loads(path.read_text()).get("logit_scale", CLIP_LOGIT_SCALE))
    except (ValueError, TypeError, AttributeError) as error:
        raise InputError(f"got {path}, not {{'logit_scale': number}} ({one_line(error)}); write it so") from error


def write_embeddings(
    folder: Path, ids: Sequence[str], vectors: np.ndarray, features: np.ndarray, texts: Sequence[str],
    text_vectors: np.ndarray, logit_scale: float,
) -> list[Path]:  # fmt: skip
    """Writes a folder that EmbeddingFiles reads; without `texts` no texts.parquet."""
    tables = {VOLUMES: pd.DataFrame({"volume_id": ids, "embedding": [*vectors], "features": [*features]})}
    if len(texts):
        tables[TEXTS] = pd.DataFrame({"text": texts, "embedding": [*text_vectors]})
    for name, table in tables.items():
        write_atomically(folder / name, table.to_parquet(index=False))
    write_atomically(folder / FACTS, json.dumps({"logit_scale": logit_scale}) + "\n")
    return [folder / name for name in (*tables, FACTS)]


def _open(argument: str, settings: Stated, info: CohortInfo) -> EmbeddingFiles:
    return EmbeddingFiles(Path(argument))


ENCODER = EncoderKind(
    name="embeddings",
    summary="embeddings that were computed elsewhere, as parquet or npy",
    source="embeddings:DIR",
    open=_open,
)
