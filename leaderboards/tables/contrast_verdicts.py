"""Sentences on the contrasts that were declared: controls first, whichever way they fall.

Where a benchmark has co-primary metrics no sentence is of one of them: a method is above another in all or in none.
"""

from __future__ import annotations

from collections.abc import Sequence

from leaderboards.scores.benchmark_records import FULL
from leaderboards.scores.benchmark_scores import BenchmarkScores
from leaderboards.scores.headlines import Headline, metric_words
from leaderboards.scores.paired_differences import MATTERS, Comparison
from leaderboards.tables.cells import Verdict, number_text
from selip.system.mappings import grouped

_SAME = "not separable"


def contrast_verdicts(sheet: BenchmarkScores, headline: Headline) -> list[Verdict]:
    """The sentences on the contrasts of one benchmark; none where its page describes runs."""
    if sheet.board.describes_runs:
        return []
    methods = [method for method in sheet.board.controls if sheet.board.row(method)]
    said = [verdict for method in methods for verdict in _on_controls(method, sheet, headline)]
    return [*said, *_on_contrasts(sheet, headline)]


def joint_controls(sheets: Sequence[BenchmarkScores]) -> list[Verdict]:
    """Says first, and plainly, on which benchmarks of a page a null control does as well as what it is a control of."""
    methods = dict.fromkeys(method for sheet in sheets for method in sheet.board.controls if sheet.board.row(method))
    return [verdict for method in methods for verdict in _joint(method, sheets)]


def _joint(method: str, sheets: Sequence[BenchmarkScores]) -> list[Verdict]:
    heads = [(sheet, sheet.headline) for sheet in sheets if sheet.headline and not sheet.board.describes_runs]
    compared = {headline.name: found for sheet, headline in heads if (found := _controls(method, sheet))}
    equal = {
        name: ", ".join(f"{c.b} {'(better)' if c.differs else ''}".strip() for c in lost)
        for name, controls in compared.items()
        if (lost := [c for c in controls if not (c.differs and c.gain.value > 0)])
    }
    if equal:
        said = "; ".join(f"{names} in {name}" for name, names in equal.items())
        text = f"{method} is not above its controls: as far as these data can tell, as good are {said}. "
        return [Verdict("warn", f"{text}These runs do not show that {_claim(method)} helps there.")]
    if compared:
        return [Verdict("good", f"{method} is above every control that was run in {'; '.join(compared)}.")]
    return []


def _controls(method: str, sheet: BenchmarkScores) -> list[Comparison]:
    """A method minus each of its controls, where there is an interval."""
    return [c for c in sheet.contrasts if c.known and c.a == method and c.b in sheet.board.controls.get(method, ())]


def _on_controls(method: str, sheet: BenchmarkScores, headline: Headline) -> list[Verdict]:
    """Says first, and plainly, when a null control does as well as what it is a control of."""
    controls = {c.b: sheet.evidence(method, c.b) for c in _controls(method, sheet)}
    found, better, where = [], beside_words(headline, True), _where(sheet, headline)
    equal = {b: ones for b, ones in controls.items() if not all(c.differs and c.gain.value > 0 for c in ones)}
    if equal:
        said = "; ".join(f"{b}: {_standing(ones, headline)}" for b, ones in equal.items())
        text = f"{method} is not {better} its controls in {where}: {said}. "
        found.append(Verdict("warn", f"{text}These runs do not show that {_claim(method)} helps."))
    elif controls:
        text = f"{method} is {better} every control that was run in {where}: {', '.join(controls)}."
        found.append(Verdict("good", text))
    lacking = [name for name in sheet.board.controls[method] if name not in controls]
    if lacking:
        text = f"Controls not compared here: {', '.join(lacking)}. What they would explain is not ruled out."
        found.append(Verdict("plain", text))
    return found


def _where(sheet: BenchmarkScores, headline: Headline) -> str:
    """The metrics that a sentence needs all of."""
    beside = [metric_words(sheet.declared, key) for key in sheet.declared.co_primary]
    return f"{headline.name}, {', '.join(beside)} (co-primary: it takes all of them)" if beside else headline.name


def _claim(method: str) -> str:
    """The thing that a method's controls are there to doubt."""
    return "report similarity itself" if method == FULL else f"what {method} adds"


def beside_words(headline: Headline, is_better: bool) -> str:
    """Beside what a method stands: above where more is better."""
    if headline.higher_is_better:
        return "above" if is_better else "below"
    return "better than" if is_better else "worse than"


def _on_contrasts(sheet: BenchmarkScores, headline: Headline) -> list[Verdict]:
    """The first declared contrast in words, and every other that is of no control, whichever way it falls."""
    board, said = sheet.board, []
    for place, (first, second) in enumerate(board.contrasts):
        evidence = sheet.evidence(first, second)
        told = place == 0 or second not in board.controls.get(first, ())
        if evidence and told:
            numbers = "; ".join(f"{shown_difference(c)} in {c.metric}" for c in evidence)
            smallest = sorted(c.smallest for c in evidence)
            span = " to ".join(dict.fromkeys(f"{one:.3f}" for one in (smallest[0], smallest[-1])))
            standing = _standing(evidence, headline) if len(evidence) > 1 else _side(evidence[0], headline).rstrip(",")
            text = f"{first} − {second}: {standing} ({numbers}); "
            said.append(Verdict("plain", f"{text}a true difference of {span} would be found with 80 % power."))
    return said


def _standing(evidence: Sequence[Comparison], headline: Headline) -> str:
    """A contrast over all metrics that a sentence needs: above, below, not separable or no difference, and in which."""
    if all(c.is_negligible for c in evidence) and not all(c.differs for c in evidence):
        return f"no difference that matters, every interval within {MATTERS} of 0"
    sides = grouped((_side(one, headline), one.metric) for one in evidence)
    if len(evidence) == 1:
        return f"{next(iter(sides)).rstrip(',')} ({shown_difference(evidence[0])})"
    if len(sides) == 1:
        return f"{next(iter(sides))} in {'any' if _SAME in sides else 'all'} of them"
    return ", ".join(f"{word} in {' and '.join(names)}" for word, names in sides.items())


def _side(one: Comparison, headline: Headline) -> str:
    if one.differs:
        return beside_words(headline, one.gain.value > 0)
    return "not separable after Holm's adjustment, though the interval leaves out 0," if one.separates else _SAME


def shown_difference(comparison: Comparison) -> str:
    """A difference with its interval and adjusted p-value, as in a sentence."""
    value, lower, upper = comparison.difference[:3]
    return f"{value:+.3f} [{lower:+.3f}, {upper:+.3f}], Holm p {number_text(comparison.p_holm, 'p')}"
