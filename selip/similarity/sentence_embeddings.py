"""Frozen sentence embeddings: the packaged MiniLM, or any sentence-transformers model."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from selip.system.errors import UnavailableError

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
    encoder = _encoder(model)
    if not len(texts):
        return np.zeros((0, encoder.get_embedding_dimension()), dtype=np.float32)
    unique, position = np.unique(np.array(texts, dtype=str), return_inverse=True)
    embeddings = encoder.encode(
        unique.tolist(),
        batch_size=BATCH_SIZE,
        normalize_embeddings=True,
        convert_to_numpy=True,
        show_progress_bar=False,
    )
    return np.asarray(embeddings, dtype=np.float32)[position]


@cache
def _encoder(model: str) -> Any:  # noqa: ANN401 (sentence-transformers is untyped)
    # Imported here: sentence-transformers takes seconds to import, and text_towers imports the config that leads here.
    from sentence_transformers import SentenceTransformer

    from selip.models.text_towers import minilm_folder

    source = minilm_folder() if model == PACKAGED else model
    try:
        return SentenceTransformer(source, device="cpu").eval()
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise UnavailableError(
            f"got sentence model {model}, which cannot be loaded here ({reason}); "
            f"allowed without a hub: {PACKAGED}, or the folder of a sentence-transformers model"
        ) from error
