"""Figures of ablations: differences to the full method, the map of syntax against semantics."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from leaderboards.figures import plots
from leaderboards.scores.ablation_study import AblationStudy
from leaderboards.scores.headlines import capital, metric_words, pool_words
from leaderboards.tables.cells import form_of, number_text
from leaderboards.tables.document import Picture

MIX = "similarity.mix"
MIX_WEIGHT_KEYS = ("similarity.weight_syntax", "similarity.weight_semantic")
FEWEST_CELLS = 3
Cells = dict[tuple[float, float], float]
"""(syntax weight, semantic weight) -> value."""


def ablation_plots(study: AblationStudy) -> list[Picture]:
    """The figures that these records allow."""
    found = [_forest(study), _map(study)]
    return [plot for plot in found if plot]


def _forest(study: AblationStudy) -> Picture | None:
    shown = study.compared
    if not shown:
        return None

    def draw() -> Figure:
        figure = plots.new_figure(1.2 + plots.ROW_INCHES * len(shown), plots.PAGE_INCHES)
        names = [f"{one.known.group} · {one.name}{' *' if one.start else ''}" for one, _ in shown]
        comparisons = [comparison for _, comparison in shown]
        plots.draw_forest(figure.subplots(), names, comparisons, [c.differs for c in comparisons], _metric(study))
        return plots.titled(figure, study.board.synthetic, f"Ablation − {study.full_name}, {_pool(study)} volumes")

    caption = "Dot and 95 % interval of the paired difference; filled where it is one after Holm's adjustment."
    star = f" *: other weights, batches or steps than {study.full_name}." if any(one.start for one, _ in shown) else ""
    return Picture(f"{study.page}_differences", f"Differences to {study.full_name}", caption + star, draw)


def mix_cells(study: AblationStudy) -> Cells:
    """Cells of the map: rows that differ from the full method in the mix of syntax and semantics alone.

    A weighted mean has its two weights, one of the two alone has weight 1. The product has no weights and is no cell.
    Of two rows that are one cell the weighted mean is kept.
    """
    found: Cells = {}
    for wanted in ("mean", "syntax", "semantic"):
        for one in study.ablations:
            settings, estimate = {**study.settings, **one.changes}, study.estimate(one.name)
            if estimate and _kind(settings, one.changes) == wanted:
                found.setdefault(_weights(settings, wanted), estimate.value)
    full = study.estimate("")
    if full and study.settings.get(MIX) == "mean":
        found[_weights(study.settings, "mean")] = full.value
    return found


def _kind(settings: Mapping[str, object], changes: Mapping[str, object]) -> str:
    """The mix that an ablation has when it changes nothing else; "" when it changes something else."""
    if changes and set(changes) <= {MIX, *MIX_WEIGHT_KEYS}:
        return str(settings.get(MIX))
    return ""


def _weights(settings: Mapping[str, object], kind: str) -> tuple[float, float]:
    alone = {"syntax": (1.0, 0.0), "semantic": (0.0, 1.0)}
    syntax, semantic = (float(str(settings.get(key, "nan"))) for key in MIX_WEIGHT_KEYS)
    return alone.get(kind, (syntax, semantic))


def _map(study: AblationStudy) -> Picture | None:
    cells = mix_cells(study)
    if len(cells) < FEWEST_CELLS:
        return None
    grid, full, beside = _grid(cells), study.estimate(""), ""
    if full and study.settings.get(MIX) == "product":
        beside = f"product ({study.full_name}): {number_text(full.value, form_of(study.headline.key))}"

    def draw() -> Figure:
        figure = plots.new_figure(1.6 + 0.55 * len(grid))
        axes = plots.draw_heat_map(figure, grid, ".3f")
        _draw_missing(axes, grid)
        axes.set(xlabel="weight of semantics", ylabel="weight of syntax")
        axes.set_title(beside, loc="right", fontsize=7.5, weight="normal")
        return plots.titled(figure, study.board.synthetic, f"{capital(_metric(study))} by mix of S")

    caption = (
        "K = syntax weight × syntax + semantic weight × semantics. (0, 0): S = I, CLIP at twice the loss. Hatched: not "
        "run or not scored. Empty: weights above 1 in sum do not exist. The product has no weights and stands beside."
    )
    return Picture(f"{study.page}_mix", "Syntax weight × semantic weight", caption, draw, inline=True)


def _missing(syntax: str, semantic: str) -> str:
    """The words of a cell without value: nothing where the weights are too large to exist."""
    return "not run" if float(syntax) + float(semantic) <= 1 + 1e-9 else ""


def _grid(cells: Cells) -> pd.DataFrame:
    """Values, largest syntax weight on top; NaN where there is no cell."""
    rows, columns = (sorted({weights[axis] for weights in cells}) for axis in (0, 1))
    values = [[cells.get((a, b), np.nan) for b in columns] for a in rows[::-1]]
    return pd.DataFrame(values, [f"{a:g}" for a in rows[::-1]], [f"{b:g}" for b in columns])


def _draw_missing(axes: Axes, grid: pd.DataFrame) -> None:
    axes.grid(visible=False)
    for row, column in zip(*np.nonzero(grid.isna().to_numpy()), strict=True):
        if _missing(grid.index[row], grid.columns[column]):
            corner = (column + 0.03, row + 0.03)
            axes.add_patch(Rectangle(corner, 0.94, 0.94, fill=False, hatch="///", edgecolor=plots.FAINT, linewidth=0))


def _pool(study: AblationStudy) -> str:
    return pool_words(study.board.declared, study.headline.key)


def _metric(study: AblationStudy) -> str:
    return metric_words(study.board.declared, study.headline.key)
