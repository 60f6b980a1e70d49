"""What a benchmark gets to score: a model, the cohort with its frozen split, and embeddings of any part of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from selip.data.cohort import Cohort
from selip.models.dual_encoder import DualEncoder
from selip.models.embedding_cache import EmbeddingCache
from selip.models.embeddings import Embeddings
from selip.models.encoding import embed_cohort


@dataclass(frozen=True)
class Subject:
    """A trained model with the cohort it is scored on.

    A benchmark may fit a probe on train and choose its settings on val; `split` is read once, for the score.

    Attributes:
        model: The model, in eval mode. A benchmark that changes weights works on a copy.
        cohort: Cohort with its frozen split.
        train_texts: Text of every volume that the model was trained on, for the majority answer.
        seed: Seed of the run.
        split: Part that is scored.
        transfer: A second cohort, of another contrast, for tasks of transfer; None where there is none.
        trained_on: The cohort behind the model where it is another one than `cohort`, for what zero-shot asks in: its
            words are never those of the scored cohort.
        shared: Folder for what all records of a run directory have in common, as a reference network; None: no cache.
        cache: Embeddings of earlier scores; None: every part is encoded now.
    """

    model: DualEncoder
    cohort: Cohort
    train_texts: Sequence[str]
    seed: int = 0
    split: str = "test"
    transfer: Cohort | None = None
    trained_on: Cohort | None = None
    shared: Path | None = None
    cache: EmbeddingCache | None = None
    _known: dict[tuple[str, str], Embeddings] = field(default_factory=dict, repr=False, compare=False)

    def embeddings(self, split: str | None = None) -> Embeddings:
        """Embeddings of a part of the cohort; of the scored part by default. Each part is encoded once."""
        return self._embedded("cohort", self.cohort, split or self.split)

    def transfer_embeddings(self, split: str | None = None) -> Embeddings:
        """The same of the second cohort.

        Raises:
            ValueError: When there is none.
        """
        if self.transfer is None:
            raise ValueError("no second cohort")
        return self._embedded("transfer", self.transfer, split or self.split)

    def _embedded(self, which: str, cohort: Cohort, split: str) -> Embeddings:
        key = (which, split)
        if key not in self._known:
            self._known[key] = embed_cohort(self.model, cohort, split, self.train_texts, self.cache)
        return self._known[key]
