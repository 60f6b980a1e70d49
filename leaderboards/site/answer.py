"""The answer in one sentence: the best method, and the question of the study; and the size of what it rests on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from benchmarks.statistics.intervals import SEEDS_FOR_A_SPREAD
from leaderboards.scores.benchmark_scores import BenchmarkScores, Overall, of_most_seeds
from leaderboards.scores.paired_differences import ranked
from selip.system.mappings import grouped


def size_of(sheets: Sequence[BenchmarkScores]) -> str:
    """Patients, seeds, methods and benchmarks that the numbers rest on."""
    board = sheets[0].board
    tested = max((m.n_patients for s in sheets for r in s.board.records for m in r.metrics.values()), default=0)
    methods = len({row.label for sheet in sheets for row in sheet.board.rows})
    trained = board.facts.trained_on or board.facts.cohort
    counts = {"seed": len(board.seeds), "method": methods, "benchmark": sum(bool(one.headline) for one in sheets)}
    said = " · ".join(f"{count} {name}{'s' if count > 1 else ''}" for name, count in counts.items())
    seeds = Counter(len(sheet.board.seeds) for sheet in sheets if sheet.headline)
    fewer = {few: count for few, count in sorted(seeds.items()) if few < len(board.seeds)}
    said += "".join(f", {count} of them with {few} seed{'s' if few > 1 else ''}" for few, count in fewer.items())
    where = "trained on a SYNTHETIC cohort" if board.facts.trained_on and trained.synthetic else "cohort"
    return f"scored on {tested} test patients · {where} of {trained.n_patients} · {said}"


def verdict_of(sheets: Sequence[BenchmarkScores], overall: Overall | None, groups: Sequence[Sequence[str]]) -> str:
    """The answer in one sentence: the best method, and the question of the study."""
    board = sheets[0].board
    if board.describes_runs:
        few = "One run" if len(board.seeds) == 1 else "Two runs"
        return f"{few} of each method: nothing is ranked or called better, which takes {SEEDS_FOR_A_SPREAD} seeds."
    found = [text for text in (_on_best(sheets[0], overall, groups), _on_question(of_most_seeds(sheets))) if text]
    return f"{'; '.join(found)}." if found else "Nothing was compared."


def _on_best(sheet: BenchmarkScores, overall: Overall | None, groups: Sequence[Sequence[str]]) -> str:
    rows = ranked(sheet.board, sheet.headline.key) if sheet.headline else []
    ranks = overall.ranks.ranks if overall and overall.ranks else {}
    if not rows and not ranks:
        return ""
    best = next(iter(ranks), rows[0].label if rows else "")
    lead = "has the best average rank" if ranks else f"leads in {sheet.headline.name}" if sheet.headline else ""
    level = {label for group in groups if best in group for label in group} - {best}
    if level:
        others = f"{len(level)} others" if len(level) > 1 else next(iter(level))
        return f"No method is shown to be best: {best} {lead}, but {others} cannot be told from it"
    return f"{best} {lead}{' and is separable from every other' if groups else ''}"


def _on_question(sheets: Sequence[BenchmarkScores]) -> str:
    """The method of the first declared contrast beside all that it was declared to be compared with, by benchmark."""
    board = sheets[0].board
    if not board.contrasts:
        return ""
    method = board.contrasts[0][0]
    others = [second for first, second in board.contrasts if first == method and _won(sheets, method, second, 0)]
    better = {one: _won(sheets, method, one, 1)[1:] for one in others}
    worse = {one: _won(sheets, method, one, -1)[1:] for one in others}
    said = _by_place("better", better) + _by_place("worse", worse)
    if left := [one for one in others if not better[one]]:
        said.append(f"not shown to be better than {_listed(left, 'or')}")
    return f"{method} is {', '.join(said)}" if said else ""


def _by_place(word: str, told: Mapping[str, Sequence[str]]) -> list[str]:
    """Say "better than a and b in c" of methods and their benchmarks, those of the same benchmarks together."""
    places = grouped((_listed(names, "and"), one) for one, names in told.items() if names)
    return [f"{word} than {_listed(ones, 'and')} in {place}" for place, ones in places.items()]


def _listed(names: Sequence[str], last: str) -> str:
    return f" {last} ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def _won(sheets: Sequence[BenchmarkScores], method: str, other: str, side: int) -> list[str]:
    """The word compared, then the benchmarks where a method is above (1) or below (-1) another in all metrics."""
    found = [(sheet.declared.label, ones) for sheet in sheets if (ones := sheet.evidence(method, other))]
    won = [label for label, ones in found if all(c.differs and c.gain.value * side > 0 for c in ones)]
    return ["compared", *won] if found else []
