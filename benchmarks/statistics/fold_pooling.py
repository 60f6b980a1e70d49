"""Scores out of fold: the per-item tables of all folds as one, and every metric computed on it anew.

A fold is never averaged as if it were a seed: patients are in one fold each, and the bootstrap draws them once over all
folds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from benchmarks.benchmark import ScoreOptions
from benchmarks.statistics.metric_summary import summarise_classification
from benchmarks.statistics.pool_statistics import PER_ITEM
from selip.records.metric_key import MetricKey
from selip.records.record import Metric
from selip.system.errors import InputError
from selip.system.mappings import grouped

Metrics = Mapping[str, Metric]
REFERENCE_DECIMALS = 4  # as of references in one fold


def pooled(
    tables: Sequence[pd.DataFrame], metrics: Sequence[Metrics], options: ScoreOptions
) -> tuple[pd.DataFrame, dict[str, Metric]]:
    """Per-item table of all folds, without what references answered, and its metrics.

    Args:
        tables: Per-item table of each fold, with columns COLUMN/REFERENCE.
        metrics: Metrics of each fold; those of the pool are all that occur.
        options: How the intervals are made.

    Raises:
        InputError: A patient is in two folds.
    """
    frame = pd.concat(tables, ignore_index=True)
    seen = pd.concat([table[["patient_id"]].drop_duplicates() for table in tables])["patient_id"]
    if seen.duplicated().any():
        raise InputError(f"got patient {seen[seen.duplicated()].iloc[0]} in two folds; make the folds again")
    found: dict[str, Metric] = {}
    frames = []
    for pool, own in frame.groupby("pool", sort=False):
        part = _balanced(own.reset_index(drop=True).dropna(axis=1, how="all"))
        wanted = _of_pool(str(pool), metrics)
        found |= {f"{pool}/{name}": metric for name, metric in _summary(part, wanted, options).items()}
        frames.append(part[[column for column in part.columns if "/" not in str(column)]])
    kept = [key for one in metrics for key in one]
    return pd.concat(frames, ignore_index=True), {key: found[key] for key in dict.fromkeys(kept) if key in found}


def _of_pool(pool: str, metrics: Sequence[Metrics]) -> dict[str, list[Metric]]:
    """NAME to the metric of each fold that has it."""
    named = ((MetricKey.parse(key), key.partition("/")[2], metric) for one in metrics for key, metric in one.items())
    return grouped((name, metric) for parsed, name, metric in named if parsed.pool == pool)


def _summary(frame: pd.DataFrame, wanted: Mapping[str, list[Metric]], options: ScoreOptions) -> dict[str, Metric]:
    known = {name: ones[0].statistic for name, ones in wanted.items() if _has_columns(frame, name, ones[0].statistic)}
    plain = {name: kind for name, kind in known.items() if not MetricKey.named(name).reference or kind in PER_ITEM}
    found = summarise_classification(frame, plain, options)
    beside: dict[tuple[str, str], dict[str, str]] = {}
    for name in [name for name in known if name not in plain]:
        key = MetricKey.named(name)
        beside.setdefault((key.model, key.reference), {})[name] = known[name]
    for (model, reference), names in beside.items():
        answers = _answers(frame, model, reference)
        found |= _rounded(summarise_classification(answers, names, _once(options)))
    for name, ones in wanted.items():
        key = MetricKey.named(name)
        if name not in found and key.metric in found:
            found[name] = _of_folds(ones)
    direction = {name: ones[0].higher_is_better for name, ones in wanted.items()}
    return {name: one.model_copy(update={"higher_is_better": direction[name]}) for name, one in found.items()}


def _once(options: ScoreOptions) -> ScoreOptions:
    return ScoreOptions(1, options.seed, options.confidence)


def _rounded(found: Metrics) -> dict[str, Metric]:
    return {name: one.model_copy(update={"value": round(one.value, REFERENCE_DECIMALS)}) for name, one in found.items()}


def _has_columns(frame: pd.DataFrame, name: str, statistic: str) -> bool:
    """True when the table has what a metric, or a reference, is computed from."""
    key = MetricKey.named(name)
    if statistic in PER_ITEM:
        return name in frame
    prefix, suffix = f"{key.model}_" if key.model else "", f"/{key.reference}" if key.reference else ""
    ranked = any(str(column).startswith(f"{prefix}score:") and str(column).endswith(suffix) for column in frame)
    return f"{prefix}predicted{suffix}" in frame or ranked


def _answers(frame: pd.DataFrame, model: str, reference: str) -> pd.DataFrame:
    """Truth, and what a reference answered beside a model in the columns of a model of the reference's name."""
    prefix, suffix = f"{model}_" if model else "", f"/{reference}"
    theirs = {
        f"{reference}_{str(column).removesuffix(suffix).removeprefix(prefix)}": frame[column]
        for column in frame
        if str(column).endswith(suffix) and str(column).startswith((f"{prefix}predicted", f"{prefix}score:"))
    }
    truth = [column for column in frame if str(column).startswith("truth") or column in {"patient_id", "weight"}]
    return pd.concat([frame[truth], pd.DataFrame(theirs)], axis=1)


def _of_folds(ones: Sequence[Metric]) -> Metric:
    """A reference without items, as chance: the mean over folds by their items."""
    items = [one.n_items for one in ones]
    mean = float(np.average([one.value for one in ones], weights=items))
    counted = {"n_items": sum(items), "n_patients": sum(one.n_patients for one in ones)}
    return ones[0].model_copy(update={"value": round(mean, REFERENCE_DECIMALS), **counted})


def _balanced(frame: pd.DataFrame) -> pd.DataFrame:
    """Weights of a balanced pool made for all folds together: every class weighs the same; others stay."""
    if "truth" not in frame or (frame["weight"] == 1).all():
        return frame
    counts = frame["truth"].map(frame["truth"].value_counts())
    return frame.assign(weight=len(frame) / frame["truth"].nunique() / counts)
