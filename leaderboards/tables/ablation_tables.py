"""The ablations as a table that a reader sees, as the frame that is the CSV, and in sentences."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd

from benchmarks.statistics.intervals import SEEDS_FOR_A_SPREAD
from leaderboards.scores.ablation_study import Ablated, AblationStudy, mean_of
from leaderboards.scores.headlines import capital, metric_words, pool_words
from leaderboards.scores.method_rows import MethodRow
from leaderboards.scores.paired_differences import ALPHA, Comparison
from leaderboards.scores.tidy_table import KEY, Estimate
from leaderboards.tables.cells import (
    DIFFERENCE,
    MISSING,
    Cell,
    Form,
    Line,
    PageTable,
    Verdict,
    facet_of,
    hole_reason,
    metric_cell,
    number_cell,
)
from leaderboards.tables.contrast_verdicts import beside_words, shown_difference
from leaderboards.tables.difference_tables import difference_cell
from leaderboards.tables.verdicts import (
    on_convergence,
    on_seeds,
    on_skipped,
    on_what_is_missing,
)

START = {"weights": "other weights", "batches": "other batches", "steps": "other steps"}
ABLATION_COLUMNS = (
    "ablation", "group", "changed", "seeds", "pool", "metric", "value", "lower", "upper", "n_items", "n_patients",
    "chance", "difference", "difference_lower", "difference_upper", "p", "p_holm", "target_entropy_nats",
    "target_diagonal", "train_seconds", "start", "synthetic", "cohort", "split_fingerprint", "protocol_version",
    "status", "reason",
)  # fmt: skip


def ablation_table(study: AblationStudy) -> PageTable:
    """One line an ablation, by group, the full method first, chance last."""
    keys, board = study.keys, study.board
    first, *others = (metric_words(board.declared, key) for key in keys)
    columns = (
        "ablation", "group", "what is changed", first, "difference", "p", "p (Holm)", *others,
        "entropy of T (nats)", "diagonal of T", "train (s)", "start",
    )  # fmt: skip
    lines = [_full_line(study), *(_line(study, one) for one in study.ablations)]
    chance = [number_cell(board.reference(key, "chance"), "score") for key in keys]
    empty = [Cell(MISSING)] * 4
    lines.append(Line((Cell("chance"), *empty[:2], *_beside(chance, empty[:3]), *empty), kind="reference"))
    caption = (
        f"Difference: ablation − {study.full_name} in {first}, paired over patients and seeds; two-sided p, from "
        f"{SEEDS_FOR_A_SPREAD} seeds on; Holm over the {len(study.ablations)} ablations that were run or failed. "
        "Start: what of the initial weights, the batches or the steps is of necessity not "
        f"{study.full_name}'s. {capital(pool_words(board.declared, study.headline.key))} volumes."
    )
    scored, *rest = (facet_of(board, key) for key in keys)
    facets = (None, None, None, scored, DIFFERENCE, None, None, *rest, None, None, None, None)
    return PageTable("Ablations", caption, columns, tuple(lines), facets)


def _full_line(study: AblationStudy) -> Line:
    name = Cell(study.full_name, strong=True)
    if study.full is None:
        hole = next((row for row in study.board.rows if not row.ablation), None)
        reason, kind = hole_reason(hole) if hole else ("not run with these seeds: nothing to compare with", "hole")
        return Line((name,), reason, kind)
    about = (name, Cell(MISSING), Cell("nothing", prose=True))
    cells = _beside(_metric_cells(study, study.full), [Cell(MISSING)] * 3)
    return Line((*about, *cells, *_training_cells(study.full), Cell(MISSING)))


def _line(study: AblationStudy, one: Ablated) -> Line:
    if one.row.hole:
        return Line((Cell(one.name),), *hole_reason(one.row))
    found = one.differences.get(study.headline.key)
    compared = [Cell(MISSING)] * 3
    if found:
        p_values = (number_cell(p_value, "p") for p_value in (found.difference.p_value, found.p_holm))
        compared = [difference_cell(found), *p_values]
    start = ", ".join(START[word] for word in one.start) or ("same" if study.full else MISSING)
    about = (Cell(one.name), Cell(one.known.group), _change_cell(study, one))
    cells = _beside(_metric_cells(study, one.row), compared)
    return Line((*about, *cells, *_training_cells(one.row), Cell(start)))


def _beside(metrics: list[Cell], compared: list[Cell]) -> list[Cell]:
    """The comparison stands beside the metric that it is of, the first."""
    return [metrics[0], *compared, *metrics[1:]]


def _change_cell(study: AblationStudy, one: Ablated) -> Cell:
    typed = one.changed or f"nothing: {study.full_name} of these records has it too"
    if one.known.against:
        typed += f"; the difference is to {one.known.against}"
    return Cell(one.known.summary, f"({typed})", prose=True) if one.known.summary else Cell(typed, prose=True)


def _metric_cells(study: AblationStudy, row: MethodRow) -> list[Cell]:
    found = {
        entry.key: metric_cell(Estimate(entry.value, entry.lower, entry.upper), entry.key)
        for entry in _entries(study, row).itertuples()
    }
    return [found.get(key, Cell(MISSING)) for key in study.keys]


def _training_cells(row: MethodRow) -> list[Cell]:
    """Entropy and diagonal of T and seconds of training."""
    forms: list[tuple[float | None, Form]] = [
        (_target(row, "target_entropy"), "hundredth"), (_target(row, "target_diagonal"), "hundredth"),
        (_seconds(row), "count"),
    ]  # fmt: skip
    return [number_cell(value, form) for value, form in forms]


def ablation_frame(study: AblationStudy) -> pd.DataFrame:
    """One line a row and compared metric, the full method first; one line without numbers for a row with a hole."""
    full = [_fields(study, study.full, None)] if study.full else []
    lines = [line for found in (*full, *(_fields(study, one.row, one) for one in study.ablations)) for line in found]
    return pd.DataFrame(lines, columns=list(ABLATION_COLUMNS))


def _fields(study: AblationStudy, row: MethodRow, one: Ablated | None) -> list[dict[str, object]]:
    """Lines of the CSV of one row; `one` is None for the full method."""
    about = {
        "ablation": row.ablation,
        "group": one.known.group if one else "",
        "changed": one.changed if one else "",
        "target_entropy_nats": _target(row, "target_entropy"),
        "target_diagonal": _target(row, "target_diagonal"),
        "train_seconds": _seconds(row),
        "start": " ".join(one.start) if one else "",
    }
    lines = []
    for entry in _entries(study, row).to_dict("records"):
        found = one.differences.get(entry[KEY]) if one else None
        value, lower, upper, p_value = found.difference[:4] if found else (math.nan,) * 4
        numbers = {"difference": value, "difference_lower": lower, "difference_upper": upper, "p": p_value}
        lines.append(entry | about | numbers | {"p_holm": found.p_holm if found else math.nan})
    return lines


def _entries(study: AblationStudy, row: MethodRow) -> pd.DataFrame:
    return study.frame[study.frame["ablation"] == row.ablation]


def _target(row: MethodRow, field: str) -> float | None:
    """Mean over seeds of a field of the training, None when a seed lacks it."""
    return mean_of([getattr(record.training, field) if record.training else None for record in row.scored])


def _seconds(row: MethodRow) -> float | None:
    return mean_of([record.seconds.get("train") for record in row.scored])


def ablation_verdicts(study: AblationStudy) -> list[Verdict]:
    """The sentences on top of the ablations, most important first."""
    return [
        *on_what_is_missing(study.board),
        *_on_full(study),
        *_on_differences(study),
        *_on_smallest(study),
        *on_skipped(study.board),
        *on_seeds(study.board),
        *_on_start(study),
        *on_convergence(study.board),
    ]


def _on_full(study: AblationStudy) -> list[Verdict]:
    if study.full is not None:
        return []
    text = f"{study.full_name} has no complete row with the seeds of the ablations, so no ablation is compared with it."
    return [Verdict("warn", text)]


def _on_differences(study: AblationStudy) -> list[Verdict]:
    """Names the ablations that differ after Holm's adjustment, in their direction, and those that do not."""
    if not study.compared or study.board.describes_runs:
        return []
    n_ablations, name = len(study.ablations), study.headline.name
    over = f"after Holm's adjustment over {n_ablations} ablation{'s' if n_ablations > 1 else ''}"
    better, worse = (capital(beside_words(study.headline, is_better)) for is_better in (True, False))
    sides: dict[str, list[tuple[Ablated, Comparison]]] = {better: [], worse: [], "alone": [], "together": []}
    for one, found in study.compared:
        side = better if found.gain.value > 0 else worse
        sides[side if found.differs else "alone" if found.separates else "together"].append((one, found))
    said = [
        f"{side} {study.full_name} in {name}, {over}: {_shown(sides[side])}." for side in (better, worse) if sides[side]
    ]
    said = said or [f"No ablation differs from {study.full_name} in {name} {over} (p > {ALPHA:g})."]
    if sides["alone"]:
        said.append(f"The interval leaves out 0, but Holm's adjustment does not: {_listed(sides['alone'])}.")
    if sides["together"]:
        listed = _listed(sides["together"])
        said.append(f"The data cannot separate from {study.full_name}: {listed}. That is no proof that they are equal.")
    return [Verdict("plain", text) for text in said]


def _on_smallest(study: AblationStudy) -> list[Verdict]:
    if not study.compared or study.board.describes_runs:
        return []
    smallest = sorted(comparison.smallest for _, comparison in study.compared)
    low, high = (f"{value:.3f}" for value in (smallest[0], smallest[-1]))
    span = f"about {low}" if low == high else f"about {low} to {high} (by ablation)"
    text = f"Smallest detectable difference: {span}, found with 80 % power at .05, before Holm's adjustment."
    return [Verdict("plain", text)]


def _on_start(study: AblationStudy) -> list[Verdict]:
    """Names the rows whose training differs from the full method's in more than the change that is studied."""
    said = [f"{one.name} ({', '.join(one.start)})" for one in study.ablations if one.start]
    if said:
        text = f"Another start than {study.full_name}, of necessity: {'; '.join(said)}. The difference is of both."
        return [Verdict("plain", text)]
    if study.full is None or not any(one.row.scored for one in study.ablations):
        return []
    text = (
        f"Equal terms: every ablation began from {study.full_name}'s weights, saw its batches and took as many steps."
    )
    return [Verdict("good", text)]


def _shown(found: Sequence[tuple[Ablated, Comparison]]) -> str:
    return "; ".join(f"{one.name} ({shown_difference(comparison)})" for one, comparison in found)


def _listed(found: Sequence[tuple[Ablated, Comparison]]) -> str:
    return ", ".join(one.name for one, _ in found)
