"""Margins: which metrics are guarded, and by how much each may fall before that is a regression."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

from pydantic import Field

from leaderboards.gate.comparison import RecordPair
from leaderboards.scores.benchmark_records import BenchmarkRecords
from leaderboards.scores.headlines import headline_of, metric_keys
from selip.system.errors import InputError
from selip.system.mappings import from_mapping, read_mapping
from selip.system.registry import unknown

PACKAGED = Path(__file__).with_name("margins.yaml")
Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]


@dataclass(frozen=True)
class Margin:
    """The loss that a metric may have: in its own unit, and as a share of the reference's value; the larger counts.

    `seed_sd` is its standard deviation over seeds as it was known before, from `seed_df` degrees of freedom.
    """

    absolute: Amount = 0.0
    relative: Amount = 0.0
    seed_sd: Amount = 0.0
    seed_df: Amount = 0.0

    def of(self, reference: float) -> float:
        """The larger of the two, in the metric's own unit."""
        return max(self.absolute, self.relative * abs(reference))


UNNAMED = Margin(absolute=0.05, relative=0.10)
"""Margin of a metric that ranks a benchmark which no file names, as one of a third party."""
CO_PRIMARY = "co_primary"
"""Name of the mean of the co-primary metrics."""
Margins = Mapping[str, Mapping[str, Margin]]
"""Benchmark to metric, `pool/metric`, the metric alone or CO_PRIMARY, to margin."""


def read_margins(path: Path) -> Margins:
    """Reads a file such as `margins.yaml`; raises InputError when it cannot be read, or a value is no margin."""
    found: dict[str, dict[str, Margin]] = {}
    for benchmark, margins in read_mapping(path, "margins file").items():
        if not isinstance(margins, Mapping):
            raise InputError(f"got {benchmark} in {path} that is no mapping; allowed: metric: {{absolute, relative}}")
        found[str(benchmark)] = {
            str(metric): from_mapping(Margin, values, f"{benchmark}.{metric}") for metric, values in margins.items()
        }
    return found


@dataclass(frozen=True)
class Guarded:
    """The mean of some metrics, `pool/metric`, under a name, and what it may lose."""

    name: str
    keys: tuple[str, ...]
    margin: Margin

    def lacking(self, pair: RecordPair) -> str:
        """The first of the metrics that the rows of a pair do not have; "" for none."""
        return next((key for key in self.keys if key not in pair.reference.scored[0].metrics), "")


def guarded_metrics(boards: Mapping[str, BenchmarkRecords], own: Margins) -> dict[str, list[Guarded]]:
    """Benchmark to the metrics that are guarded.

    The co-primary metrics of a benchmark, else the one that ranks it, always are, with the packaged margin; `own` adds
    metrics and replaces margins.

    Raises:
        InputError: When `own` names a benchmark or a metric that is not there.
    """
    packaged = read_margins(PACKAGED)
    for benchmark in own:
        if benchmark not in boards and benchmark not in packaged:
            raise InputError(unknown("benchmark in the margins", benchmark, {*boards, *packaged}))
    return {
        name: list((_ranking(board, packaged.get(name, {})) | _named(board, own.get(name, {}))).values())
        for name, board in boards.items()
    }


def _ranking(board: BenchmarkRecords, packaged: Mapping[str, Margin]) -> dict[str, Guarded]:
    headline = headline_of(board.records)
    if headline is None:
        return {}
    keys = (headline.key, *board.declared.co_primary)
    name = CO_PRIMARY if len(keys) > 1 else headline.key
    return {name: Guarded(name, keys, packaged.get(name.rpartition("/")[2], UNNAMED))}


def _named(board: BenchmarkRecords, own: Mapping[str, Margin]) -> dict[str, Guarded]:
    """The metrics of a margins file by their full keys."""
    headline, keys = headline_of(board.records), metric_keys(board.records)
    known = _ranking(board, {})
    found = {}
    for name, margin in own.items():
        key = name if "/" in name or name in known or headline is None else f"{headline.pool}/{name}"
        if key not in known and key not in keys:
            raise InputError(_unknown_metric(board.benchmark, key, keys))
        found[key] = replace(known[key], margin=margin) if key in known else Guarded(key, (key,), margin)
    return found


def _unknown_metric(benchmark: str, key: str, keys: Iterable[str]) -> str:
    """As `selip.system.registry.unknown`, with the nearest names alone: a record has hundreds of metrics."""
    near = difflib.get_close_matches(key, sorted(keys), n=3, cutoff=0.0)
    hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
    return f"got unknown metric {key!r} of {benchmark} in the margins; allowed: metrics of its records{hint}"
