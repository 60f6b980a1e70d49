"""Views of differences: declared contrasts, differences to a reference, case spread and seed spread apart."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from leaderboards.scores.benchmark_records import Board
from leaderboards.scores.families import metric_words, words
from leaderboards.scores.paired_differences import PRIMARY, Comparison, ranked
from leaderboards.tables.cells import MISSING, Cell, Line, Table, interval, number, p_text
from leaderboards.tables.columns import DIFFERENCE, Estimate, facet_of

_BOUNDS = (("case_lower", "case_upper"), ("lower", "upper"))


def declared_table(contrasts: Sequence[Comparison], title: str = "Declared contrasts, abnormal volumes") -> Table:
    """The contrasts fixed before any run, one line a contrast and metric, with the Holm-adjusted p-value."""
    over_seeds = any(pd.notna(c.p_seeds) for c in contrasts)
    lines = tuple(
        Line((
            Cell(f"{c.a} − {c.b}"),
            Cell(metric_name(c.key) if c.benchmark == "retrieval" else f"{words(c.benchmark)}: {_full_name(c.key)}"),
            difference_cell(c),
            Cell(p_text(c.p_holm)),
            *([Cell(p_text(c.p_seeds))] if over_seeds else []),
            Cell(("yes" if c.differs else "no") if c.known else MISSING),
            Cell(f"{c.smallest:.3f}" if c.known else MISSING),
        ))
        for c in contrasts
    )  # fmt: skip
    several = len({c.benchmark for c in contrasts}) > 1
    flips = ("p (sign flip)",) if over_seeds else ()
    columns = ("contrast", "metric", "difference", "p (Holm)", *flips, "separated", "smallest detectable")
    caption = "Fixed before any run. Paired over patients and seeds; two-sided bootstrap p, Holm over "
    caption += f"the {len(contrasts)} lines of the table." if several else "each metric."
    caption += " Sign flip: exact, over seeds alone." if over_seeds else ""
    caption += " Separated: the interval leaves out 0 and Holm's p is at most .05."
    caption += " Smallest detectable: the true difference that this comparison would find with 80 % power at .05."
    return Table(title, caption, columns, lines, (None, None, DIFFERENCE, *([None] * (len(columns) - 3))))


def _full_name(key: str) -> str:
    pool, metric = key.split("/", 1)
    return f"{words(pool)}, {metric_words(metric)}"


def reference_table(reference: str, comparisons: dict[str, list[Comparison]]) -> Table:
    """Every method minus `reference`, one line a method and one column a metric."""
    cells = {(c.a, key): difference_cell(c) for key, found in comparisons.items() for c in found}
    labels = list(dict.fromkeys(c.a for found in comparisons.values() for c in found))
    lines = tuple(
        Line((Cell(f"{label} − {reference}"), *(cells.get((label, key), Cell(MISSING)) for key in comparisons)))
        for label in labels
    )
    caption = "Paired, strong where the interval leaves out 0. Exploratory: not adjusted for how many there are."
    title = f"Differences to {reference}, abnormal volumes"
    facets = (None, *([DIFFERENCE] * len(comparisons)))
    return Table(title, caption, ("contrast", *map(metric_name, comparisons)), lines, facets)


def difference_cell(comparison: Comparison) -> Cell:
    """A signed difference with its interval, strong where the interval leaves out 0."""
    value, lower, upper, _ = comparison.difference
    bounds = "" if pd.isna(lower) else f"[{lower:+.3f}, {upper:+.3f}]"
    return Cell(f"{value:+.3f}", bounds, strong=comparison.separates, estimate=Estimate(value, lower, upper))


def metric_name(key: str) -> str:
    """`pool/metric` as a reader says it, without the pool."""
    metric = key.split("/", 1)[1]
    return metric.replace("image_to_text_", "image → text ").replace("text_to_image_", "text → image ")


def spread_table(board: Board, frame: pd.DataFrame, key: str = PRIMARY, name: str = "") -> Table | None:
    """Case spread and seed spread of the metric that ranks the rows, apart; None for one seed."""
    if len(board.seeds) < 2:
        return None
    pool, metric = key.split("/", 1)
    here = frame[(frame["pool"] == pool) & (frame["metric"] == metric)].set_index(["method", "ablation"])
    lines = []
    for row in ranked(board, key):
        entry = here.loc[(row.method, row.ablation)]
        values = ", ".join(f"{r.metrics[key].value:.3f}" for r in row.scored)
        mean, spread = number(entry["value"], metric), f"{entry['seed_sd']:.3f}"
        case, both = (_bounds_cell(Estimate(entry["value"], entry[low], entry[high]), metric) for low, high in _BOUNDS)
        lines.append(Line((Cell(row.label), Cell(mean), case, Cell(spread), Cell(values), both)))
    seeds = ", ".join(map(str, board.seeds))
    columns = ("method", "mean", "over patients alone", "SD over seeds alone", f"value of seed {seeds}", "over both")
    caption = "Patients: seeds held, patients resampled. Seeds: standard deviation of the seeds' values."
    facet = facet_of(board, key)
    facets = (None, facet, facet, None, None, facet)
    return Table(f"Case spread and seed spread, {name or metric_name(key)}", caption, columns, tuple(lines), facets)


def _bounds_cell(estimate: Estimate, metric: str) -> Cell:
    """The bounds as words, the numbers behind them as marks."""
    bounds = interval(estimate.lower, estimate.upper, metric)
    return Cell(bounds, estimate=estimate) if bounds else Cell(MISSING)
