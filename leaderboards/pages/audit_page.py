"""The audit: leakage and balance of the split, shortcuts, and the slices of the test part where methods are worst."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from leaderboards.scores.benchmark_scores import BenchmarkScores
from leaderboards.scores.headlines import Headline, words
from leaderboards.scores.tidy_table import resamples_of
from leaderboards.tables.cells import MISSING, Cell, Line, PageTable, Verdict, estimate_text, form_of, number_cell
from leaderboards.tables.document import Block, Page
from leaderboards.tables.protocol import cohort_facts, titled
from leaderboards.tables.shortcuts_and_slices import (
    FEWEST_ITEMS,
    MOST,
    Shortcut,
    Slice,
    audited_rows,
    mostly_shortcuts,
    ranked_slices,
    shortcut_table,
    shortcuts_of,
    slice_table,
    slices_of,
)
from selip.data.leakage_audit import AUDIT_FILE, AuditFacts, CohortAudit, CrossingAudit, read_audit_facts
from selip.system.errors import listed
from selip.system.mappings import grouped

SlicesOfBenchmark = tuple[BenchmarkScores, Headline, Sequence[Slice]]
IDS = {
    "same source": "both cohorts are of one source, so the same id is the same patient",
    "other source": "the cohorts have other names: the same id may be the same patient, published again, or chance",
    "counters": "a generated cohort counts its patients from one, so the same id says nothing; voxels do",
}
NOT_LOOKED = f"Leakage and balance were not recorded: the run directory has no {AUDIT_FILE}."


def audit_part(sheets: Sequence[BenchmarkScores], run_dir: Path, n_resamples: int) -> Page:
    """The audit of a run directory, from its records, their per-item scores and `audit.json`.

    Raises:
        InputError: When there is an audit of another split.
    """
    board, count = sheets[0].board, resamples_of(n_resamples)
    found = read_audit_facts(run_dir, board.facts.split_fingerprint)
    shortcuts = [one for sheet in sheets for one in shortcuts_of(sheet)]
    heads = [(sheet, sheet.headline) for sheet in sheets if sheet.headline]
    slices = [(sheet, headline, ones) for sheet, headline in heads if (ones := _slices(sheet, headline, count))]
    tables = [table for cohort in found.cohorts for table in (_leakage(cohort), _balance(cohort))] if found else []
    tables += [crossing_table(one) for one in found.crossings] if found else []
    tables += [_regime(found.regime)] if found and found.regime else []
    lead = f"The best method and selip. An interval is from {count} resamples; slices overlap and are not adjusted."
    blocks = [
        Block("Split", "" if found else NOT_LOOKED, tables),
        Block("Shortcuts", "" if shortcuts else _NO_REFERENCE, [shortcut_table(shortcuts)] if shortcuts else []),
        Block("Slices", lead if slices else _NO_ITEMS, [slice_table(*one) for one in slices], small=True),
    ]
    mostly = _MOSTLY if any(one.control != "metadata only" for one in shortcuts) else ()
    about = [*cohort_facts(board), *_POLICY, *mostly, *_on_few_items(sheets)]
    said = _verdicts(found, shortcuts, slices)
    return Page("audit", "Audit", titled("Audit", board), board.synthetic, said, about, blocks)


_NO_REFERENCE = "No task of these records has a metadata-only reference."
_MOSTLY = (("mostly a shortcut", f"a control of the voxels has {MOST:.0%} or more of the best score above chance"),)
_NO_ITEMS = "No complete row has per-item scores."
_POLICY = (
    (
        "shortcut",
        "the lower bound of the best method does not clear a control that knows no anatomy, as metadata",
    ),
    ("slice", f"with fewer than {FEWEST_ITEMS} items it is shown and not ranked"),
    ("near-duplicates", "listed, not refused: two patients may well be described alike"),
)


def _slices(sheet: BenchmarkScores, headline: Headline, n_resamples: int) -> list[Slice]:
    rows = audited_rows(sheet)
    return ranked_slices(headline, rows, [one for row in rows for one in slices_of(sheet, headline, row, n_resamples)])


def _on_few_items(sheets: Sequence[BenchmarkScores]) -> list[tuple[str, str]]:
    """Metrics that have no number where they are of too few items."""
    counts = ((sheet.declared, *one) for sheet in sheets for one in sheet.declared.fewest_items.items())
    fewest = grouped((count, words(declared, name)) for declared, name, count in counts)
    return [
        (", ".join(names), f"with fewer than {count} items they have no number on any page")
        for count, names in fewest.items()
    ]


def _verdicts(
    found: AuditFacts | None, shortcuts: Sequence[Shortcut], slices: Sequence[SlicesOfBenchmark]
) -> list[Verdict]:
    said = [verdict for cohort in found.cohorts for verdict in _on_split(cohort)] if found else []
    said += [verdict for one in found.crossings for verdict in on_crossing(one)] if found else []
    said += [] if found else [Verdict("plain", NOT_LOOKED)]
    for control in dict.fromkeys(one.control for one in shortcuts):
        of, name = [one for one in shortcuts if one.control == control], control.replace(" only", "")
        if lost := [one.task for one in of if one.verdict == "shortcut"]:
            text = f"Shortcut: {name} alone does as well as the best method on {', '.join(lost)}."
            said.append(Verdict("warn", text))
        if most := mostly_shortcuts(of):
            said += most
        elif not lost:
            said.append(Verdict("good", f"The best method clears {name} alone on all {len(of)} tasks that have it."))
    return [*said, *_on_worst(slices)]


def _on_worst(slices: Sequence[SlicesOfBenchmark]) -> list[Verdict]:
    """The worst slice of the best row, a sentence a benchmark."""
    said = []
    for _, headline, ones in slices:
        worst = next((one for one in ones if one.is_ranked), None)
        if worst:
            score = estimate_text(worst.score, form_of(headline.key))
            text = f"{worst.row}: {worst.by} {worst.value}, {score}, n = {worst.n_items}"
            said.append(Verdict("plain", f"Worst slice in {headline.name}: {text}."))
    return said


def _on_split(cohort: CohortAudit) -> list[Verdict]:
    leaks = [
        f"{len(cohort.patients_in_several_parts)} patients in several parts"
        if cohort.patients_in_several_parts
        else "",
        f"{len(cohort.identical_volumes)} pairs of identical volumes across parts" if cohort.identical_volumes else "",
    ]
    said = [text for text in leaks if text]
    if said:
        found = [Verdict("warn", f"Leakage in {cohort.name}: {'; '.join(said)}. Scores on it are too high.")]
    else:
        text = f"No leakage in {cohort.name}: every patient in one part, no identical volumes across parts."
        found = [Verdict("good", text)]
    pairs = len(cohort.near_duplicate_reports)
    if pairs:
        text = f"{cohort.name}: {pairs} reports of val or test say nearly the same as one of train, listed below."
        found.append(Verdict("plain", text))
    return found


def _leakage(cohort: CohortAudit) -> PageTable:
    """Everything looked for, how often it was found, and the first of what was found."""
    pairs = {
        "patients in several parts": cohort.patients_in_several_parts,
        "identical volumes across parts": [" = ".join(pair) for pair in cohort.identical_volumes],
        "near-duplicate reports across parts": [" ~ ".join(pair) for pair in cohort.near_duplicate_reports],
    }
    caption = f"Near-duplicate: token sort ratio of {cohort.near_duplicate_percent:g} or more, after lower case."
    return _found_table(f"Leakage, {cohort.name}", caption, pairs)


def _regime(facts: Mapping[str, str]) -> PageTable:
    """Questions and answers on what the texts that are trained on ask of a method of soft targets."""
    caption = "S: similarity of texts; T: targets of selip with its defaults; both in the batches of a run."
    lines = tuple(Line((Cell(question), Cell(answer, prose=True))) for question, answer in facts.items())
    return PageTable("Regime of the training cohort", caption, ("", "found"), lines)


def _balance(cohort: CohortAudit) -> PageTable:
    """Patients, studies, volumes, and studies of each label, by part, with their share of the part."""
    labels = sorted({label for part in cohort.parts.values() for label in part.labels})
    lines = [
        Line((Cell(name), *(number_cell(getattr(part, name), "count") for part in cohort.parts.values())))
        for name in ("patients", "studies", "volumes")
    ]
    for label in labels:
        counts = [(part.labels.get(label, 0), part.studies) for part in cohort.parts.values()]
        cells = (Cell(str(count), f"{100 * count / total:.1f} %" if total else "") for count, total in counts)
        lines.append(Line((Cell(label), *cells)))
    return PageTable(f"Balance, {cohort.name}", "Studies of each label.", ("", *cohort.parts), tuple(lines))


def _found_table(title: str, caption: str, pairs: Mapping[str, Sequence[str]]) -> PageTable:
    """Everything looked for, how often it was found, and the first of what was found."""
    lines = tuple(
        Line((Cell(name), number_cell(len(ones), "count", bool(ones)), Cell(listed(ones) or MISSING, prose=True)))
        for name, ones in pairs.items()
    )
    return PageTable(title, caption, ("looked for", "found", "which"), lines)


def crossing_table(crossing: CrossingAudit) -> PageTable:
    """All that train and val of the one cohort share with the test part of the other."""
    pairs = {
        "patients with the same id": crossing.shared_ids,
        "identical volumes": [" = ".join(pair) for pair in crossing.identical_volumes],
        "near-duplicate reports": [" ~ ".join(pair) for pair in crossing.near_duplicate_reports],
    }
    caption = (
        f"Ids: {IDS[crossing.ids]}. Identical: the same stored voxels (SHA-256); what was resampled otherwise is not "
        f"found so. Near-duplicate: token sort ratio of {crossing.near_duplicate_percent:g} or more, after lower case."
    )
    title = f"Leakage from train and val of {crossing.trained_on} into test of {crossing.scored_on}"
    return _found_table(title, caption, pairs)


def on_crossing(crossing: CrossingAudit) -> list[Verdict]:
    """Says whether the scored cohort holds what models have seen; what may be chance is not held against it."""
    where = f"train and val of {crossing.trained_on} and test of {crossing.scored_on}"
    n_ids, n_same = len(crossing.shared_ids), len(crossing.identical_volumes)
    leaks = [f"{n_ids} patients in both"] if n_ids and crossing.ids == "same source" else []
    leaks += [f"{n_same} pairs of identical volumes"] if n_same else []
    if leaks:
        said = [Verdict("warn", f"Leakage between {where}: {'; '.join(leaks)}. Scores on the latter are too high.")]
    else:
        patients = "no patient in both, " if crossing.ids == "same source" else ""
        said = [Verdict("good", f"No leakage found between {where}: {patients}no identical volumes.")]
    if n_ids and crossing.ids == "other source":
        said.append(Verdict("warn", f"{n_ids} patient ids are in {where}: look whether they are the same patients."))
    n_alike = len(crossing.near_duplicate_reports)
    if n_alike:
        said.append(
            Verdict(
                "plain",
                f"{n_alike} reports of test of {crossing.scored_on} say nearly the same as one of "
                f"train or val of {crossing.trained_on}, listed below.",
            )
        )
    return said
