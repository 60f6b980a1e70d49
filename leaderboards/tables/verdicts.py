"""Verdicts: what the ranking says in words, whichever way it falls, and the caveats that hold whatever it says."""

from __future__ import annotations

from collections.abc import Sequence

from leaderboards.scores.ablation_study import TERMS
from leaderboards.scores.benchmark_records import FULL, BenchmarkRecords
from leaderboards.scores.benchmark_scores import BenchmarkScores
from leaderboards.scores.headlines import Headline
from leaderboards.scores.paired_differences import ALPHA, SEEDS_FOR_A_TEST, Comparison, ranked
from leaderboards.tables.cells import Verdict, estimate_text, form_of, number_text
from selip.records.record import Training

FEW_PATIENTS = 20
_TIMES = {1.0: "above", 2.0: "at least twice"}


def headline_verdicts(sheet: BenchmarkScores, headline: Headline) -> list[Verdict]:
    """The sentences on the one benchmark of a page: controls, the first contrast, the ranking, and the floor."""
    methods = [method for method in sheet.board.controls if sheet.board.row(method)]
    return [
        *(verdict for method in methods for verdict in _on_controls(method, sheet, headline)),
        *_on_first(sheet, headline),
        *ranking_verdicts(sheet, headline),
    ]


def ranking_verdicts(sheet: BenchmarkScores, headline: Headline, named: bool = False) -> list[Verdict]:
    """The leader, those that cannot be told from it, and those clear of the floor that all must clear.

    With `named` the sentences say of which metric they are, as on a page of several.
    """
    return [*_on_ranking(sheet, headline), *_on_floor(sheet, headline, named)]


def joint_controls(sheets: Sequence[BenchmarkScores]) -> list[Verdict]:
    """Says first, and plainly, on which benchmarks of a page a null control does as well as what it is a control of."""
    methods = dict.fromkeys(method for sheet in sheets for method in sheet.board.controls if sheet.board.row(method))
    return [verdict for method in methods for verdict in _joint(method, sheets)]


def _joint(method: str, sheets: Sequence[BenchmarkScores]) -> list[Verdict]:
    heads = [(sheet, sheet.headline) for sheet in sheets if sheet.headline]
    compared = {headline.name: found for sheet, headline in heads if (found := _controls(method, sheet))}
    equal = {
        name: ", ".join(f"{c.b} {'(better)' if c.gain.upper < 0 else ''}".strip() for c in lost)
        for name, controls in compared.items()
        if (lost := [c for c in controls if not c.gain.lower > 0])
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
    controls, found, better = _controls(method, sheet), [], beside_words(headline, True)
    equal = [c for c in controls if not (c.differs and c.gain.value > 0)]
    if equal:
        said = "; ".join(f"{c.b} {_standing(c)} ({c.name} = {shown_difference(c)})" for c in equal)
        text = f"{method} is not {better} its controls in {headline.name}: {said}. "
        found.append(Verdict("warn", f"{text}These runs do not show that {_claim(method)} helps."))
    elif controls:
        listed = "; ".join(f"{c.name} = {shown_difference(c)}" for c in controls)
        text = f"{method} is {better} every control that was run in {headline.name} ({listed})."
        found.append(Verdict("good", text))
    lacking = [name for name in sheet.board.controls[method] if name not in {c.b for c in controls}]
    if lacking:
        text = f"Controls not compared here: {', '.join(lacking)}. What they would explain is not ruled out."
        found.append(Verdict("plain", text))
    return found


def _claim(method: str) -> str:
    """The thing that a method's controls are there to doubt."""
    return "report similarity itself" if method == FULL else f"what {method} adds"


def beside_words(headline: Headline, is_better: bool) -> str:
    """Beside what a method stands: above where more is better."""
    if headline.higher_is_better:
        return "above" if is_better else "below"
    return "better than" if is_better else "worse than"


def _on_first(sheet: BenchmarkScores, headline: Headline) -> list[Verdict]:
    """The first declared contrast in words."""
    found = next((c for c in sheet.contrasts if c.known and (c.a, c.b) in sheet.board.contrasts[:1]), None)
    if found is None:
        return []
    if not found.separates:
        said = "the data do not separate them"
    elif found.p_holm > ALPHA:
        said = "the interval leaves out 0, but not after Holm's adjustment"
    else:
        said = f"{found.a} is {beside_words(headline, found.gain.value > 0)} {found.b}"
    smallest = f"a true difference of {found.smallest:.3f} would be found with 80 % power"
    return [Verdict("plain", f"{found.name} = {shown_difference(found)} in {headline.name}: {said}; {smallest}.")]


def _on_ranking(sheet: BenchmarkScores, headline: Headline) -> list[Verdict]:
    key, rows, groups = headline.key, ranked(sheet.board, headline.key), sheet.groups
    if not rows:
        return []
    floor = sheet.board.reference(key, headline.floor)
    leads = "Highest" if headline.higher_is_better else "Lowest"
    text = f"{leads} {headline.name}: {rows[0].label}, {estimate_text(sheet.estimate(rows[0], key), form_of(key))}"
    text += f" where {headline.floor_name} is {floor:.3f}." if floor is not None else "."
    letter = groups.get(rows[0].label, "")[:1]
    together = [row.label for row in rows[1:] if letter and letter in groups.get(row.label, "")]
    if together:
        text += f" Not separable from it: {', '.join(together)}."
    return [Verdict("plain", text)]


def _on_floor(sheet: BenchmarkScores, headline: Headline, named: bool) -> list[Verdict]:
    """The rows that are clear of chance (or of an empty mask), and those that are not though they were trained."""
    floor = sheet.board.reference(headline.key, headline.floor)
    if floor is None:
        return []
    name, rows = headline.floor_name, ranked(sheet.board, headline.key)
    bounds = {row.label: sheet.estimate(row, headline.key)[1:] for row in rows}
    trained = {row.label for row in rows for record in row.scored if record.training and record.training.steps}
    worse = {label: headline.worse_of(*ends) for label, ends in bounds.items()}
    holding = [label for label, (lower, upper) in bounds.items() if lower <= floor <= upper]
    beyond = [label for label, bound in worse.items() if headline.is_clear(bound, floor)]
    short = [
        label for label, (lower, upper) in bounds.items() if headline.beyond(floor, headline.better_of(lower, upper))
    ]
    high = headline.higher_is_better
    clear = f"clear of {name}" if headline.clears == 1 else f"{headline.clears:g} times clear of {name}"
    if high and headline.clears in _TIMES:
        clear = f"{_TIMES[headline.clears]} {name}"
    sentences = [
        ("good", f"{'Lower' if high else 'Upper'} bound {clear}", beyond),
        ("plain", f"Interval holds {name}, as it should without training", [n for n in holding if n not in trained]),
        ("warn", f"Trained, yet the interval holds {name}", [n for n in holding if n in trained]),
        ("warn", f"{'Below' if high else 'Worse than'} {name}, which calls for a reason", short),
    ]
    after = f" ({headline.name})" if named else ""
    return [Verdict(kind, f"{text}{after}: {', '.join(names)}.") for kind, text, names in sentences if names]


def _standing(comparison: Comparison) -> str:
    if comparison.differs:
        return "does better"
    unsure = " (the interval leaves out 0, but not after Holm's adjustment)" if comparison.separates else ""
    return f"does as well, as far as these data can tell{unsure}"


def shown_difference(comparison: Comparison) -> str:
    """A difference with its interval and adjusted p-value, as in a sentence."""
    value, lower, upper, _ = comparison.difference
    return f"{value:+.3f} [{lower:+.3f}, {upper:+.3f}], Holm p {number_text(comparison.p_holm, 'p')}"


def board_verdicts(board: BenchmarkRecords) -> list[Verdict]:
    """Sentences on the rows of a benchmark whatever the metric: skipped ones, seeds, equal terms, convergence."""
    return [*on_skipped(board), on_seeds(board), *on_equal_terms(board), *on_convergence(board)]


def on_what_is_missing(board: BenchmarkRecords) -> list[Verdict]:
    """Sentences to be read before any number: patients, and runs, that are too few."""
    found = []
    counts = [metric.n_patients for record in board.records for metric in record.metrics.values()]
    if counts and max(counts) < FEW_PATIENTS:
        number_of = "one patient" if max(counts) == 1 else f"at most {max(counts)} patients"
        text = f"Scored on {number_of}: so few decide nothing, whatever the intervals and groups below say."
        found.append(Verdict("warn", text))
    labels = ", ".join(row.label for row in board.rows if row.hole and not row.skipped)
    if labels:
        text = f"Holes: {labels} lack a seed; the reason stands in the table, and no mean is taken for them."
        found.append(Verdict("warn", text))
    return found


def on_skipped(board: BenchmarkRecords) -> list[Verdict]:
    """Names the rows that were not scored on purpose, by reason: no failure, so no warning."""
    reasons: dict[str, list[str]] = {}
    for row in board.rows:
        if row.skipped:
            said = dict.fromkeys(record.reason for record in board.records_of(row))
            reasons.setdefault("; ".join(said), []).append(row.label)
    listed = "; ".join(f"{', '.join(labels)} ({why})" for why, labels in reasons.items())
    return [Verdict("plain", f"Not scored here, with the reason: {listed}.")] if listed else []


def on_seeds(board: BenchmarkRecords) -> Verdict:
    """Says what the seeds allow."""
    if len(board.seeds) == 1:
        text = (
            "One seed: intervals cover the choice of patients only. There is no test over seeds, and another seed may "
            "order the methods otherwise."
        )
        return Verdict("warn", text)
    text = f"{len(board.seeds)} seeds: intervals cover seeds and patients (hierarchical: seed, then patient)."
    if len(board.seeds) < SEEDS_FOR_A_TEST:
        text += f" A sign-flip test over seeds needs at least {SEEDS_FOR_A_TEST} and is not made."
    return Verdict("plain", text)


def on_equal_terms(board: BenchmarkRecords) -> list[Verdict]:
    """Says whether the methods of a seed were trained on equal terms; those with another tower are named."""
    trained, found = _trained(board), []
    for name, (word, term) in TERMS.items():
        by_seed: dict[int, dict[object, list[str]]] = {}
        for label, seed, training in trained:
            if not (word == "weights" and training.own_tower):
                by_seed.setdefault(seed, {}).setdefault(term(training), []).append(label)
        unequal = [f"seed {seed}: {_listed(values)}" for seed, values in sorted(by_seed.items()) if len(values) > 1]
        found += [Verdict("warn", f"Unequal terms: methods {name} ({text}).") for text in unequal]
    if not found and any(r.training for row in board.rows for r in row.scored):
        text = (
            "Equal terms: the trained methods of a seed began from the same weights, saw the same batches in the same "
            "order and took as many steps (hashes in the records)."
        )
        found.append(Verdict("good", text))
    own = dict.fromkeys(f"{label} ({training.own_tower})" for label, _, training in trained if training.own_tower)
    if own:
        text = f"With a volume tower of its own, and so other initial weights: {', '.join(own)}."
        found.append(Verdict("plain", f"{text} What sets it apart may be the tower."))
    return found


def _trained(board: BenchmarkRecords) -> list[tuple[str, int, Training]]:
    """Label, seed and training of every scored record that took a step."""
    return [
        (row.label, r.seed, r.training) for row in board.rows for r in row.scored if r.training and r.training.steps
    ]


def _listed(values: dict[object, list[str]]) -> str:
    return " | ".join(f"{', '.join(labels)}: {str(value)[:12]}" for value, labels in values.items())


def on_convergence(board: BenchmarkRecords) -> list[Verdict]:
    """Says when validation chose the last step, so that what is compared may be speed of learning."""
    rising = sorted({label for label, _, training in _trained(board) if training.chosen_step == training.steps})
    text = f"Validation chose the last step for {', '.join(rising)}: differences may be of speed of learning."
    return [Verdict("warn", text)] if rising else []
