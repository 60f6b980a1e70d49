"""The outcomes of the gate at known falls, on runs that are drawn from the committed seeds.

A run is the mean of a method's seeds by patient, shifted by what one seed of any method lies off its mean, with the
scatter over patients of one seed of any method. Three methods are compared, as in the quick experiment.

`python tests/leaderboards/gate_power.py` prints the table of docs/pages/how-to/gate.md (two minutes).
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np

from benchmarks.statistics.intervals import holm
from leaderboards.gate.comparison import read_side
from leaderboards.gate.difference import Measured, judged, pooled_spread
from leaderboards.gate.margins import CO_PRIMARY, guarded_metrics
from leaderboards.gate.quality_gate import GateLine

RECORDS = Path(__file__).resolve().parents[2] / "leaderboards" / "records" / "standard-quick-2026-11-24"
METHODS = ("selip", "clip", "shuffled_selip")
FALLS, SEEDS = (0.0, 0.02, 0.05, 0.10), (1, 3, 6)
OUTCOMES = ("regress", "inconclusive", "pass")


def committed():
    """The guarded metric, and (methods, seeds, P) its score by patient in the records; trained ones alone."""
    side = read_side(RECORDS)
    board = side.boards["retrieval"]
    (guarded,) = guarded_metrics({"retrieval": board}, {})["retrieval"]
    assert guarded.name == CO_PRIMARY
    rows = [row for row in board.complete if row.method != "random_init"]
    tables = [[by_patient(frame, guarded.keys) for frame in board.frames(row, guarded.keys[0])] for row in rows]
    return guarded, [row.method for row in rows], np.array(tables)


def by_patient(frame, keys):
    """(P,) sums of a patient's volumes over the mean number of volumes, so that their mean is that of the volumes."""
    scores = frame[[key.split("/")[1] for key in keys]].mean(axis=1)
    sums = scores.groupby(frame["patient_id"]).sum()
    return sums.to_numpy() * len(sums) / len(frame)


class Runs:
    """Draws runs of a method."""

    def __init__(self, methods, tables):
        n_seeds = tables.shape[1]
        self.means = dict(zip(methods, tables.mean(axis=1), strict=True))
        apart = (tables - tables.mean(axis=1, keepdims=True)) * np.sqrt(n_seeds / (n_seeds - 1))
        apart = apart.reshape(-1, tables.shape[-1])
        self.shifts = apart.mean(axis=1)
        self.scatter = apart - self.shifts[:, None]

    def draw(self, rng, method, n_seeds):
        """(K, P) scores by patient of new runs."""
        scatter = rng.permuted(self.scatter[rng.integers(len(self.scatter), size=n_seeds)], axis=1)
        return self.means[method] + self.shifts[rng.integers(len(self.shifts), size=n_seeds), None] + scatter


def difference(reference, candidate):
    """What `measured` finds, of scores by patient (K, P): a mean needs no resamples."""
    n_patients, sides = reference.shape[1], (reference, candidate)
    cases = (candidate.mean(axis=0) - reference.mean(axis=0)).var() / n_patients
    noise = 0.0
    if len(reference) > 1:
        apart = [side - side.mean(axis=0) - (side.mean(axis=1) - side.mean())[:, None] for side in sides]
        noise = sum((one**2).sum() / n_patients**2 / (len(one) - 1) / len(one) for one in apart)
    own = tuple(side.mean(axis=1).var(ddof=1) if len(side) > 1 else 0.0 for side in sides)
    runs = len(reference), len(candidate)
    return Measured(candidate.mean() - reference.mean(), max(cases - noise, 0.0), n_patients, runs, own, 0.0)


def outcome(guarded, sides):
    """The outcome of a comparison of (reference, candidate) by method."""
    found = [difference(*both) for both in sides]
    spread = pooled_spread(found, guarded.margin)
    verdicts = [judged(one, spread) for one in found]
    adjusted = holm([p_value for _, p_value in verdicts])
    lines = [
        GateLine(None, guarded, reference.mean(), candidate.mean(), interval, spread, p_holm).outcome
        for (reference, candidate), (interval, _), p_holm in zip(sides, verdicts, adjusted, strict=True)
    ]
    return next(one for one in OUTCOMES if one in lines)


def shares(guarded, runs, n_seeds, fall, falling, n_comparisons, seed=0):
    """Share of the comparisons with each outcome, the first `falling` of METHODS having fallen by `fall`."""
    found = Counter()
    for number in range(n_comparisons):
        rng = np.random.default_rng([seed, n_seeds, number])
        sides = [[runs.draw(rng, method, n_seeds) for _ in range(2)] for method in METHODS]
        for _, candidate in sides[:falling]:
            candidate -= fall
        found[outcome(guarded, sides)] += 1
    return {one: found[one] / n_comparisons for one in OUTCOMES}


def table(n_comparisons):
    """The table in Markdown."""
    guarded, methods, tables = committed()
    runs = Runs(methods, tables)
    heads = " | ".join(f"true fall {fall:.2f}" for fall in FALLS)
    yield f"| seeds a side | fallen | {heads} |\n|--:|:--|{'--:|' * len(FALLS)}"
    for n_seeds in SEEDS:
        for falling, words in ((len(METHODS), "all three methods"), (1, "one of three")):
            found = [shares(guarded, runs, n_seeds, fall, falling, n_comparisons) for fall in FALLS]
            cells = (" / ".join(f"{one[name]:.3f}" for name in OUTCOMES) for one in found)
            yield f"| {n_seeds} | {words} | {' | '.join(cells)} |"


if __name__ == "__main__":
    for line in table(2000):
        print(line, flush=True)
