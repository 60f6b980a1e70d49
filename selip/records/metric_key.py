"""The key of a metric, taken apart in one place.

    KEY        POOL/NAME
    NAME       [MODEL_]STATISTIC[:CLASS][/REFERENCE]

`abnormal/image_to_text_R@10`, `lobe/features_linear_10pct_mcc`, `side/auroc:right/metadata`. POOL is the set of items
that are scored together, MODEL tells several models of one pool apart, CLASS is the one class that is asked about,
REFERENCE is what the number is read against, such as chance. MODEL and STATISTIC may both hold "_", so MODEL is known
by a statistic of `STATISTICS` after it; a name that ends in none is all statistic. A table of one pool has NAMEs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TypeVar

Column = TypeVar("Column")

STATISTICS = (
    "macro_auroc", "macro_auprc", "balanced_accuracy", "macro_f1", "mcc", "ece", "spearman", "mae", "accuracy", "auroc",
    "auprc", "dice", "median_hd95_mm", "hd95_mm", "nsd_at_2mm", "lesion_f1",
)  # fmt: skip
"""Statistics that may stand behind a model's name, in the order of a table; of two that end alike the longer first."""


@dataclass(frozen=True)
class MetricKey:
    """A metric of one pool. See the module's docstring.

    Attributes:
        pool: Items that are scored together; "" in a table of one pool.
        model: Which of a pool's models; "" where it has one.
        statistic: What is computed.
        one_class: The class that is asked about; "" for all.
        reference: What a metric is read against; "" for the metric itself.
    """

    pool: str
    model: str
    statistic: str
    one_class: str = ""
    reference: str = ""

    @classmethod
    def parse(cls, key: str) -> MetricKey:
        """Takes POOL/NAME apart."""
        return _parsed(key)

    @classmethod
    def named(cls, name: str, pool: str = "", statistics: Sequence[str] = STATISTICS) -> MetricKey:
        """Takes a NAME apart, as of a table of one pool; `statistics` are those that a model's name ends before."""
        own, _, reference = name.partition("/")
        stem, _, one_class = own.partition(":")
        for statistic in statistics:
            if stem.endswith(f"_{statistic}") or stem == statistic:
                model = stem.removesuffix(statistic).removesuffix("_")
                return cls(pool, model, statistic, one_class, reference)
        return cls(pool, "", stem, one_class, reference)

    @property
    def metric(self) -> str:
        """The name without its reference: the metric's columns in the table of its pool."""
        name = f"{self.model}_{self.statistic}" if self.model else self.statistic
        return f"{name}:{self.one_class}" if self.one_class else name

    @property
    def plain(self) -> bool:
        """True of a metric of the whole pool, and not of one class or a reference."""
        return not self.one_class and not self.reference

    def beside(self, reference: str) -> str:
        """The key of a reference beside this metric."""
        return str(replace(self, reference=reference))

    def matches(self, pattern: str) -> bool:
        """True of the plain metric POOL/NAME; "*" at the end of POOL stands for any rest of it."""
        pool, _, name = pattern.partition("/")
        fits = self.pool.startswith(pool[:-1]) if pool.endswith("*") else self.pool == pool
        return fits and self.plain and self.metric == name

    def __str__(self) -> str:
        name = f"{self.metric}/{self.reference}" if self.reference else self.metric
        return f"{self.pool}/{name}" if self.pool else name


@lru_cache(maxsize=100_000)
def _parsed(key: str) -> MetricKey:
    pool, _, name = key.partition("/")
    return MetricKey.named(name, pool)


def own_columns(columns: Mapping[str, Column]) -> dict[str, Column]:
    """Columns by NAME without those of references."""
    return {name: values for name, values in columns.items() if not MetricKey.named(name).reference}
