"""The third and the fourth question of the study: which term of S carries it, and at which doses it helps."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from itertools import product

from study_families import Family, Stance, counted, of_side, stance

from leaderboards.scores.benchmark_records import FULL, BenchmarkRecords, ablations_of
from leaderboards.scores.dose_response import BASE, CONTROL, Dose, DoseResponse
from leaderboards.scores.paired_differences import Comparison, adjusted, compare_pairs

RELEASED = "selip_released"
"""The method as its authors' code has it: it stands among the changes, with the study's own seeds."""
ONE_TERM = ("syntax_only", "semantic_only")
"""The changes that leave one of the two terms of S out."""
Place = tuple[str, tuple[str, str]]
"""Folder of a dose, and contrast."""


def terms_family(
    title: str, ablations: BenchmarkRecords, study: Family, declared: Collection[str], n_resamples: int
) -> Family | None:
    """Each ablation minus the full method, on the metrics of the study's retrieval; Holm over all that are declared.

    None while one of the declared ablations, or the full method beside them, is not done.
    """
    board = ablations_of(ablations)
    full = board.row(FULL) if board else None
    rows = [row for row in board.rows if row.ablation and not row.hole] if board else []
    if board is None or full is None or {row.ablation for row in rows} != {*declared}:
        return None
    pairs = [(row, full) for row in rows]
    released = [(a, b)] if (a := study.board.row(RELEASED)) and (b := study.board.row(FULL)) else []
    sources = ((board, pairs), (study.board, released))
    found = [one for key in study.keys for of, some in sources for one in compare_pairs(of, some, key, n_resamples)]
    missing = [] if released else [f"{RELEASED} − {FULL}"]
    planned = (len(declared) + 1) * len(study.keys)
    return Family(title, board, study.keys, True, adjusted(found, planned), missing)


def term_answer(family: Family) -> str:
    """The third question, by the rule of the first: what it costs to leave a term of S out, and other changes."""
    pairs = dict.fromkeys((one.a, one.name) for one in family.found)
    told = [(a, stance([one for one in family.found if one.name == name], len(family.keys))) for a, name in pairs]
    alone = {f"{FULL} [{name}]" for name in ONE_TERM}
    lead = "Yes" if alone & {*of_side("below", told)} else "These runs do not show it"
    return (
        f"Does a term of S carry it? {lead}: by {len(family.board.seeds)} seeds, and in all {len(family.keys)} metrics "
        f"of retrieval, of {len(told)} changes of S one is {counted(told)} against the full method; "
        f"{' and '.join(ONE_TERM)} leave a term out."
    )


def unfinished(found: DoseResponse, declared: Mapping[str, int]) -> list[str]:
    """Folders of doses, the positive control among them, without the declared number of seeds in every contrast."""
    asked = [(contrast, key) for contrast in found.sweep.contrasts for key in found.keys]
    return [
        folder
        for folder, n_seeds in declared.items()
        if folder not in found.boards
        or len(found.boards[folder].seeds) < n_seeds
        or not all(found.of(folder, key, contrast) for contrast, key in asked)
    ]


def dose_answer(found: DoseResponse, declared: Mapping[str, int]) -> str:
    """The fourth question: the doses at which a method is above all that it is compared with, in every metric.

    Holm is over all doses, contrasts and metrics. Without the positive control in sight nothing can be told.
    """
    asked, method = "Does it help at some dose?", found.sweep.contrasts[0][0]
    doses = {one.folder: _words(one) for one in found.sweep.doses}
    if unfinished(found, declared):
        return f"{asked} Not known yet: the sweep is not finished."
    others = [contrast for contrast in found.sweep.contrasts if contrast[0] == method]
    if not found.can_judge:
        named = ", ".join(b for _, b in others)
        return f"{asked} Cannot tell: in the positive control {method} is not above {named} in every metric."
    told = _told(found, list(doses))
    everywhere = [doses[f] for f in doses if all(told[f, contrast].side == "above" for contrast in others)]
    lead = f"Yes, at {', '.join(everywhere)}" if everywhere else "These runs do not show it"
    parts = "; ".join(f"against {b} {counted([(doses[f], told[f, (a, b)]) for f in doses])}" for a, b in others)
    n_seeds = min(len(found.boards[folder].seeds) for folder in doses)
    seeds = f"by {n_seeds} seeds a dose and {declared[CONTROL]} of the positive control, which is seen"
    return (
        f"{asked} {lead}: {seeds}, of {len(doses)} doses, each in all {len(found.keys)} metrics, {method} is {parts}."
    )


def _told(found: DoseResponse, folders: Collection[str]) -> Mapping[Place, Stance]:
    """What each contrast says at each dose over all metrics, Holm over every dose, contrast and metric."""
    every = {
        (folder, contrast, key): one
        for folder, contrast, key in product(folders, found.sweep.contrasts, found.keys)
        if (one := found.of(folder, key, contrast))
    }
    ones: dict[Place, list[Comparison]] = {}
    for (folder, contrast, _), one in zip(every, adjusted(list(every.values())), strict=True):
        ones.setdefault((folder, contrast), []).append(one)
    return {place: stance(some, len(found.keys)) for place, some in ones.items()}


def _words(dose: Dose) -> str:
    return "the sweep as it is" if dose.folder == BASE else f"{dose.factor.rpartition('.')[2]} {dose.dose}"
