"""The metric that ranks methods on a benchmark, those that are tasks, and what a reader calls them.

All of it follows from what the benchmark declares in its records, and from what its records have.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from selip.records.declaration import Declared
from selip.records.metric_key import MetricKey
from selip.records.record import CohortFacts, Record


@dataclass(frozen=True)
class Headline:
    """The metric (`pool/metric`) that methods are ranked by on a benchmark, and its name in words."""

    key: str
    name: str
    higher_is_better: bool = True

    @property
    def metric(self) -> str:
        """The metric without its pool."""
        return MetricKey.parse(self.key).metric

    @property
    def pool(self) -> str:
        """Its pool."""
        return MetricKey.parse(self.key).pool

    def beyond(self, number: float, limit: float) -> bool:
        """True of a number that is better than a limit."""
        return number > limit if self.higher_is_better else number < limit

    def worse_of(self, lower: float, upper: float) -> float:
        """The bound of an interval on the worse side."""
        return lower if self.higher_is_better else upper

    def better_of(self, lower: float, upper: float) -> float:
        """The bound of an interval on the better side."""
        return upper if self.higher_is_better else lower


def headline_of(records: Sequence[Record]) -> Headline | None:
    """The declared metric in the first of its pools that the records of one benchmark have; None without any."""
    declared, keys = records[0].declared, _ranking_keys(records)
    if not keys:
        return None
    key = MetricKey.parse(keys[0])
    statistic = words(declared, key.statistic)
    name = declared.headline_label or f"{statistic} ({declared.label}, {words(declared, key.pool)})"
    return Headline(keys[0], name, declared.higher_is_better)


def task_keys(records: Sequence[Record]) -> list[str]:
    """The declared metric in each pool that is a task of its own, then the further tasks that are declared."""
    declared = records[0].declared
    also = [key for pattern in declared.also for key in keys_of(declared, pattern, metric_keys(records))]
    return list(dict.fromkeys([*_ranking_keys(records), *also]))


def _ranking_keys(records: Sequence[Record]) -> list[str]:
    declared, keys = records[0].declared, metric_keys(records)
    return next((found for pattern in declared.headline if (found := keys_of(declared, pattern, keys))), [])


def metric_keys(records: Iterable[Record]) -> set[str]:
    """Every metric that a record has, without references."""
    return {key for record in records for key in record.metrics if not MetricKey.parse(key).reference}


def keys_of(declared: Declared, pattern: str, keys: Iterable[str]) -> list[str]:
    """The keys that a pattern stands for; of any pool only those in pools that are tasks, in their order."""
    found = {key.pool: str(key) for key in map(MetricKey.parse, keys) if key.matches(pattern)}
    tasks = declared.pools if pattern.startswith("*/") and declared.pools else found
    return [found[pool] for pool in ordered_pools(declared, found) if pool in tasks]


def ordered_pools(declared: Declared, pools: Iterable[str]) -> list[str]:
    """Pools without repeats, declared ones first, then by name."""
    order = {pool: place for place, pool in enumerate(declared.pools)}
    return sorted(set(pools), key=lambda pool: (order.get(pool, len(order)), pool))


def cohort_of(record: Record, pool: str) -> CohortFacts:
    """The cohort whose volumes a pool of a record holds."""
    return record.transfer if pool in record.declared.transfer_pools and record.transfer else record.cohort


def metric_words(declared: Declared, key: MetricKey | str) -> str:
    """A metric as a reader says it, without its pool: "macro AUROC (features, linear, 10 %)"."""
    found = MetricKey.parse(key) if isinstance(key, str) else key
    text = words(declared, found.statistic) + (f" of {found.one_class}" if found.one_class else "")
    return f"{text} ({model_words(found.model)})" if found.model else text


def pool_words(declared: Declared, key: str) -> str:
    """The pool of a metric in words."""
    return words(declared, MetricKey.parse(key).pool)


def full_name(declared: Declared, key: str) -> str:
    """A metric among those of other benchmarks; one that words its headline itself needs no pool beside it."""
    metric = metric_words(declared, key)
    return metric if declared.headline_label else f"{declared.label}: {pool_words(declared, key)}, {metric}"


def model_words(model: str) -> str:
    """A model of a pool in words: "features, linear, 10 %"; "" for none."""
    said = (
        part.replace("pct", " %").replace("shot", " shot") if part[:1].isdigit() else part for part in model.split("_")
    )
    return ", ".join(said)


def words(declared: Declared, name: str) -> str:
    """The name of a pool, a statistic or a reference in words, as the benchmark declares them."""
    known = declared.words | declared.floors
    if name in known:
        return known[name]
    if share := re.fullmatch(r"(.+)_(\d+\w*)", name):
        return f"{words(declared, share[1])}, {model_words(share[2])}"
    for part, text in known.items():
        name = text + name.removeprefix(part) if name.startswith(f"{part}_") else name
    return name.replace("_", " ")


def capital(text: str) -> str:
    """The text with its first letter as a capital."""
    return text[:1].upper() + text[1:]
