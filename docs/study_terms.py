"""The third and the fourth question of the study: which term of S carries it, and at which doses it helps."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

from study_families import Family, Standing, counted, of_side, standing

from leaderboards.scores.benchmark_records import FULL, BenchmarkRecords, ablations_of
from leaderboards.scores.dose_response import BASE, Dose, DoseResponse
from leaderboards.scores.paired_differences import Comparison, adjusted, compare_pairs
from selip.system.errors import InputError

RELEASED = "selip_released"
"""The method as its authors' code has it: it stands among the ablations, with the study's own seeds."""


def terms_family(title: str, ablations: BenchmarkRecords, study: Family, n_resamples: int) -> Family:
    """Each ablation minus the full method, on the metrics of the study's retrieval; Holm over all of them.

    Raises:
        InputError: Where no ablation has been run beside the full method.
    """
    board = ablations_of(ablations)
    full = board.row(FULL) if board else None
    if board is None or full is None:
        raise InputError(f"got no ablation of {FULL} beside the full method; finish the runs")
    rows = [row for row in board.rows if row.ablation]
    pairs = [(row, full) for row in rows if not row.hole]
    released = [(a, b)] if (a := study.board.row(RELEASED)) and (b := study.board.row(FULL)) else []
    sources = ((board, pairs), (study.board, released))
    found = [one for key in study.keys for of, some in sources for one in compare_pairs(of, some, key, n_resamples)]
    missing = [f"{row.label} − {full.label}" for row in rows if row.hole]
    planned = (len(rows) + len(released)) * len(study.keys)
    return Family(title, board, study.keys, True, adjusted(found, planned), missing)


def term_answer(family: Family) -> str:
    """The third question, by the rule of the first: what a change of S does to the full method."""
    pairs = dict.fromkeys((one.a, one.name) for one in family.found)
    told = [(a, standing([one for one in family.found if one.name == name], True)) for a, name in pairs]
    lead = "So it seems" if of_side("below", told) else "These runs do not show it"
    return (
        f"Does a term of S carry it? {lead}: of {len(told)} changes of it, each against the full method in all "
        f"{len(family.keys)} metrics of retrieval, a change is {counted(told)}."
    )


def dose_answer(found: DoseResponse) -> str:
    """The fourth question: the doses at which the method of the first contrast is above another in every metric.

    Holm is over all doses, contrasts and metrics. Without the positive control in sight nothing can be told.
    """
    method, other = found.sweep.contrasts[0]
    if not found.can_judge:
        return (
            "Does it help at some dose? Cannot tell: the positive control, where "
            f"{method} was to be above {other} and its controls, is not seen in every metric."
        )
    doses = {one.folder: _words(one) for one in found.sweep.doses if one.folder in found.compared}
    told = _told(found, list(doses))
    others = [contrast for contrast in found.sweep.contrasts if contrast[0] == method]
    said = {
        contrast: [(doses[folder], word) for (folder, of), word in told.items() if of == contrast]
        for contrast in others
    }
    lead = "Yes" if any(of_side("above", one) for one in said.values()) else "These runs do not show it"
    parts = "; ".join(f"against {b} {counted(one)}" for (_, b), one in said.items())
    return (
        f"Does it help at some dose? {lead}: the positive control is seen, and of {len(doses)} doses, each in all "
        f"{len(found.keys)} metrics, {method} is {parts}."
    )


def _told(found: DoseResponse, folders: Sequence[str]) -> dict[tuple[str, tuple[str, str]], Standing]:
    """Folder and contrast to standing over all metrics, Holm over every dose, contrast and metric."""
    every = [
        (folder, contrast, one)
        for folder, contrast, key in product(folders, found.sweep.contrasts, found.keys)
        if (one := found.of(folder, key, contrast))
    ]
    again = adjusted([one for *_, one in every], len(folders) * len(found.sweep.contrasts) * len(found.keys))
    ones: dict[tuple[str, tuple[str, str]], list[Comparison]] = {}
    for (folder, contrast, _), one in zip(every, again, strict=True):
        ones.setdefault((folder, contrast), []).append(one)
    return {place: standing(some, True) for place, some in ones.items() if len(some) == len(found.keys)}


def _words(dose: Dose) -> str:
    return "the sweep as it is" if dose.folder == BASE else f"{dose.factor.rpartition('.')[2]} {dose.dose}"
