"""The regime of a cohort: what it asks of a method of soft targets, from its texts and the batches of a run.

S is that of the run's settings between the texts of planned batches, after flips; T = (I + P) / 2 with P = S / rowsum
is selip's with its defaults. Two texts have the same place when a clause of each names the same, side included, the
same signal when the tags of two clauses agree, and both when one clause of each agrees in both.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import log
from typing import Any

import numpy as np
import torch

from selip.data.cohort import Cohort
from selip.data.states import ABNORMAL, NORMAL, states_of
from selip.similarity.semantics import averaging_matrix
from selip.similarity.text_similarity import TextSimilarity, TextTable, text_table
from selip.system.errors import InputError
from selip.training.batch_plan import BatchPlan, plan_batches
from selip.training.objective import row_entropy
from selip.training.settings import RunConfig

ALIKE = 0.5
"""S from which two texts are alike."""
FEWEST_ALIKE = 0.05  # of the rows of batches
MOST_BATCHES = 100
RELATIONS = ("both", "same place", "same signal", "neither")


@dataclass(frozen=True)
class Regime:
    """The regime of a cohort under a run's settings; shares are in [0, 1].

    Attributes:
        texts: Distinct texts of abnormal training volumes.
        volumes: Abnormal training volumes.
        wordings: Distinct texts a set of findings, mean over the abnormal training volumes.
        clauses: Number of clauses to the share of abnormal training volumes with so many.
        known_texts: Share of abnormal test volumes whose text train has: the closed set.
        known_findings: Share of abnormal test volumes whose clauses train has.
        batch_size: Pairs a batch.
        steps: Batches of the run.
        alike: Share of the rows of batches with another text of S >= ALIKE.
        nearest: Deciles (11) of the largest S beside the diagonal of each row.
        mass: Mean sum of S beside the diagonal of a row.
        relations: Kind of RELATIONS to its share of that mass.
        entropy: Mean entropy of the rows of T, nats; of log(batch_size) at most.
        normals: Normal training volumes.
        normals_unseen: Share of them that no batch of the run has.
        normals_a_batch: Mean number of normal volumes in a batch.
    """

    texts: int
    volumes: int
    wordings: float
    clauses: Mapping[int, float]
    known_texts: float
    known_findings: float
    batch_size: int
    steps: int
    alike: float
    nearest: Sequence[float]
    mass: float
    relations: Mapping[str, float]
    entropy: float
    normals: int
    normals_unseen: float
    normals_a_batch: float

    @property
    def asks_nothing(self) -> bool:
        """True when hardly a text has one that is like it, so that soft targets are those of strangers."""
        return self.alike < FEWEST_ALIKE

    @property
    def warning(self) -> str:
        """A clause on how few rows have a text that is alike, and what to do."""
        return (
            f"only {self.alike:.0%} of the rows of a batch of {self.batch_size} have one with S >= {ALIKE}; use texts "
            "that share findings, or similarity.semantic=ontology"
        )


def regime_of(cohort: Cohort, run: RunConfig) -> Regime:
    """The regime of a cohort; a batch is cut to what its train part can fill.

    Raises:
        InputError: When the train part has no two different texts.
    """
    rows = cohort.rows("train")
    table = text_table(cohort, rows)
    ids = table.ids(cohort.volumes["text"].iloc[rows].tolist())
    states = states_of(cohort.volumes.iloc[rows])
    plan = _plan(ids, table, run)
    return Regime(
        **_of_texts(cohort, table, ids[states == ABNORMAL]),
        **_of_batches(plan.text_ids[:MOST_BATCHES], table, TextSimilarity.of(table, run.similarity)),
        **_of_normals(plan, np.flatnonzero(states == NORMAL)),
    )


def _plan(ids: np.ndarray, table: TextTable, run: RunConfig) -> BatchPlan:
    config = run.training
    most = len(set(ids.tolist())) if config.unique_texts else len(ids)
    return plan_batches(
        ids, table.twin, table.can_flip()[ids], steps=config.steps,
        batch_size=max(2, min(config.batch_size, most // 2)), unique_texts=config.unique_texts,
        flip=run.augment.flip, seed=0,
    )  # fmt: skip


def _of_texts(cohort: Cohort, table: TextTable, ids: np.ndarray) -> dict[str, Any]:
    """Facts on the texts of abnormal volumes; `ids` are those of train."""
    rows = cohort.rows("test")
    rows = rows[states_of(cohort.volumes.iloc[rows]) == ABNORMAL]
    test = text_table(cohort, rows)
    asked = [(test.texts[one], test.clauses[one]) for one in test.ids(cohort.volumes["text"].iloc[rows].tolist())]
    known = {(table.texts[one], table.clauses[one]) for one in ids}
    wordings = Counter(clauses for _, clauses in known)
    sizes = Counter(len(table.clauses[one]) for one in ids)
    return {
        "texts": len(known),
        "volumes": len(ids),
        "wordings": _mean([wordings[table.clauses[one]] for one in ids]),
        "clauses": {size: count / len(ids) for size, count in sorted(sizes.items())},
        "known_texts": _mean([text in {one for one, _ in known} for text, _ in asked]),
        "known_findings": _mean([clauses in wordings for _, clauses in asked]),
    }


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if len(values) else float("nan")


def _of_batches(batches: np.ndarray, table: TextTable, similarity: TextSimilarity) -> dict[str, Any]:
    """Facts on S and T in batches (n, B) of text ids."""
    beside, nearest, entropies = dict.fromkeys(RELATIONS, 0.0), [], []
    relation_of = _relations(table)
    for batch in batches:
        found = similarity(torch.from_numpy(batch))
        targets = (torch.eye(len(batch)) + found / found.sum(1, keepdim=True)) / 2
        entropies.append(float(row_entropy(targets).mean()))
        off = found.fill_diagonal_(0).numpy()
        nearest.append(off.max(1))
        for kind, pairs in zip(RELATIONS, relation_of(batch), strict=True):
            beside[kind] += float(off[pairs].sum())
    total = sum(beside.values())
    rows = np.concatenate(nearest)
    return {
        "batch_size": batches.shape[1],
        "alike": float((rows >= ALIKE).mean()),
        "nearest": np.quantile(rows, np.linspace(0, 1, 11)).round(3).tolist(),
        "mass": total / batches.size,
        "relations": {kind: mass / total if total else 0.0 for kind, mass in beside.items()},
        "entropy": float(np.mean(entropies)),
    }


def _relations(table: TextTable) -> Callable[[np.ndarray], list[np.ndarray]]:
    """A function of text ids (B,) to bool (B, B) of each of RELATIONS, of which every pair has one."""
    keys = (lambda one: (one.location.lower(), one.tag), lambda one: one.location.lower(), lambda one: one.tag)
    shared = []
    for key in keys:
        found = [{key(one) for one in clauses if one.location} for clauses in table.clauses]
        shared.append(averaging_matrix(found, sorted(set().union(*found))) > 0)

    def relations(ids: np.ndarray) -> list[np.ndarray]:
        both, place, signal = (has[ids].astype(int) @ has[ids].T.astype(int) > 0 for has in shared)
        return [both, place & ~both, signal & ~place, ~(place | signal)]

    return relations


def _of_normals(plan: BatchPlan, normals: np.ndarray) -> dict[str, Any]:
    """Facts on how often a run shows the normal volumes, whose positions are given."""
    steps = len(plan.rows)
    seen = np.isin(plan.rows, normals)
    return {
        "steps": steps,
        "normals": len(normals),
        "normals_unseen": 1 - len(np.unique(plan.rows[seen])) / len(normals) if len(normals) else 0.0,
        "normals_a_batch": float(seen.sum() / steps),
    }


def regime_facts(cohort: Cohort, run: RunConfig) -> dict[str, str]:
    """The regime in words, question to answer; why there is none where the train part cannot fill a batch."""
    try:
        found = regime_of(cohort, run)
    except InputError as error:
        return {"regime": f"none, as {error}"}
    clauses = ", ".join(f"{size}: {share:.0%}" for size, share in found.clauses.items())
    kinds = ", ".join(f"{kind} {share:.0%}" for kind, share in found.relations.items())
    low, middle, high = (found.nearest[decile] for decile in (1, 5, 9))
    return {
        "texts of abnormal train volumes": f"{found.texts} different of {found.volumes}",
        "wordings a set of findings": f"{found.wordings:.1f}",
        "clauses a text": clauses,
        "abnormal test volumes whose text train has": f"{found.known_texts:.0%}",
        "abnormal test volumes whose findings train has": f"{found.known_findings:.0%}",
        f"rows of batches of {found.batch_size} with another text of S >= {ALIKE}": f"{found.alike:.0%}",
        "nearest other S of a row": f"{low:.2f}, {middle:.2f}, {high:.2f} (10, 50, 90 %)",
        "mass of S beside the diagonal of a row": f"{found.mass:.2f}; {kinds}",
        "entropy of T": f"{found.entropy:.2f} of {log(found.batch_size):.2f} nats",
        "normal train volumes": f"{found.normals}; {found.normals_a_batch:.2f} a batch, {found.normals_unseen:.0%} "
        f"never seen in {found.steps} batches",
    }
