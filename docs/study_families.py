"""What the study says: declared contrasts in families, the rule that makes sentences of them, and their figure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean

from matplotlib.figure import Figure

from leaderboards.figures import plots
from leaderboards.scores.benchmark_records import BenchmarkRecords, methods_of
from leaderboards.scores.benchmark_scores import BenchmarkScores
from leaderboards.scores.headlines import headline_of, metric_words, pool_words, task_keys
from leaderboards.scores.paired_differences import MATTERS, Comparison, adjusted, compare_pairs
from leaderboards.scores.tidy_table import tidy
from leaderboards.tables.benchmark_tables import metric_table
from leaderboards.tables.cells import Cell, Line, PageTable, number_cell
from leaderboards.tables.contrast_verdicts import shown_difference
from selip.records.metric_key import MetricKey

FAMILIES = {
    "Retrieval": ("retrieval", "abnormal"),
    "Retrieval, place and lesion type seen together in train": ("retrieval", "seen"),
    "Retrieval, place and lesion type never together in train": ("retrieval", "unseen"),
    "Zero-shot": ("zero_shot", ""),
    "Linear probe": ("linear_probe", ""),
    "Segmentation": ("segmentation", ""),
}
"""Title to benchmark, and the pool of which a sentence takes all co-primary metrics; "": each task alone."""
COLUMNS = 4
MOST_NAMED = 6
"""Names in a sentence; more are in its table."""
OTHERS = "{}"
"""Stands for the names that share what is said of them."""


@dataclass(frozen=True)
class Family:
    """The declared contrasts on some metrics of one benchmark, Holm over all of them.

    Attributes:
        title: What the page calls it.
        board: Its records, without ablations.
        keys: Its metrics.
        joint: True where a sentence takes all metrics.
        found: Contrasts by metric.
        missing: Contrasts that a hole leaves out.
    """

    title: str
    board: BenchmarkRecords
    keys: Sequence[str]
    joint: bool
    found: Sequence[Comparison]
    missing: Sequence[str]

    @property
    def sentences_of(self) -> list[Sequence[str]]:
        """Metrics that one sentence is of."""
        return [self.keys] if self.joint else [[key] for key in self.keys]

    def title_of(self, keys: Sequence[str]) -> str:
        """The title of a sentence."""
        return self.title if self.joint else f"{self.title}, {pool_words(self.board.declared, keys[0])}"


def family_of(title: str, board: BenchmarkRecords, pool: str, n_resamples: int, aside: Collection[str] = ()) -> Family:
    """The contrasts of a family, see FAMILIES, without those on pools that stand `aside`."""
    own = methods_of(board)
    keys = list(dict.fromkeys([*task_keys(own.records), *own.declared.co_primary]))
    keys = list(dict.fromkeys(f"{pool}/{MetricKey.parse(key).metric}" for key in keys)) if pool else keys
    keys = [key for key in keys if MetricKey.parse(key).pool not in aside]
    rows = {(a, b): (own.row(a), own.row(b)) for a, b in own.contrasts}
    pairs = [(a, b) for a, b in rows.values() if a and b and not a.hole and not b.hole]
    found = [one for key in keys for one in compare_pairs(own, pairs, key, n_resamples)]
    known = Counter((one.a, one.b) for one in found)
    missing = [f"{a} − {b}" for a, b in rows if known[a, b] < len(keys)]
    found = adjusted([one for one in found if one.name not in missing], len(rows) * len(keys))
    return Family(title, own, keys, bool(pool), found, missing)


@dataclass(frozen=True)
class Stance:
    """What a contrast says over metrics that a sentence takes all of, by the rule that the experiment declares.

    Attributes:
        above: Metrics in which it is above.
        below: Metrics in which it is below.
        n_metrics: How many there are to agree, at least one.
        is_little: True where no metric differs by what matters.
    """

    above: tuple[str, ...]
    below: tuple[str, ...]
    n_metrics: int
    is_little: bool

    @property
    def side(self) -> str:
        """The side on which every metric is, if there is one."""
        sides = {"above": self.above, "below": self.below}
        return next((side for side, metrics in sides.items() if len(metrics) == self.n_metrics), "")

    def beside(self, others: str) -> str:
        """Where it stands, as "above clip"."""
        if self.side:
            return f"{self.side}, by less than matters, {others}" if self.is_little else f"{self.side} {others}"
        if self.is_little:
            return f"without a difference that matters from {others}"
        parts = {f"above {others}": self.above, f"below {others}": self.below}
        said = [f"{words} in {', '.join(metrics)}" for words, metrics in parts.items() if metrics]
        return f"{' and '.join(said)} alone" if said else f"not told from {others}"


def stance(ones: Sequence[Comparison], n_metrics: int = 1) -> Stance:
    """Where a contrast stands in metrics of which a sentence takes all, or in one of them.

    Only several metrics together can say that a difference does not matter.
    """
    above, below = (tuple(one.metric for one in ones if one.differs and one.gain.value * sign > 0) for sign in (1, -1))
    is_little = len(ones) == n_metrics > 1 and all(one.is_negligible for one in ones)
    return Stance(above, below, n_metrics, is_little)


def sentences(family: Family) -> Iterator[str]:
    """What the contrasts of a family say, those of one method and standing together."""
    for keys in family.sentences_of:
        told: dict[tuple[str, str], list[str]] = {}
        for name in dict.fromkeys(one.name for one in family.found):
            ones = [one for one in family.found if one.name == name and one.key in keys]
            numbers = shown_difference(ones[0]) if len(ones) == 1 else _range(ones)
            said = stance(ones, len(keys)).beside(OTHERS)
            told.setdefault((ones[0].a, said), []).append(f"{ones[0].b} ({numbers})")
        parts = [f"{a} is {said.replace(OTHERS, ', '.join(others))}" for (a, said), others in told.items()]
        seen = sorted(one.smallest for one in family.found if one.key in keys)
        aim = sum(one <= MATTERS for one in seen)
        left = f" Not compared: {', '.join(family.missing)}." if family.missing else ""
        left += f" In brackets: the lowest and the highest difference of {len(keys)} metrics." if family.joint else ""
        yield (
            f"{family.title_of(keys)}: {'; '.join(parts)}.{left} A true difference of {seen[0]:.3f} to {seen[-1]:.3f} "
            f"would be found with 80 % power before Holm's steps: {aim} of {len(seen)} comparisons reach {MATTERS}."
        )


def _range(ones: Sequence[Comparison]) -> str:
    values = [one.difference.value for one in ones]
    return f"{min(values):+.3f} to {max(values):+.3f}"


def answers(families: Sequence[Family], where: str = "") -> Iterator[str]:
    """The first two questions, a sentence each: a method against all that it was declared to be compared with.

    `where` ends a question that is of other patients than the study's.
    """
    method = families[0].board.contrasts[0][0]
    others = [b for a, b in families[0].board.contrasts if a == method]
    asked = {
        f"{method}'s similarity help retrieval": families[:1],
        "it help what is read out of frozen features": [one for one in families if not one.joint],
    }
    for question, some in asked.items():
        told = [
            (f"{b} in {family.title_of(keys)}", stance(ones, len(keys)))
            for family in some
            for keys in family.sentences_of
            for b in others
            if (ones := [one for one in family.found if (one.a, one.b) == (method, b) and one.key in keys])
        ]
        lead = "Yes" if told and len(of_side("above", told)) == len(told) else "These runs do not show it"
        lead = "Not known yet" if any(family.missing for family in some) else lead
        over = f"of {len(told)} comparisons with {', '.join(others)}"
        yield f"Does {question}{where}? {lead}: {over}, {method} is {counted(told)}."


def of_side(side: str, told: Sequence[tuple[str, Stance]]) -> list[str]:
    """Names of what is "above" or "below" in every metric."""
    return [name for name, stands in told if stands.side == side]


def counted(told: Sequence[tuple[str, Stance]]) -> str:
    """How many of some names and standings are above and below in every metric, and which where they are few."""
    found = {side: of_side(side, told) for side in ("above", "below")}
    return " and ".join(
        f"{side} in {len(names)}" + (f" ({', '.join(names)})" if 0 < len(names) <= MOST_NAMED else "")
        for side, names in found.items()
    )


def draw_differences(every: Sequence[Family], method: str) -> Figure:
    """A panel a metric: the method minus each of what it is compared with."""
    panels = [(family, key) for family in every for key in family.keys]
    n_rows = -(-len(panels) // COLUMNS)
    figure = plots.new_figure(0.5 + 2.1 * n_rows, 14)
    grid = figure.subplots(n_rows, COLUMNS, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    for axes, (family, key) in zip(grid.flat, panels, strict=False):
        axes.set_axis_on()
        found = [one for one in family.found if one.key == key and one.a == method]
        unit = metric_words(family.board.declared, key)
        plots.draw_forest(axes, [f"− {one.b}" for one in found], found, [one.differs for one in found], unit)
        axes.set_xlabel(unit, fontsize=8)
        axes.set_title(f"{family.title.partition(',')[0]}, {pool_words(family.board.declared, key)}", fontsize=9)
    return plots.titled(figure, every[0].board.synthetic, f"{method} minus each of what it is compared with")


def scores_table(family: Family, n_resamples: int) -> PageTable:
    """Every method on the metrics of a family, with chance and the other references."""
    board = family.board
    sheet = BenchmarkScores(board, headline_of(board.records), None, tidy(board, n_resamples, family.keys))
    heads = {key: f"{pool_words(board.declared, key)}: {metric_words(board.declared, key)}" for key in family.keys}
    return metric_table(sheet, family.keys[0], f"{family.title}: scores", heads)


def targets_table(board: BenchmarkRecords) -> PageTable:
    """What each method was trained towards, as a mean over seeds."""
    lines = []
    for row in board.complete:
        trained = [record.training for record in row.scored if record.training]
        if trained:
            mass = [1 - one.target_diagonal for one in trained if one.target_diagonal is not None]
            steps = number_cell(fmean(one.chosen_step for one in trained), "count")
            lines.append(Line((Cell(row.label), number_cell(fmean(mass) if mass else None, "score"), steps)))
    caption = "Mass of T off its diagonal over the batches, and the step that val chose; means over seeds."
    return PageTable("Targets", caption, ("method", "mass off the diagonal", "chosen step"), tuple(lines))
