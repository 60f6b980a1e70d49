"""An encoder to be scored with its cohort, and notes on a cohort that it was not trained on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from selip.data.cohort import Cohort
from selip.data.contrast_mapping import reading_words
from selip.models.dual_encoder import CheckpointFacts
from selip.models.embedding_cache import EmbeddingCache
from selip.models.embeddings import Embeddings, embed_cohort
from selip.models.encoder import Encoder


@dataclass(frozen=True)
class Subject:
    """An encoder with the cohort it is scored on.

    A benchmark may fit a probe on train and choose its settings on val; `split` is read once, for the score.

    Attributes:
        model: The encoder; a torch module in eval mode. A benchmark that changes weights works on a copy.
        cohort: Cohort with its frozen split.
        train_texts: Text of every volume that the model was trained on, of an encoder from outside those of the train
            part, for the majority answer.
        seed: Seed of the run.
        split: Part that is scored.
        transfer: A second cohort, of another contrast, for tasks of transfer; None where there is none.
        trained_on: The cohort behind the model where it is another one than `cohort`, for what zero-shot asks in: its
            words are never those of the scored cohort.
        shared: Folder for what all records of a run directory have in common, as a reference network; None: no cache.
        cache: Embeddings of earlier scores; None: every part is encoded now.
    """

    model: Encoder
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


def mismatches(
    facts: CheckpointFacts, cohort: Cohort, split: str, reading: Mapping[str, str | None] | None = None
) -> list[str]:
    """List what differs from scoring a model on the test part of its own cohort, one line each.

    Args:
        facts: Of the model.
        cohort: What is scored.
        split: Part of it that is scored.
        reading: How the model reads its contrasts, where the user says so.
    """
    reading = reading or {}
    lines = []
    if facts.cohort != cohort.info.content_hash:
        kind = "a synthetic cohort" if facts.synthetic else "another cohort"
        lines.append(f"the model was trained on {kind}, so these are transfer scores, not a row of its leaderboard")
    elif split != "test":
        lines.append(f"part {split!r} of the model's own cohort took part in training or choosing it: no test score")
    elif facts.split_fingerprint != cohort.info.split_fingerprint:
        lines.append("the model was trained on other parts of this cohort, as one of its folds: no test score")
    lines += [f"{name} is {how}" for name, how in reading_words(reading).items()]
    unseen = sorted(set(cohort.volumes["contrast"]) - set(facts.contrasts) - set(reading))
    if unseen:
        lines.append(
            f"contrasts the model never saw, standardised by the volume's own mean and spread: {', '.join(unseen)}"
        )
    if facts.spacing_mm != cohort.info.spacing_mm:
        lines.append(f"voxels are {cohort.info.spacing_mm} mm, those of training were {facts.spacing_mm} mm")
    return lines
