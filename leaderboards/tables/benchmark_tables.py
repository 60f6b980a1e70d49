"""Tables of a benchmark whose metrics, pools and references are found in its records."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pandas as pd

from leaderboards.scores.benchmark_scores import Sheet
from leaderboards.scores.families import (
    REFERENCES,
    STATISTICS,
    Headline,
    metric_words,
    model_words,
    ordered_pools,
    parts_of,
    references_of,
    task_keys,
    words,
)
from leaderboards.tables.cells import Table, hole_lines, metric_table, with_groups


def overview_table(sheet: Sheet, headline: Headline) -> Table:
    """The metric that ranks the rows, in every pool that is a task; the headline's pool first, with group letters."""
    keys = dict.fromkeys([headline.key, *task_keys(sheet.board)])
    heads = {key: words(key.split("/", 1)[0]) for key in keys}
    title = f"{_capital(words(sheet.name))}: {metric_words(headline.key.split('/', 1)[1])}"
    table = with_groups(_table(sheet, headline, title, heads), sheet.groups)
    return replace(table, caption=f"Ranked and grouped by {words(headline.key.split('/', 1)[0])}.{_spread(sheet)}")


def detail_tables(sheet: Sheet, headline: Headline) -> list[Table]:
    """For each pool what there is of: statistics of the ranking model, other models, single classes."""
    ranking = parts_of(headline.key.split("/", 1)[1])
    tables = []
    for pool in ordered_pools(sheet.frame["pool"].dropna()):
        parts = {key: parts_of(key.split("/", 1)[1]) for key in _keys(sheet.frame, pool)}
        own = {k: metric_words(p.statistic) for k, p in parts.items() if p.model == ranking.model and not p.one_class}
        models = {
            k: model_words(p.model) or metric_words(p.statistic)
            for k, p in parts.items()
            if p.statistic == ranking.statistic and not p.one_class
        }
        single = {k: p.one_class for k, p in parts.items() if p.one_class and p.statistic == "auroc"}
        where = f"{_capital(words(sheet.name))}, {words(pool)}"
        found = [
            (f"{where}: {model_words(ranking.model)}" if ranking.model else where, own),
            (f"{where}: {metric_words(ranking.statistic)}", models if len(models) > 1 else {}),
            (f"{where}: AUROC by class", single),
        ]
        tables += [_table(sheet, headline, title, heads) for title, heads in found if heads]
    return tables


def unscored_table(sheet: Sheet) -> Table:
    """The rows of a benchmark that nobody was scored on."""
    return Table(_capital(words(sheet.name)), "", ("method", "why there is no number"), tuple(hole_lines(sheet.board)))


def family_frame(sheets: Iterable[Sheet]) -> pd.DataFrame:
    """The CSV of a page: the tidy frames below each other, with the benchmark and every reference that is there."""
    frames = []
    for sheet in sheets:
        frame = sheet.frame.copy()
        frame.insert(0, "benchmark", sheet.name)
        keys = frame["pool"].astype(str) + "/" + frame["metric"].astype(str)
        for name in references_of(sheet.board):
            frame[name] = [sheet.board.reference(key, name) for key in keys]
        frames.append(frame.astype(object))
    return pd.concat(frames, ignore_index=True)


def _table(sheet: Sheet, headline: Headline, title: str, heads: dict[str, str]) -> Table:
    board = sheet.board
    names = [name for name in references_of(board) if any(board.reference(key, name) is not None for key in heads)]
    references = {name: REFERENCES.get(name, words(name)) for name in names}
    return metric_table(board, sheet.frame, title, heads, references, headline.key)


def _keys(frame: pd.DataFrame, pool: str) -> list[str]:
    """Metrics of a pool, known statistics in their order."""
    order = list(STATISTICS)
    metrics = frame.loc[frame["pool"] == pool, "metric"].unique()

    def place(metric: str) -> tuple[int, int, str]:
        model, statistic, _ = parts_of(metric)
        return order.index(statistic) if statistic in order else len(order), _shots(model), metric

    return [f"{pool}/{metric}" for metric in sorted(metrics, key=place)]


def _shots(model: str) -> int:
    """Number of shots or percent in a model's name, 0 for none, so that 4 comes before 16."""
    digits = [part.rstrip("abcdefghijklmnopqrstuvwxyz") for part in model.split("_") if part[:1].isdigit()]
    return int(float(digits[0])) if digits else 0


def _spread(sheet: Sheet) -> str:
    several = len(sheet.board.seeds) > 1
    return " SD: over seeds alone, where no interval over patients and seeds was made." if several else ""


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
