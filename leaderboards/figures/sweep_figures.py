"""Figures over a setting: the metric that ranks, a line for each choice of the others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from leaderboards.figures import plots
from leaderboards.figures.plots import SERIES
from leaderboards.scores.ablation_study import UNREGISTERED, AblationStudy
from leaderboards.scores.headlines import metric_words
from leaderboards.scores.tidy_table import Estimate
from leaderboards.tables.document import Picture

LAMBDA = "methods.selip.kl_weight"
ON_LAMBDA = " Lambda scales the loss by 1 + lambda too: mix_0_0 has SeLIP's scale at lambda = 1 without its similarity."
Line = dict[float, Estimate]
"""Value of the setting to the metric."""


def sweep_plots(study: AblationStudy) -> list[Picture]:
    """A figure for each setting that the cells of a grid change, in numbers, and for lambda.

    Registered ablations are no cells; of them lambda alone is a curve.
    """
    return [_picture(study, key, lines) for key in _keys(study) if (lines := lines_over(study, key))]


def _keys(study: AblationStudy) -> list[str]:
    cells = [one for one in study.ablations if one.known is UNREGISTERED or set(one.changes) == {LAMBDA}]
    return sorted({key for one in cells for key, value in one.changes.items() if _is_number(value)})


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def lines_over(study: AblationStudy, key: str) -> dict[str, Line]:
    """Curves over a setting: the other settings that a line differs in, in words, to its points; two at least each."""
    found: dict[str, Line] = {}
    rows: list[tuple[str, Mapping[str, Any]]] = [(one.name, one.changes) for one in study.ablations]
    if study.full is not None:
        rows.append(("", {}))
    for name, changes in rows:
        place, entry = changes.get(key, study.settings.get(key)), study.estimate(name)
        if entry is not None and _is_number(place):
            others = ", ".join(f"{one.rpartition('.')[2]}={value}" for one, value in changes.items() if one != key)
            found.setdefault(others or study.full_name, {})[float(str(place))] = entry
    return {words: dict(sorted(line.items())) for words, line in found.items() if len(line) > 1}


def _picture(study: AblationStudy, key: str, lines: Mapping[str, Line]) -> Picture:
    name, metric = key.rpartition(".")[2], metric_words(study.board.declared, study.headline.key)
    own = study.settings.get(key)

    def draw() -> Figure:
        figure = plots.new_figure(2.4)
        axes = figure.subplots()
        for words, line in lines.items():
            places = list(line)
            value, lower, upper = np.array(list(line.values()), float).T
            axes.errorbar(
                places, value, [value - lower, upper - value], fmt="o-", capsize=2, label=words, gid=SERIES + words
            )
        full = {place: one.value for place, one in lines.get(study.full_name, {}).items() if place == own}
        axes.plot([*full], [*full.values()], "o", ms=9, mfc="none", color=plots.INK)
        if (chance := study.board.reference(study.headline.key, "chance")) is not None:
            axes.axhline(chance, color=plots.ALARM, linestyle="--", linewidth=1.2, label=f"chance {chance:.3f}")
        axes.set(xlabel=name, ylabel=metric)
        figure.legend(*axes.get_legend_handles_labels(), loc="outside lower left", ncols=2)
        return plots.titled(figure, study.board.synthetic, f"{metric} over {name}")

    caption = f"Value and 95 % interval over {name}; which of them is better is chosen on val, not here."
    caption += f" Ring: {study.full_name}.{ON_LAMBDA if key == LAMBDA else ''}"
    return Picture(f"{study.page}_over_{name}", f"{name} of {study.name}", caption, draw, inline=True)
