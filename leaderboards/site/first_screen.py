"""The first screen: a verdict in one sentence, the ranking, and the difference that the study asks about."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from leaderboards.figures.interval_figures import question_plot
from leaderboards.scores.benchmark_records import FULL
from leaderboards.scores.benchmark_scores import BenchmarkScores, Overall, of_most_seeds
from leaderboards.scores.headlines import capital, metric_words, pool_words
from leaderboards.scores.method_rows import MethodRow
from leaderboards.scores.paired_differences import ranked
from leaderboards.site.answer import size_of, verdict_of
from leaderboards.site.scales import Scale, mark_of, scale_of
from leaderboards.tables.cells import MISSING, Cell, Line, PageTable, metric_cell
from leaderboards.tables.document import Picture
from selip.records.metric_key import MetricKey

BINS = 10


@dataclass(frozen=True)
class Column:
    """A metric of the ranking, in words, on how many patients, with the scale that its cells are drawn on."""

    sheet: BenchmarkScores
    key: str
    family: str
    metric: str
    where: str
    n_patients: int
    scale: Scale | None


@dataclass(frozen=True)
class Score:
    """A cell of the ranking and what is behind it.

    `seeds` and `against` are JSON: values by seed; by label of another row the paired difference and its bounds.
    `patients` counts them by tenth of the metric, "" where it is no mean over items.
    """

    cell: Cell
    mark: str = ""
    seeds: str = ""
    patients: str = ""
    against: str = ""
    why: str = ""


@dataclass(frozen=True)
class Place:
    """A row of the ranking: its rank in words, the places that tests leave open, and the groups that it is in."""

    label: str
    rank: str
    places: str
    groups: Sequence[bool]
    scores: Sequence[Score]


@dataclass(frozen=True)
class FirstScreen:
    """The verdict, the size of what it rests on, what the ranking is by, its columns and rows.

    `question` is the figure of the first declared method minus each of what it is compared with, None without any.
    """

    verdict: str
    size: str
    order: str
    columns: Sequence[Column]
    places: Sequence[Place]
    question: Picture | None = None
    method: str = FULL


def first_screen_of(families: Mapping[str, Sequence[BenchmarkScores]], overall: Overall | None) -> FirstScreen:
    """The first screen of a leaderboard; without rows where there are fewer than two to rank."""
    sheets = [sheet for members in families.values() for sheet in members]
    trusted = {sheet.name for sheet in of_most_seeds(sheets)}
    shown = {name: members[0] for name, members in families.items() if members[0].name in trusted}
    columns = [column for name, sheet in shown.items() for column in _columns(name, sheet)]
    labels = _labels(sheets, overall)
    groups = _groups(sheets[0], overall)
    places = [_place(label, groups, overall, columns) for label in labels] if len(labels) > 1 else []
    verdict, size = verdict_of(sheets, overall, groups), size_of(sheets)
    question = question_plot(sheets, [column.key for column in columns])
    method = next((first for first, _ in sheets[0].board.contrasts), FULL)
    return FirstScreen(verdict, size, _order(sheets, overall), columns, places, question, method)


def paper_table(first: FirstScreen, size: int = 4) -> PageTable:
    """The ranking as a paper prints it: method, average rank where there is one, and the first `size` metrics."""
    shown = first.columns[:size]
    is_ranked = any(place.places for place in first.places)
    heads = [column.metric.partition(" (")[0] for column in shown]
    said = "; ".join(f"{head}: {column.where}" for head, column in zip(heads, shown, strict=True))
    lines = []
    for place in first.places:
        about = [Cell(place.label), *([Cell(place.rank)] if is_ranked else [])]
        lines.append(Line((*about, *(score.cell for score in place.scores[:size])), label=place.label))
    caption = f"{first.order}. Value and 95 % interval. {said}. {capital(first.size)}."
    return PageTable("Ranking", caption, ("method", *(["rank"] if is_ranked else []), *heads), tuple(lines))


def _columns(family: str, sheet: BenchmarkScores) -> list[Column]:
    """The metric that ranks, and the first co-primary one of another kind, as nDCG beside recall."""
    if sheet.headline is None:
        return []
    kinds = {
        MetricKey.parse(key).statistic.rpartition("_")[2]: key
        for key in [*sheet.declared.co_primary[::-1], sheet.headline.key]
    }
    keys = [sheet.headline.key, *(key for key in kinds.values() if key != sheet.headline.key)]
    return [_column(family, sheet, key) for key in keys if ranked(sheet.board, key)]


def _column(family: str, sheet: BenchmarkScores, key: str) -> Column:
    found = [sheet.estimate(row, key) for row in ranked(sheet.board, key)]
    floor, declared = sheet.board.floor(key), sheet.declared
    counts = [record.metrics[key].n_patients for record in sheet.board.records if key in record.metrics]
    where = ", ".join(dict.fromkeys([declared.label, pool_words(declared, key)]))
    scale = scale_of(found, floor[1] if floor else None)
    return Column(sheet, key, capital(family.replace("_", " ")), metric_words(declared, key), where, max(counts), scale)


def _labels(sheets: Sequence[BenchmarkScores], overall: Overall | None) -> list[str]:
    """Every row: by average rank, then by the first ranking metric that it has, then those without any number."""
    first = [*(overall.ranks.ranks if overall and overall.ranks else ())]
    scored = [row.label for sheet in sheets if sheet.headline for row in ranked(sheet.board, sheet.headline.key)]
    return [*dict.fromkeys([*first, *scored, *(row.label for sheet in sheets for row in sheet.board.rows)])]


def _groups(sheet: BenchmarkScores, overall: Overall | None) -> list[list[str]]:
    """Groups of rows that no test separates: over tasks where there are average ranks, else on the first benchmark."""
    if overall and overall.ranks:
        return [list(clique) for clique in overall.ranks.cliques]
    letters = dict.fromkeys("".join(sheet.groups.values()))
    return [[label for label, own in sheet.groups.items() if letter in own] for letter in letters]


def _place(label: str, groups: Sequence[Sequence[str]], overall: Overall | None, cols: Sequence[Column]) -> Place:
    rank = overall.ranks.ranks.get(label) if overall and overall.ranks else None
    order = [*overall.ranks.ranks] if overall and overall.ranks else [*cols[0].sheet.groups] if cols else []
    others = [order.index(one) + 1 for group in groups if label in group for one in group]
    own = order.index(label) + 1 if label in order and groups else 0
    ends = (min([own, *others]), max([own, *others]))
    places = f"{ends[0]} to {ends[1]}" if ends[1] > ends[0] else str(own)
    shown = f"{rank:.2f}" if rank else str(own) if own else MISSING
    scores = [_score(label, column) for column in cols]
    return Place(label, shown, places if own else "", [label in group for group in groups], scores)


def _score(label: str, column: Column) -> Score:
    sheet, key = column.sheet, column.key
    row = next((row for row in sheet.board.rows if row.label == label), None)
    if row is None or row not in ranked(sheet.board, key):
        return Score(Cell(MISSING), why=(row.hole if row else "was not run") or "has no such metric")
    cell = metric_cell(sheet.estimate(row, key), key)
    seeds = {record.seed: float(f"{record.metrics[key].value:.4g}") for record in row.scored}
    return Score(
        cell, mark_of(cell, column.scale), json.dumps(seeds), _patients(sheet, row, key), _against(sheet, label, key)
    )


def _patients(sheet: BenchmarkScores, row: MethodRow, key: str) -> str:
    """Patients by tenth of the mean of their items and seeds, for a metric between 0 and 1."""
    metric = MetricKey.parse(key).metric
    found = [frame[["patient_id", metric]] for frame in sheet.board.frames(row, key) if metric in frame]
    if not found:
        return ""
    means = np.mean([frame.groupby("patient_id")[metric].mean().dropna() for frame in found], axis=0)
    if not len(means) or means.min() < 0 or means.max() > 1:
        return ""
    return " ".join(map(str, np.histogram(means, BINS, (0, 1))[0]))


def _against(sheet: BenchmarkScores, label: str, key: str) -> str:
    """The paired differences of a row to those that rank below it."""
    found = sheet.standing.comparisons.values() if sheet.standing and sheet.standing.key == key else ()
    return json.dumps(
        {c.b: [round(float(one), 3) for one in c.difference[:3]] for c in found if c.a == label and c.known}
    )


def _order(sheets: Sequence[BenchmarkScores], overall: Overall | None) -> str:
    if overall and overall.ranks:
        return f"Average rank over {len(overall.tasks)} tasks, 1 is best"
    head = sheets[0].headline
    return f"In order of {head.name}" if head else ""
