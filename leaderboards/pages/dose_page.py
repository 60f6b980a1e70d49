"""The page of a sweep: differences over doses as sentences, figures and tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from leaderboards.figures import plots
from leaderboards.pages.tuning_block import tuning_block
from leaderboards.scores.dose_response import BASE, CONTROL, Dose, DoseResponse
from leaderboards.scores.headlines import capital, metric_words, pool_words
from leaderboards.scores.paired_differences import Comparison
from leaderboards.tables.cells import MISSING, Cell, Line, PageTable, Verdict
from leaderboards.tables.contrast_verdicts import shown_difference
from leaderboards.tables.difference_tables import difference_cell
from leaderboards.tables.document import Block, Page, Picture
from leaderboards.tables.protocol import cohort_facts, titled
from leaderboards.tables.verdicts import on_runs_alone

COLUMNS = 2
"""Panels of a figure beside each other."""
DOSE_COLUMNS = ("factor", "dose", "contrast", "metric", "difference", "lower", "upper", "p_holm", "seeds", "synthetic",
           "cohort", "split_fingerprint")  # fmt: skip


def dose_page(found: DoseResponse, n_resamples: int) -> Page:
    """The page."""
    board = next(iter(found.boards.values()))
    facts = [*cohort_facts(board), ("doses", "; ".join(_factors(found)) or "none"), ("resamples", str(n_resamples))]
    blocks = [
        Block(f"{capital(_metric(found, key))} over doses", _LEAD, [_table(found, key)], [_figure(found, key)])
        for key in found.keys
    ]
    tuning = tuning_block(board)
    title = titled(f"Doses of {found.sweep.name}", board)
    return Page(
        "doses", "Doses", title, board.synthetic, list(_verdicts(found)), facts, blocks + ([tuning] if tuning else [])
    )


_LEAD = (
    "One factor at a time, all else as in the experiment. Each dose has a split of its own; paired differences within "
    "a dose, 95 % intervals over seeds and patients, not adjusted: Holm's p over the contrasts of a dose is in the CSV."
)


def dose_frame(found: DoseResponse) -> pd.DataFrame:
    """One line a dose, contrast and metric: what the figures draw."""
    lines = []
    for one, contrast, key, comparison in _all(found):
        board = found.boards[one.folder]
        value, lower, upper = comparison.difference[:3]
        lines.append((
            one.factor, one.dose, f"{contrast[0]} - {contrast[1]}", key, value, lower, upper, comparison.p_holm,
            len(board.seeds), board.synthetic, board.cohort_name, board.facts.split_fingerprint,
        ))  # fmt: skip
    return pd.DataFrame(lines, columns=list(DOSE_COLUMNS))


def _all(found: DoseResponse) -> Iterator[tuple[Dose, tuple[str, str], str, Comparison]]:
    for one in found.sweep.doses:
        for contrast in found.sweep.contrasts:
            for key in found.keys:
                comparison = found.of(one.folder, key, contrast)
                if comparison:
                    yield one, contrast, key, comparison


def _factors(found: DoseResponse) -> list[str]:
    names = dict.fromkeys(one.factor for one in found.sweep.doses)
    return [f"{name} {', '.join(one.dose for one in found.sweep.doses if one.factor == name)}" for name in names]


def _metric(found: DoseResponse, key: str) -> str:
    declared = next(iter(found.boards.values())).declared
    return f"{metric_words(declared, key)} ({pool_words(declared, key)})"


def _verdicts(found: DoseResponse) -> Iterator[Verdict]:
    yield from on_runs_alone(next(iter(found.boards.values())))
    yield _on_control(found)
    for key in found.keys:
        for contrast in found.sweep.contrasts[:1]:
            yield from _on_doses(found, key, contrast)
    missing = [f"{one.factor}={one.dose}" for one in found.sweep.doses if one.folder not in found.boards]
    if missing:
        yield Verdict("warn", f"Not run yet: {', '.join(missing)}.")


def _on_control(found: DoseResponse) -> Verdict:
    """Says first whether this testbed can see what it looks for."""
    settings, shown = ", ".join(found.sweep.positive_control), []
    for key in found.keys:
        told = [f"{one.name} = {shown_difference(one)}" for one in found.control(key)]
        shown += [f"{', '.join(told)} in {_metric(found, key)}"] if told else []
    if found.can_judge is None:
        return Verdict("warn", "No positive control was scored, so it is not known what this sweep could have seen.")
    if found.can_judge:
        return Verdict("plain", f"The positive control ({settings}) is seen: {'; '.join(shown)}.")
    return Verdict(
        "warn", f"This sweep cannot judge: its positive control ({settings}) is not seen ({'; '.join(shown)})."
    )


def _on_doses(found: DoseResponse, key: str, contrast: tuple[str, str]) -> Iterator[Verdict]:
    """Names the doses at which the interval of a contrast leaves 0, and in which direction."""
    doses = {one.folder: "as it is" if one.folder == BASE else f"{one.factor}={one.dose}" for one in found.sweep.doses}
    known = [(words, c) for folder, words in doses.items() if (c := found.of(folder, key, contrast))]
    if not known:
        return
    named: dict[str, str] = {}
    for word, sign in (("above", 1), ("below", -1)):
        at = [words for words, c in known if c.separates and sign * c.gain.value > 0]
        named |= {word: ", ".join(at)} if at else {}
    name, metric = f"{contrast[0]} − {contrast[1]}", _metric(found, key)
    said = "; ".join(f"{word} 0 at {at}" for word, at in named.items())
    text = f"{name} in {metric}: the interval is {said}" if named else f"{name} in {metric}: no interval leaves 0"
    yield Verdict("plain", f"{text}, of {len(known)} doses.")


def _table(found: DoseResponse, key: str) -> PageTable:
    contrasts = found.sweep.contrasts
    lines = []
    for one in found.sweep.doses:
        cells = [(c := found.of(one.folder, key, contrast)) and difference_cell(c) for contrast in contrasts]
        dose = f"{one.dose} (as it is)" if one.folder == BASE else one.dose
        lines.append(Line((Cell(one.factor), Cell(dose), *(cell or Cell(MISSING) for cell in cells))))
    control = [(c := found.of(CONTROL, key, contrast)) and difference_cell(c) for contrast in contrasts]
    if any(control):
        lines.append(Line((Cell("positive control"), Cell(), *(cell or Cell(MISSING) for cell in control))))
    columns = ("factor", "dose", *(f"{a} − {b}" for a, b in contrasts))
    caption = "Paired difference [95 % interval], strong where the interval leaves out 0."
    return PageTable(f"Differences in {_metric(found, key)}", caption, columns, tuple(lines))


def _figure(found: DoseResponse, key: str) -> Picture:
    name = key.replace("/", "_").replace("@", "_at_")
    caption = "Dot and 95 % interval of the paired difference at each dose; ring: the experiment as it is; 0 dashed."
    return Picture(
        f"doses_{name}", f"{capital(_metric(found, key))} over doses", caption, partial(_draw, found, key), inline=True
    )


def _draw(found: DoseResponse, key: str) -> Figure:
    """A panel a factor and one for the positive control, a colour a contrast."""
    factors = list(dict.fromkeys(one.factor for one in found.sweep.doses))
    panels = {name: [one for one in found.sweep.doses if one.factor == name] for name in factors}
    if CONTROL in found.boards:
        panels |= {"positive control": [Dose(factor="", dose="", folder=CONTROL)]}
    n_rows = -(-len(panels) // COLUMNS)
    figure = plots.new_figure(0.9 + 1.5 * n_rows, plots.PAGE_INCHES)
    grid = figure.subplots(n_rows, COLUMNS, squeeze=False, sharey=True)
    for axes in grid.flat[len(panels) :]:
        axes.set_axis_off()
    for axes, (name, doses) in zip(grid.flat, panels.items(), strict=False):
        _draw_panel(axes, found, key, name.rpartition(".")[2].replace("_", " "), doses)
    for axes in grid[:, 0]:
        axes.set_ylabel("difference")
    figure.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside lower left", ncols=3)
    board = next(iter(found.boards.values()))
    return plots.titled(figure, board.synthetic, f"Paired differences in {_metric(found, key)}")


def _draw_panel(axes: Axes, found: DoseResponse, key: str, title: str, doses: Sequence[Dose]) -> None:
    names = {f"{a} − {b}": (a, b) for a, b in found.sweep.contrasts}
    colours = plots.palette(list(names))
    for number, (name, contrast) in enumerate(names.items()):
        shift = 0.12 * (number - (len(names) - 1) / 2)
        axes.plot([], [], "o-", color=colours[name], label=name)
        for place, one in enumerate(doses):
            comparison = found.of(one.folder, key, contrast)
            if comparison:
                value, lower, upper = comparison.difference[:3]
                axes.plot([place + shift] * 2, [lower, upper], color=colours[name], linewidth=1.6)
                fill = plots.PAPER if one.folder == BASE else colours[name]
                axes.plot(place + shift, value, "o", ms=4.5, color=colours[name], mfc=fill)
    axes.axhline(0, color=plots.ALARM, linestyle="--", linewidth=1.2)
    axes.set(xlim=(-0.5, len(doses) - 0.5), xticks=range(len(doses)), xticklabels=[one.dose for one in doses])
    axes.set_title(title, fontsize=8.5)
