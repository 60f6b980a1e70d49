"""Records that may stand in one table: what must be equal, and what is said when it is not."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from selip.records.metric_key import MetricKey
from selip.records.record import Metric, Record
from selip.system.errors import InputError
from selip.system.files import content_hash
from selip.system.mappings import grouped

SHARED: dict[str, Callable[[Record], object]] = {
    "schema versions": lambda record: record.schema_version,
    "cohort hashes": lambda record: record.cohort.content_hash,
    "split fingerprints": lambda record: record.split_fingerprint,
    "scored parts": lambda record: record.part,
    "synthetic flags": lambda record: None if record.encoder else record.synthetic,
    "training cohorts": lambda record: _of_trained(record, "trained_on"),
    "training splits": lambda record: _of_trained(record, "trained_on_split_fingerprint"),
    "second cohorts": lambda record: record.transfer.content_hash if record.transfer else None,
    "second splits": lambda record: record.transfer_split_fingerprint or None,
}
"""Common to all records of a page, whatever their benchmark; None where it does not matter to a record."""
SECOND: dict[str, Callable[[Record], object]] = {
    "second cohorts": lambda record: record.transfer.content_hash if record.transfer else "none",
    "second splits": lambda record: record.transfer_split_fingerprint or "none",
}
"""The same for who wants every task on both sides: to have none is another one then."""
PROTOCOL: dict[str, Callable[[Record], object]] = {"protocol versions": lambda record: record.protocol_version}
"""Common to all records of one benchmark beside that."""
RESERVED = ("ablation", "agreement", "audit", "index", "overall")
"""Names of pages that no family of benchmarks may have."""
ONE_TABLE: dict[str, Callable[[Record], object]] = {
    "declarations": lambda record: content_hash(record.declared.model_dump(mode="json"))[:12],
    "settings of scoring": lambda record: _scoring(record),
}
"""Common to all records of one table beside both."""
DECLARED: dict[str, Callable[[Record], object]] = {
    "contrasts": lambda record: ", ".join(f"{one} - {two}" for one, two in record.contrasts) or "none",
    "controls": lambda record: ", ".join(record.controls) or "none",
}
"""Common to all records of one table that were trained on equal terms."""
_ONE_TABLE = "allowed: one in a table; build a leaderboard for each from its own run directory"


def check_names(records: Sequence[Record]) -> None:
    """Refuses a benchmark or a family whose name is no name of a file.

    Raises:
        InputError: Names the benchmark.
    """
    for record in records:
        for name in (record.benchmark, record.declared.family):
            if (
                not re.fullmatch(r"[A-Za-z0-9][\w-]*", name, re.ASCII)
                or name in RESERVED
                or name.startswith("ablation_")
            ):
                raise InputError(
                    f"got benchmark {record.benchmark!r} of family {record.declared.family!r} (run {record.run_id}); "
                    f"allowed: letters, digits, _, - and none of {', '.join(RESERVED)}; rename it where it is declared"
                )


def check_comparable(records: Sequence[Record]) -> None:
    """Refuses records of different schema, protocol, cohort or split, and two of one cell.

    Of those that were trained on equal terms the contrasts are the same too; encoders from outside have none.

    Raises:
        InputError: Names the first two that differ.
    """
    check_same(records, PROTOCOL | SHARED | ONE_TABLE)
    for some in grouped((record.terms, record) for record in records if record.encoder is None).values():
        check_same(some, DECLARED)
    scored: dict[tuple[str, str, int], Record] = {}
    for record in records:
        cell = record.method, record.ablation, record.seed
        if record.status == "ok" and (one := scored.setdefault(cell, record)) is not record:
            raise InputError(
                f"got two scored records of {one.method} {one.ablation} seed {one.seed} (runs {one.run_id}, "
                f"{record.run_id}); allowed: one a method, ablation and seed; move one to another run directory"
            )


def _of_trained(record: Record, field: str) -> object:
    """A fact of the cohort that a method was trained on where that is not the scored one; None for an encoder."""
    found = getattr(record, field)
    known = getattr(found, "content_hash", found)
    return None if record.encoder else known or "the scored one"


def _scoring(record: Record) -> object:
    """A hash of the settings of scoring that decide values; None where the configuration has none."""
    settings = record.config.get("evaluation")
    kept = {key: value for key, value in (settings or {}).items() if key != "n_resamples"}
    return content_hash(kept)[:12] if settings else None


def check_same(
    records: Sequence[Record], keys: Mapping[str, Callable[[Record], object]], remedy: str = _ONE_TABLE
) -> None:
    """Refuses records that differ in one of `keys`, facts by their name; `remedy` says what is allowed and what to do.

    Raises:
        InputError: Names the first two that differ.
    """
    for name, key in keys.items():
        known = [(value, record.run_id) for record in records if (value := key(record)) is not None]
        other = next(((value, run) for value, run in known if value != known[0][0]), None)
        if other:
            raise InputError(f"got {name} {known[0][0]} (run {known[0][1]}) and {other[0]} (run {other[1]}); {remedy}")


def check_same_metrics(scored: Sequence[Record]) -> None:
    """Refuses records whose metrics of one name count other items or have other chance levels.

    Raises:
        InputError: Names the metric and the first two records that differ.
    """
    seen: dict[str, tuple[tuple[object, ...], str]] = {}
    for record in scored:
        for key, metric in record.metrics.items():
            definition = counts_of(key, metric)
            is_trained = MetricKey.parse(key).reference in record.declared.trained_floors
            apart = (record.ablation, record.terms, record.encoder and record.method)
            own = f"{key} {apart}" if is_trained else key
            before, run_id = seen.setdefault(own, (definition, record.run_id))
            if before != definition:
                raise InputError(
                    f"got {key} with {before} (run {run_id}) and {definition} (run {record.run_id}) as patients, "
                    "items, direction, statistic (and value of a reference); allowed: one definition in a table; "
                    "evaluate one of them again"
                )


def counts_of(key: str, metric: Metric) -> tuple[object, ...]:
    """The content of a metric: patients, items, direction, statistic, and of a reference its value."""
    reference = (round(metric.value, 9),) if MetricKey.parse(key).reference else ()
    return (metric.n_patients, metric.n_items, metric.higher_is_better, metric.statistic, *reference)
