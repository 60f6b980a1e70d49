"""Cards: what the records say of one method, in one place."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import yaml

from leaderboards.figures.example_pictures import PagePicture
from leaderboards.scores.benchmark_scores import BenchmarkScores
from leaderboards.scores.headlines import metric_words, pool_words
from leaderboards.scores.method_rows import MethodRow
from leaderboards.scores.paired_differences import ranked
from leaderboards.tables.cells import MISSING, Cell, Line, PageTable, hole_reason, metric_cell
from leaderboards.tables.protocol import runs_of
from selip.records.record import Record, Training
from selip.system.mappings import grouped

CARD_COLUMNS = ("benchmark", "ranking metric", "value", "place", "group")


def anchor_of(title: str) -> str:
    """The name of a place on the page, which a link to it holds."""
    return re.sub(r"\W+", "-", title.lower(), flags=re.ASCII).strip("-")


@dataclass(frozen=True)
class Configuration:
    """A resolved configuration and what it ran with; the same for every method as a rule."""

    anchor: str
    config_hash: str
    text: str
    versions: str


@dataclass(frozen=True)
class Card:
    """One method: the ranking metric of each benchmark, or why there is none; facts, commands and pictures.

    `rank` is the average rank over tasks, or the place in a benchmark, in words.
    """

    anchor: str
    label: str
    rank: str
    scores: PageTable
    facts: Sequence[tuple[str, str]]
    commands: Sequence[Mapping[str, str]]
    configurations: Sequence[tuple[str, str]]
    pictures: Sequence[PagePicture] = ()


def configurations_of(sheets: Sequence[BenchmarkScores]) -> list[Configuration]:
    """Every configuration of the records, once."""
    found = {record.config_hash: record for sheet in sheets for record in sheet.board.records}
    return [
        Configuration(
            f"configuration-{number}",
            config_hash,
            yaml.safe_dump(record.config, sort_keys=False, allow_unicode=True),
            ", ".join(f"{package} {version}" for package, version in record.versions.items()),
        )
        for number, (config_hash, record) in enumerate(found.items(), 1)
    ]


def cards_of(
    sheets: Sequence[BenchmarkScores], ranks: Mapping[str, float], configurations: Sequence[Configuration]
) -> list[Card]:
    """A card for each row of any benchmark, without pictures.

    `ranks` are average ranks over tasks by label, best first, as far as there are any.
    """
    rows = grouped((row.label, (sheet, row)) for sheet in sheets for row in sheet.board.rows)
    ordered = dict.fromkeys([*ranks, *(row.label for row in ranked(sheets[0].board, _key(sheets[0]))), *rows])
    anchors = {one.config_hash: one.anchor for one in configurations}
    cards = []
    for number, label in enumerate(ordered, 1):
        records = [record for sheet, row in rows[label] for record in sheet.board.records_of(row)]
        hashes = dict.fromkeys(record.config_hash for record in records)
        cards.append(
            Card(
                anchor=f"method-{anchor_of(label) or number}",
                label=label,
                rank=f"average rank {ranks[label]:.2f} of {len(ranks)}" if label in ranks else _place(rows[label]),
                scores=_scores(rows[label]),
                facts=_facts(records),
                commands=runs_of(records, {}, "").commands,
                configurations=[(anchors[one], one) for one in hashes],
            )
        )
    return cards


def _place(rows: Sequence[tuple[BenchmarkScores, MethodRow]]) -> str:
    """The place of a row without average rank in the first benchmark that it has one in."""
    for sheet, row in rows:
        places = ranked(sheet.board, _key(sheet))
        if row in places and sheet.headline and not sheet.board.describes_runs:
            return f"{places.index(row) + 1} of {len(places)} in {sheet.headline.name}"
    return ""


def _key(sheet: BenchmarkScores) -> str:
    return sheet.headline.key if sheet.headline else ""


def _scores(rows: Sequence[tuple[BenchmarkScores, MethodRow]]) -> PageTable:
    lines = []
    for sheet, row in rows:
        if row.hole or not sheet.headline:
            lines.append(Line((Cell(sheet.declared.label),), *hole_reason(row)))
            continue
        key, places = sheet.headline.key, ranked(sheet.board, sheet.headline.key)
        if row not in places:
            lines.append(Line((Cell(sheet.declared.label),), f"has no {sheet.headline.name}", "hole"))
            continue
        cells = (
            Cell(sheet.declared.label),
            Cell(f"{metric_words(sheet.declared, key)} · {pool_words(sheet.declared, key)}", prose=True),
            metric_cell(sheet.estimate(row, key), key),
            Cell(MISSING if sheet.board.describes_runs else f"{places.index(row) + 1} of {len(places)}"),
            Cell(sheet.groups.get(row.label, MISSING)),
        )
        lines.append(Line(cells))
    return PageTable("Scores", "", CARD_COLUMNS, tuple(lines))


def _facts(records: Sequence[Record]) -> list[tuple[str, str]]:
    states = [record.status for record in records]
    trainings = {record.seed: record.training for record in records if record.training}
    found = [
        ("records", ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))),
        ("seeds", ", ".join(map(str, sorted({record.seed for record in records})))),
        *(_on_training(trainings) if trainings else []),
        ("device", ", ".join(dict.fromkeys(record.device for record in records if record.device)) or MISSING),
        ("mean seconds", _seconds(records) or MISSING),
        ("peak memory", f"{max(record.peak_memory_mb for record in records):.0f} MB"),
        ("created", " to ".join(dict.fromkeys([min(times), max(times)])) if (times := _times(records)) else MISSING),
    ]
    return found


def _on_training(trainings: Mapping[int, Training]) -> list[tuple[str, str]]:
    """The making of the weights, by seed where seeds may differ."""
    first = next(iter(trainings.values()))
    chosen = ", ".join(f"{training.chosen_step} (seed {seed})" for seed, training in trainings.items())
    hashes = [
        f"{training.initial_weights_hash[:12]}, {training.batch_order_hash[:12] or MISSING} (seed {seed})"
        for seed, training in trainings.items()
    ]
    found = [
        ("steps", f"{first.steps}; chosen by validation: {chosen}" if first.steps else "none: not trained"),
        ("parameters", f"{first.parameters:,} trainable; volume tower: {first.own_tower or 'the common one'}"),
        ("weights, batches", "; ".join(hashes)),
    ]
    soft = [t for t in trainings.values() if t.target_entropy is not None and t.target_diagonal is not None]
    if soft:
        entropy, diagonal = (fmean(getattr(t, name) for t in soft) for name in ("target_entropy", "target_diagonal"))
        found.append(("targets", f"mean row entropy {entropy:.2f} nats, mean diagonal {diagonal:.2f}"))
    return found


def _seconds(records: Sequence[Record]) -> str:
    phases = grouped(phase for record in records for phase in record.seconds.items())
    return ", ".join(f"{phase} {fmean(found):.0f}" for phase, found in phases.items())


def _times(records: Sequence[Record]) -> list[str]:
    return [record.created for record in records if record.created]
