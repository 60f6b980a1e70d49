"""Sides of a comparison made from committed records in memory: per-item scores of their exact shape, changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd

from benchmarks.metrics.class_columns import classes_of, stem_of
from benchmarks.statistics.pool_statistics import resampler_for
from leaderboards.gate.comparison import Side
from leaderboards.scores.headlines import headline_of

SEED_SD = {"retrieval": 0.030, "segmentation": 0.019, "zero_shot": 0.010, "linear_probe": 0.009}
"""SD of the ranking metric over seeds of a method in the standard records: that of gate/margins.yaml by √2."""
SHIFT_SD = {"retrieval": 0.030, "segmentation": 0.024}  # the second is cut off at Dice 0
FLIPPED = 0.12  # two seeds of a method differ in .22 of the hits at 10
DICE_NOISE = 0.135  # the Dice of a volume differs by an SD of .19 between two seeds
SCORE_NOISE, SCORE_SHIFT = 0.25, 0.05  # in SD of a class's log odds; chosen to give SEED_SD

Change = Callable[[pd.DataFrame, str, str, np.random.Generator], pd.DataFrame]
"""Table of a pool, metric, benchmark and randomness to the changed table."""


def value_of(frame: pd.DataFrame, metric: str, statistic: str) -> float:
    """The metric of a table."""
    return float(resampler_for(frame, metric, statistic)(np.ones((1, frame["patient_id"].nunique())))[0, 0])


def narrowed(side: Side, methods: tuple[str, ...]) -> Side:
    """The side with these methods and the ranking metric of each of their benchmarks alone."""
    return _mapped(side, lambda frame, metric, benchmark, rng: frame, methods, np.random.default_rng(0))


def changed(side: Side, change: Change, rng: np.random.Generator) -> Side:
    """The side with the table of every ranking metric changed, and its records' values with them."""
    methods = {row.method for board in side.boards.values() for row in board.rows}
    return _mapped(side, change, tuple(methods), rng)


def _mapped(side: Side, change: Change, methods: tuple[str, ...], rng: np.random.Generator) -> Side:
    boards = {}
    for name, board in side.boards.items():
        key = headline_of(board.records).key
        pool, metric = key.split("/", 1)
        items, rows = {}, []
        for row in (row for row in board.rows if row.method in methods):
            scored = []
            for record in row.scored:
                frame = change(board.items[record.run_id, pool], metric, name, rng)
                items[record.run_id, pool] = frame
                statistic = record.metrics[key].statistic
                entry = record.metrics[key].model_copy(update={"value": value_of(frame, metric, statistic)})
                scored.append(record.model_copy(update={"metrics": {key: entry}}))
            rows.append(replace(row, scored=tuple(scored)))
        records = tuple(record for row in rows for record in row.scored)
        if records:
            boards[name] = replace(board, records=records, rows=tuple(rows), items=items)
    return replace(side, boards=boards)


def another_seed(frame: pd.DataFrame, metric: str, benchmark: str, rng: np.random.Generator) -> pd.DataFrame:
    """What another seed of the same method might have scored: the items scatter, and all of them shift a little."""
    if benchmark in ("zero_shot", "linear_probe"):
        return _scores(frame, metric, rng, SCORE_NOISE, SCORE_SHIFT * rng.standard_normal())
    shift, values = SHIFT_SD[benchmark] * rng.standard_normal(), frame[metric].to_numpy()
    if benchmark == "retrieval":
        return frame.assign(**{metric: _flipped(values, shift, FLIPPED, rng)})
    found = values + shift + DICE_NOISE * rng.standard_normal(len(values))
    return frame.assign(**{metric: found.clip(0, 1)})


def ten_points_less(frame: pd.DataFrame, metric: str, benchmark: str, rng: np.random.Generator) -> pd.DataFrame:
    """The table with 10 points of the metric taken away."""
    if benchmark in ("zero_shot", "linear_probe"):
        return _ten_points_of_auroc(frame, metric, rng)
    values = frame[metric].to_numpy().copy()
    if benchmark == "retrieval":
        hits = np.flatnonzero(values)
        values[rng.choice(hits, round(0.10 * len(values)), replace=False)] = 0
        return frame.assign(**{metric: values})
    return frame.assign(**{metric: values * (1 - 0.10 / values.mean())})


def _flipped(hits: np.ndarray, shift: float, share: float, rng: np.random.Generator) -> np.ndarray:
    """Hits of which `share` turn over, in such proportion that their mean moves by `shift` on average."""
    mean = hits.mean()
    lost, won = (share - shift) / (2 * mean), (share + shift) / (2 * (1 - mean))
    return np.where(rng.random(len(hits)) < np.where(hits > 0, lost, won), 1 - hits, hits)


def _scores(frame: pd.DataFrame, metric: str, rng: np.random.Generator, noise: float, shift: float) -> pd.DataFrame:
    """Log odds of each class over their SD, with noise, those of the true class shifted."""
    prefix = stem_of(metric, "macro_auroc").prefix
    found = {}
    for name in classes_of(frame):
        shares = frame[f"{prefix}score:{name}"].clip(1e-6, 1 - 1e-6)
        truth = frame[f"truth:{name}"].fillna(0)
        log_odds = np.log(shares / (1 - shares))
        scatter = noise * rng.standard_normal(len(frame))
        found[f"{prefix}score:{name}"] = log_odds / log_odds.std() + shift * truth + scatter
    return frame.assign(**found)


def _ten_points_of_auroc(frame: pd.DataFrame, metric: str, rng: np.random.Generator) -> pd.DataFrame:
    """Scores of the true class pushed down until the metric is 10 points lower, by bisection."""
    wanted, (low, high) = value_of(frame, metric, "macro_auroc") - 0.10, (0.0, 8.0)
    for _ in range(12):
        middle = (low + high) / 2
        found = _scores(frame, metric, rng, 0.0, -middle)
        low, high = (middle, high) if value_of(found, metric, "macro_auroc") > wanted else (low, middle)
    return found
