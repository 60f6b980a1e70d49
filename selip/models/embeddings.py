"""What a benchmark gets to see of a model: embeddings of volumes and a way to embed texts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from selip.data.findings import Finding


@dataclass(frozen=True)
class Embeddings:
    """Embeddings of the scored part of a cohort.

    Attributes:
        items: One row a volume: volume_id, study_id, patient_id, contrast, site, text, and
            state where `selip.states` is to take it from there.
        volumes: (N, E) float32 of unit length; row i belongs to items.iloc[i].
        features: (N, F) float32, before projection.
        encode_text: Texts (n,) to embeddings (n, E) float32 of unit length.
        findings: Study id to true findings; an empty list is a normal study, a missing key an unknown one.
        train_texts: Text of every training volume, for the majority answer.
    """

    items: pd.DataFrame
    volumes: np.ndarray
    features: np.ndarray
    encode_text: Callable[[Sequence[str]], np.ndarray]
    findings: Mapping[str, Sequence[Finding]]
    train_texts: Sequence[str]
