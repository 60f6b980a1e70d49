"""The order of training: every batch of a run is drawn before its first step, the same for every method of a seed."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from selip.errors import InputError


@dataclass(frozen=True)
class BatchPlan:
    """All batches of a run.

    Attributes:
        rows: (steps, B) int64 positions among the training volumes.
        flips: (steps, B) bool, whether the pair is flipped left-right.
        text_ids: (steps, B) int64 text ids after the flip.
    """

    rows: np.ndarray
    flips: np.ndarray
    text_ids: np.ndarray

    @property
    def hash(self) -> str:
        """SHA-256 (hex) of rows and flips."""
        return hashlib.sha256(self.rows.tobytes() + self.flips.tobytes()).hexdigest()


def plan_batches(
    text_ids: np.ndarray, twin: np.ndarray, *, steps: int, batch_size: int, unique_texts: bool, flip: bool, seed: int
) -> BatchPlan:
    """Draws every batch of a run.

    Epochs are random permutations. With `unique_texts` a pair whose text is already in the batch waits for a later
    batch of its epoch; what is left when an epoch cannot fill a batch is dropped with the epoch.

    Args:
        text_ids: (n,) int64 text id of each training volume.
        twin: (N,) int64 id of the left-right flipped twin of each text id.
        steps: Number of batches.
        batch_size: B.
        unique_texts: Whether the texts of a batch, after flips, are all different.
        flip: Whether each pair is flipped with probability 1/2.
        seed: Seed of the draws.

    Raises:
        InputError: When the training part cannot fill one batch.
    """
    available = len({*text_ids} | ({*twin[text_ids]} if flip else set())) if unique_texts else len(text_ids)
    if available < batch_size:
        raise InputError(
            f"got training.batch_size={batch_size} with {available} {'unique texts' if unique_texts else 'pairs'} in "
            "the train part; allowed: at most that many; lower training.batch_size or add patients"
        )
    rng = np.random.default_rng(np.random.SeedSequence([seed, 1]))
    batches = _batches(text_ids, twin, batch_size, unique_texts, flip, rng)
    drawn = [next(batches) for _ in range(steps)]
    rows = np.array([[row for row, _ in batch] for batch in drawn], dtype=np.int64)
    flips = np.array([[flipped for _, flipped in batch] for batch in drawn], dtype=bool)
    return BatchPlan(rows, flips, np.where(flips, twin[text_ids[rows]], text_ids[rows]))


def _batches(
    text_ids: np.ndarray, twin: np.ndarray, batch_size: int, unique: bool, flip: bool, rng: np.random.Generator
) -> Iterator[list[tuple[int, bool]]]:
    while True:
        order = rng.permutation(len(text_ids))
        flips = rng.random(len(text_ids)) < 0.5 if flip else np.zeros(len(text_ids), dtype=bool)
        waiting = deque((int(row), bool(flips[row])) for row in order)
        while len(batch := _next_batch(waiting, text_ids, twin, batch_size, unique)) == batch_size:
            yield batch


def _next_batch(
    waiting: deque[tuple[int, bool]], text_ids: np.ndarray, twin: np.ndarray, batch_size: int, unique: bool
) -> list[tuple[int, bool]]:
    """Takes pairs from the front of `waiting`; those whose text is taken go back to its front, in order."""
    batch, seen, deferred = [], set(), []
    while waiting and len(batch) < batch_size:
        row, flipped = waiting.popleft()
        text = twin[text_ids[row]] if flipped else text_ids[row]
        if unique and text in seen:
            deferred.append((row, flipped))
        else:
            seen.add(text)
            batch.append((row, flipped))
    waiting.extendleft(reversed(deferred))
    return batch
