"""The third and the fourth question of the study: which term of S carries it, and at which doses it helps."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from itertools import product

from study_families import Family, Stance, counted, of_side, stance

from leaderboards.scores.benchmark_records import FULL, BenchmarkRecords, ablations_of
from leaderboards.scores.dose_response import BASE, CONTROL, Dose, DoseResponse
from leaderboards.scores.paired_differences import Comparison, adjusted, compare_pairs
from selip.system.mappings import grouped

RELEASED = "selip_released"
"""The method as its authors' code has it: it stands among the changes, with the study's own seeds."""
ONE_TERM = ("syntax_only", "semantic_only")
"""The changes that leave one of the two terms of S out."""
Place = tuple[str, tuple[str, str]]
"""Folder of a dose, and contrast."""
Compared = Mapping[tuple[str, tuple[str, str], str], Comparison]
"""Folder of a dose, contrast and metric to the difference."""


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

    Holm is over all doses, the positive control, contrasts and metrics. Where the control is not seen, or would not be
    by the rule of the doses, nothing can be told; what the intervals alone say is then told as explored.
    """
    asked, method = "Does it help at some dose?", found.sweep.contrasts[0][0]
    doses = {one.folder: _words(one) for one in found.sweep.doses}
    if unfinished(found, declared):
        return f"{asked} Not known yet: the sweep is not finished."
    others = [contrast for contrast in found.sweep.contrasts if contrast[0] == method]
    if unseen := _unseen(found):
        return f"{asked} Cannot tell: in the positive control {method} is not above {', '.join(unseen)}."
    every = _every(found, [*doses, CONTROL])
    told, alone = _told(every, adjusted([*every.values()]), found), _told(every, _without_steps(every), found)
    seeds = f"by {min(len(found.boards[one].seeds) for one in doses)} seeds a dose and {declared[CONTROL]} of the "
    seeds += f"positive control, each in all {len(found.keys)} metrics"
    names = ", ".join(b for _, b in others)
    if any(told[CONTROL, contrast].side != "above" for contrast in others):
        gains = sorted(one.gain.value for (folder, contrast, _), one in every.items()
                       if folder == CONTROL and contrast in others)  # fmt: skip
        return (
            f"{asked} Cannot tell by the declared rule: {seeds}, Holm's steps over {len(every)} differences would not "
            f"have found the positive control either, in which {method} is above {names} by {gains[0]:.3f} to "
            f"{gains[-1]:.3f}. By the intervals alone, explored and not confirmed, of {len(doses)} doses {method} is "
            f"{_counts(alone, doses, others)}."
        )
    everywhere = [doses[f] for f in doses if all(told[f, contrast].side == "above" for contrast in others)]
    lead = f"Yes, at {', '.join(everywhere)}" if everywhere else "These runs do not show it"
    return f"{asked} {lead}: {seeds}, which is seen, of {len(doses)} doses {method} is {_counts(told, doses, others)}."


def _counts(told: Mapping[Place, Stance], doses: Mapping[str, str], others: Collection[tuple[str, str]]) -> str:
    """At how many doses, and which, a method is above and below each of the others."""
    return "; ".join(
        f"against {b} {counted([(doses[folder], told[folder, (a, b)]) for folder in doses])}" for a, b in others
    )


def _unseen(found: DoseResponse) -> list[str]:
    """List what a method is not above in the positive control, by its intervals alone: that is no control then."""
    control = [one for key in found.keys for one in found.control(key)]
    return [f"{one.b} in {one.metric}" for one in control if not (one.separates and one.gain.value > 0)]


def _every(found: DoseResponse, folders: Collection[str]) -> Compared:
    """Every known difference by dose, contrast and metric."""
    return {
        (folder, contrast, key): one
        for folder, contrast, key in product(folders, found.sweep.contrasts, found.keys)
        if (one := found.of(folder, key, contrast))
    }


def _without_steps(every: Compared) -> list[Comparison]:
    return [replace(one, p_holm=one.difference.p_value) for one in every.values()]


def _told(every: Compared, ones: Sequence[Comparison], found: DoseResponse) -> Mapping[Place, Stance]:
    """Stand of each contrast at each dose over all metrics; `ones` are those of `every` with their p-values."""
    places = grouped(((folder, contrast), one) for (folder, contrast, _), one in zip(every, ones, strict=True))
    return {place: stance(some, len(found.keys)) for place, some in places.items()}


def _words(dose: Dose) -> str:
    return "the sweep as it is" if dose.folder == BASE else f"{dose.factor.rpartition('.')[2]} {dose.dose}"
