"""Rows of a board: a method with an ablation over the seeds, or an encoder from outside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from selip.records.metric_key import MetricKey
from selip.records.record import Record


@dataclass(frozen=True)
class MethodRow:
    """One method with one ablation ("" for none) over the seeds of the board: its scored records, by seed.

    `hole` is why the row has no number, "" when every seed is scored; it is no failure where every seed was skipped, as
    a task that the method cannot do. An `external` row is an encoder from outside: it has one record, beside each seed.
    """

    method: str
    ablation: str
    scored: tuple[Record, ...]
    hole: str
    skipped: bool = False
    external: bool = False

    @property
    def label(self) -> str:
        """The name that a table shows."""
        return f"{self.method} [{self.ablation}]" if self.ablation else self.method

    @property
    def is_trained(self) -> bool:
        """True where some seed of it took a step."""
        return any(record.training.steps for record in self.scored if record.training)

    @property
    def metric_keys(self) -> list[str]:
        """Metrics that every scored record has, without the references beside them."""
        keys = set.intersection(*(set(record.metrics) for record in self.scored))
        return sorted(key for key in keys if not MetricKey.parse(key).reference)

    def values(self, key: str) -> list[float]:
        """Value of a metric by seed."""
        return [record.metrics[key].value for record in self.scored]


def row_of(records: Sequence[Record], method: str, ablation: str, seeds: Sequence[int]) -> MethodRow:
    """The row of a method with an ablation among `records`, over `seeds`."""
    mine = [record for record in records if (record.method, record.ablation) == (method, ablation)]
    scored = [record for record in mine if record.status == "ok"]
    if mine[0].encoder:  # no seed of ours made it: it is the same beside each of them
        hole = "" if scored else f"{mine[0].status}: {mine[0].reason}"
        return MethodRow(method, ablation, tuple(scored[:1] * len(seeds)), hole, mine[0].status == "skipped", True)
    reasons: dict[str, list[int]] = {}
    for seed in sorted(set(seeds) - {record.seed for record in scored}):
        lost = [f"{record.status}: {record.reason}" for record in mine if record.seed == seed]
        reasons.setdefault("; ".join(lost) or "was not run", []).append(seed)
    hole = "; ".join(f"seed{'s' if len(lost) > 1 else ''} {_listed(lost)} {why}" for why, lost in reasons.items())
    skipped = all(record.status == "skipped" for record in mine) and {record.seed for record in mine} == set(seeds)
    return MethodRow(method, ablation, tuple(scored), hole, skipped)


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))
