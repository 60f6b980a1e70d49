"""The order of training: every batch of a run is drawn before its first step, the same for every method of a seed."""

from __future__ import annotations

import hashlib
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from selip.system.errors import InputError

# Flips are drawn anew each epoch, so a small part may fill a batch in some epochs and not in others.
MAX_EMPTY_EPOCHS = 20


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
    text_ids: np.ndarray,
    twin: np.ndarray,
    can_flip: np.ndarray | None = None,
    *,
    steps: int,
    batch_size: int,
    unique_texts: bool,
    flip: str,
    seed: int,
    most: np.ndarray | None = None,
) -> BatchPlan:
    """Draws every batch of a run.

    Epochs are random permutations. With `unique_texts` a pair whose text the batch has as often as it may waits for a
    later batch of its epoch; what is left when an epoch cannot fill a batch is dropped with the epoch.

    Args:
        text_ids: (n,) int64 text id of each training volume.
        twin: (N,) int64 id of the left-right flipped twin of each text id.
        can_flip: (n,) bool, whether a pair may be flipped at all; None: each may. One that may not never is.
        steps: Number of batches.
        batch_size: B.
        unique_texts: Whether the texts of a batch, after flips, are all different.
        flip: "none"; "random", each pair flipped with probability 1/2; or "paired", the same, and a pair whose text has
            a side brings its mirror image into the batch.
        seed: Seed of the draws.
        most: (N,) int64, how often a batch with unique texts may hold a text id all the same; None: once.

    Raises:
        InputError: When the training part cannot fill one batch.
    """
    chance = np.full(len(text_ids), 0.0 if flip == "none" else 0.5)
    if can_flip is not None:
        chance[~can_flip] = 0
    often = np.ones(len(twin), dtype=np.int64) if most is None else most
    limit = often if unique_texts else None
    batches = _batches(text_ids, twin, batch_size, limit, flip, chance, np.random.default_rng([seed, 1]))
    drawn = [next(batches) for _ in range(steps)]
    rows = np.array([[row for row, _ in batch] for batch in drawn], dtype=np.int64)
    flips = np.array([[flipped for _, flipped in batch] for batch in drawn], dtype=bool)
    return BatchPlan(rows, flips, np.where(flips, twin[text_ids[rows]], text_ids[rows]))


Pair = tuple[int, bool]


def _batches(
    text_ids: np.ndarray,
    twin: np.ndarray,
    batch_size: int,
    limit: np.ndarray | None,
    flip: str,
    chance: np.ndarray,
    rng: np.random.Generator,
) -> Iterator[list[Pair]]:
    empty_epochs = 0
    while empty_epochs < MAX_EMPTY_EPOCHS:
        order = rng.permutation(len(text_ids))
        flips = rng.random(len(text_ids)) < chance
        waiting = deque([(int(row), bool(flips[row]))] for row in order)
        if flip == "paired":
            sided = (twin[text_ids] != text_ids) & (chance > 0)
            waiting = deque(
                [(row, first), (row, not first)] if sided[row] else [(row, first)] for [(row, first)] in waiting
            )
        empty_epochs += 1
        while len(batch := _next_batch(waiting, text_ids, twin, batch_size, limit)) == batch_size:
            empty_epochs = 0
            yield batch
    raise InputError(
        f"got training.batch_size={batch_size}, which the {len(text_ids)} pairs of the train part with "
        f"{len(set(text_ids.tolist()))} different texts cannot fill{'' if limit is None else ' with different texts'}; "
        f"give training.batch_size={len(batch)} or less, and a new --out, or add patients"
    )


def _next_batch(
    waiting: deque[list[Pair]], text_ids: np.ndarray, twin: np.ndarray, batch_size: int, limit: np.ndarray | None
) -> list[Pair]:
    """Takes groups of pairs from the front of `waiting`; those with a text at its limit go back to its front, in order.

    The last group of a batch is cut to fit.
    """
    batch: list[Pair] = []
    held: Counter[int] = Counter()
    deferred = []
    while waiting and len(batch) < batch_size:
        group = waiting.popleft()
        texts = {int(twin[text_ids[row]] if flipped else text_ids[row]) for row, flipped in group}
        if limit is not None and any(held[text] >= limit[text] for text in texts):
            deferred.append(group)
        else:
            held.update(texts)
            batch.extend(group)
    waiting.extendleft(reversed(deferred))
    return batch[:batch_size]
