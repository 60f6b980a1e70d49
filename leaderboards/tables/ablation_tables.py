"""Views of the ablations: the table that a reader sees and the frame that is the CSV."""

from __future__ import annotations

import math

import pandas as pd

from leaderboards.scores.ablation_study import Ablated, Study, mean_of
from leaderboards.scores.benchmark_records import Row
from leaderboards.scores.paired_differences import COMPARED, PRIMARY
from leaderboards.tables.cells import MISSING, Cell, Line, Table, hole_reason, number_cell, p_text
from leaderboards.tables.columns import DIFFERENCE, Estimate, facet_of
from leaderboards.tables.difference_tables import difference_cell, metric_name
from selip.records.record import Training

START = {"weights": "other weights", "batches": "other batches", "steps": "other steps"}
COLUMNS = (
    "ablation", "group", "changed", "seeds", "pool", "metric", "value", "lower", "upper", "n_items", "n_patients",
    "chance", "difference", "difference_lower", "difference_upper", "p", "p_holm", "target_entropy_nats",
    "target_diagonal", "train_seconds", "start", "synthetic", "cohort", "split_fingerprint", "protocol_version",
    "status", "reason",
)  # fmt: skip


def ablation_table(study: Study) -> Table:
    """One line an ablation, by group, the full method first, chance last."""
    first, *others = map(metric_name, COMPARED)
    columns = (
        "ablation", "group", "what is changed", first, "difference", "p", "p (Holm)", *others,
        "entropy of T (nats)", "diagonal of T", "train (s)", "start",
    )  # fmt: skip
    lines = [_full_line(study), *(_line(study, one) for one in study.ablations)]
    references = [study.board.reference(key, "chance") for key in COMPARED]
    chance = [
        Cell(MISSING) if value is None else number_cell(Estimate(value), key)
        for key, value in zip(COMPARED, references, strict=True)
    ]
    empty = [Cell(MISSING)] * 4
    lines.append(Line((Cell("chance"), *empty[:2], *_beside(chance, empty[:3]), *empty), kind="reference"))
    caption = (
        f"Difference: ablation − {study.full_name} in {metric_name(PRIMARY)}, paired over patients and seeds; "
        f"two-sided bootstrap p; Holm over the {len(study.ablations)} ablations that were run, failed ones too. Start: "
        f"what of the initial weights, the batches or the steps is of necessity not {study.full_name}'s. "
        "Abnormal volumes."
    )
    scored, *rest = (facet_of(study.board, key) for key in COMPARED)
    facets = (None, None, None, scored, DIFFERENCE, None, None, *rest, None, None, None, None)
    return Table("Ablations", caption, columns, tuple(lines), facets)


def _full_line(study: Study) -> Line:
    name = Cell(study.full_name, strong=True)
    if study.full is None:
        hole = next((row for row in study.board.rows if not row.ablation), None)
        reason, kind = hole_reason(hole) if hole else ("not run with these seeds: nothing to compare with", "hole")
        return Line((name,), reason, kind)
    about = (name, Cell(MISSING), Cell("nothing", prose=True))
    cells = _beside(_metric_cells(study, study.full), [Cell(MISSING)] * 3)
    return Line((*about, *cells, *_training_cells(study.full), Cell(MISSING)), top=True)


def _line(study: Study, one: Ablated) -> Line:
    if one.row.hole:
        return Line((Cell(one.name),), *hole_reason(one.row))
    found = one.differences.get(PRIMARY)
    compared = [Cell(MISSING)] * 3
    if found:
        compared = [difference_cell(found), Cell(p_text(found.difference.p_value)), Cell(p_text(found.p_holm))]
    start = ", ".join(START[word] for word in one.start) or ("same" if study.full else MISSING)
    about = (Cell(one.name), Cell(one.known.group), _change_cell(study, one))
    cells = _beside(_metric_cells(study, one.row), compared)
    return Line((*about, *cells, *_training_cells(one.row), Cell(start)))


def _beside(metrics: list[Cell], compared: list[Cell]) -> list[Cell]:
    """The comparison stands beside the metric that it is of, the first."""
    return [metrics[0], *compared, *metrics[1:]]


def _change_cell(study: Study, one: Ablated) -> Cell:
    typed = one.changed or f"nothing: {study.full_name} of these records has it too"
    if one.known.against:
        typed += f"; the difference is to {one.known.against}"
    return Cell(one.known.summary, f"({typed})", prose=True) if one.known.summary else Cell(typed, prose=True)


def _metric_cells(study: Study, row: Row) -> list[Cell]:
    found = {
        f"{entry.pool}/{entry.metric}": number_cell(Estimate(entry.value, entry.lower, entry.upper), entry.metric)
        for entry in _entries(study, row).itertuples()
    }
    return [found.get(key, Cell(MISSING)) for key in COMPARED]


def _training_cells(row: Row) -> tuple[Cell, Cell, Cell]:
    """Entropy and diagonal of T and seconds of training."""
    digits = ((_target(row, "target_entropy"), 2), (_target(row, "target_diagonal"), 2), (_seconds(row), 0))
    first, second, third = (Cell(MISSING if value is None else f"{value:.{places}f}") for value, places in digits)
    return first, second, third


def ablation_frame(study: Study) -> pd.DataFrame:
    """One line a row and compared metric, the full method first; one line without numbers for a row with a hole."""
    full = [_fields(study, study.full, None)] if study.full else []
    lines = [line for found in (*full, *(_fields(study, one.row, one) for one in study.ablations)) for line in found]
    return pd.DataFrame(lines, columns=list(COLUMNS))


def _fields(study: Study, row: Row, one: Ablated | None) -> list[dict[str, object]]:
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
        found = one.differences.get(f"{entry['pool']}/{entry['metric']}") if one else None
        value, lower, upper, p_value = found.difference if found else (math.nan,) * 4
        numbers = {"difference": value, "difference_lower": lower, "difference_upper": upper, "p": p_value}
        lines.append(entry | about | numbers | {"p_holm": found.p_holm if found else math.nan})
    return lines


def _entries(study: Study, row: Row) -> pd.DataFrame:
    return study.frame[study.frame["ablation"] == row.ablation]


def _target(row: Row, field: str) -> float | None:
    """Mean over seeds of a field of the training, None when a seed lacks it."""
    return mean_of([getattr(training, field) if training else None for training in _trainings(row)])


def _seconds(row: Row) -> float | None:
    return mean_of([record.seconds.get("train") for record in row.scored])


def _trainings(row: Row) -> list[Training | None]:
    return [record.training for record in row.scored]
