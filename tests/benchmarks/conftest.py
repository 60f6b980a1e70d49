from __future__ import annotations

import zlib

import numpy as np
import pandas as pd
import pytest

from selip.data.findings import Finding, clauses_of, findings_text
from selip.models.embeddings import Embeddings

REGIONS = ("thalamus", "frontal lobe", "parietal lobe", "occipital lobe", "cerebellum", "putamen", "insula")
TYPES = {
    "acute infarct": {"DWI": "high signal", "FLAIR": "high signal"},
    "plaque": {"FLAIR": "high signal", "T1": "low signal"},
    "haemorrhage": {"T1": "high signal", "FLAIR": "low signal"},
}


def unit(vectors):
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def encode_text(texts):
    """A fixed random direction for each text."""
    return unit(np.stack([np.random.default_rng(zlib.crc32(text.encode())).normal(size=32) for text in texts]))


def random_findings(rng):
    kinds = rng.choice(sorted(TYPES), size=rng.integers(0, 3))
    return [Finding(str(k), str(rng.choice(REGIONS)), str(rng.choice(["left", "right"])), TYPES[str(k)]) for k in kinds]


def make_embeddings(n_patients=60, seed=0, contrasts=("FLAIR", "T1", "DWI"), volumes="random", normal_only=False):
    """A small cohort; `volumes` is "perfect" (the text's own direction), "random" or "constant"."""
    rng = np.random.default_rng(seed)
    truth = {f"s{n}": [] if normal_only else random_findings(rng) for n in range(n_patients)}
    items = pd.DataFrame(
        {
            "volume_id": f"{study}_{contrast}", "study_id": study, "patient_id": f"p{study}", "contrast": contrast,
            "site": "site1", "text": findings_text(clauses_of(truth[study], contrast)),
        }
        for study in truth for contrast in contrasts
    )  # fmt: skip
    vectors = {
        "perfect": lambda: encode_text(items["text"]),
        "random": lambda: unit(rng.normal(size=(len(items), 32))),
        "constant": lambda: unit(np.ones((len(items), 32))),
    }[volumes]()
    return Embeddings(items, vectors, vectors, encode_text, truth, list(items["text"].iloc[::2]))


@pytest.fixture(name="make_embeddings")
def make_embeddings_fixture():
    return make_embeddings
