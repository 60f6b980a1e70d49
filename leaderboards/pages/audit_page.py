"""The audit: leakage and balance of the split, shortcuts, and the slices of the test part where methods are worst."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from leaderboards.pages.retrieval_page import titled
from leaderboards.scores.audit_record import FILE, AuditFacts, CohortAudit, read_audit_facts
from leaderboards.scores.benchmark_records import read_boards
from leaderboards.scores.benchmark_scores import Sheet, sheets_of
from leaderboards.scores.seed_intervals import resamples_of
from leaderboards.scores.tidy_table import FEWEST_HARD
from leaderboards.tables.cells import Cell, Line, Table, Verdict
from leaderboards.tables.document import Block, Part
from leaderboards.tables.leakage_table import crossing_table, found_table, on_crossing
from leaderboards.tables.protocol import cohort_facts
from leaderboards.tables.shortcuts import Shortcut, shortcut_table, shortcuts_of
from leaderboards.tables.worst_slices import FEWEST_ITEMS, Slice, audited_rows, slice_table, slices_of

NOT_LOOKED = f"Leakage and balance were not recorded: the run directory has no {FILE}."


def audit_page(run_dir: Path, n_resamples: int = 10_000) -> Part:
    """The audit of a run directory, from its records, their per-item scores and `audit.json`.

    Raises:
        InputError: When there are no records, records that may not stand on one page, or an audit of another split.
    """
    families = sheets_of(read_boards(run_dir), n_resamples)
    return audit_part([sheet for members in families.values() for sheet in members], run_dir, n_resamples)


def audit_part(sheets: Sequence[Sheet], run_dir: Path, n_resamples: int) -> Part:
    """`audit_page` of sheets that were read already."""
    board, count = sheets[0].board, resamples_of(n_resamples)
    found = read_audit_facts(run_dir, board.facts.split_fingerprint)
    shortcuts = [one for sheet in sheets for one in shortcuts_of(sheet)]
    slices = [(sheet, [one for row in audited_rows(sheet) for one in slices_of(sheet, row, count)]) for sheet in sheets]
    slices = [(sheet, ones) for sheet, ones in slices if ones]
    tables = [table for cohort in found.cohorts for table in (_leakage(cohort), _balance(cohort))] if found else []
    tables += [crossing_table(one) for one in found.crossings] if found else []
    lead = f"The best method and selip. An interval is from {count} resamples; slices overlap and are not adjusted."
    blocks = [
        Block("Split", "" if found else NOT_LOOKED, tables),
        Block("Shortcuts", "" if shortcuts else _NO_REFERENCE, [shortcut_table(shortcuts)] if shortcuts else []),
        Block("Slices", lead if slices else _NO_ITEMS, [slice_table(*one) for one in slices], small=True),
    ]
    about = [*cohort_facts(board), *_POLICY]
    said = _verdicts(found, shortcuts, slices)
    return Part("audit", "Audit", titled("Audit", board), board.synthetic, said, about, blocks)


_NO_REFERENCE = "No task of these records has a metadata-only reference."
_NO_ITEMS = "No complete row has per-item scores."
_POLICY = (
    ("shortcut", "the lower bound of the best method does not clear a model that sees metadata alone"),
    ("slice", f"with fewer than {FEWEST_ITEMS} items it is shown and not ranked"),
    ("hard negatives", f"with fewer than {FEWEST_HARD} items they have no number on any page"),
    ("near-duplicates", "listed, not refused: two patients may well be described alike"),
)


def _verdicts(
    found: AuditFacts | None, shortcuts: Sequence[Shortcut], slices: Sequence[tuple[Sheet, Sequence[Slice]]]
) -> list[Verdict]:
    said = [verdict for cohort in found.cohorts for verdict in _on_split(cohort)] if found else []
    said += [verdict for one in found.crossings for verdict in on_crossing(one)] if found else []
    said += [] if found else [Verdict("plain", NOT_LOOKED)]
    lost = [one.task for one in shortcuts if one.verdict == "shortcut"]
    if lost:
        text = f"Shortcut: metadata alone does as well as the best method on {', '.join(lost)}."
        said.append(Verdict("warn", text))
    elif shortcuts:
        said.append(
            Verdict("good", f"The best method clears metadata alone on all {len(shortcuts)} tasks that have it.")
        )
    return [*said, *_on_worst(slices)]


def _on_worst(slices: Sequence[tuple[Sheet, Sequence[Slice]]]) -> list[Verdict]:
    """The worst slice of the best row, a sentence a benchmark."""
    said = []
    for sheet, ones in slices:
        table = slice_table(sheet, ones)
        worst = next((line for line in table.lines if line.cells[-1].text == "worst"), None)
        if worst and sheet.headline:
            label, score, n_items = (f"{cell.text} {cell.interval}".strip() for cell in worst.cells[:3])
            said.append(Verdict("plain", f"Worst slice in {sheet.headline.name}: {label}, {score}, n = {n_items}."))
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


def _leakage(cohort: CohortAudit) -> Table:
    """What was looked for, how often it was found, and the first of what was found."""
    pairs = {
        "patients in several parts": cohort.patients_in_several_parts,
        "identical volumes across parts": [" = ".join(pair) for pair in cohort.identical_volumes],
        "near-duplicate reports across parts": [" ~ ".join(pair) for pair in cohort.near_duplicate_reports],
    }
    caption = f"Near-duplicate: token sort ratio of {cohort.near_duplicate_percent:g} or more, after lower case."
    return found_table(f"Leakage, {cohort.name}", caption, pairs)


def _balance(cohort: CohortAudit) -> Table:
    """Patients, studies, volumes, and studies of each label, by part, with their share of the part."""
    labels = sorted({label for part in cohort.parts.values() for label in part.labels})
    lines = [
        Line((Cell(name), *(Cell(str(getattr(part, name))) for part in cohort.parts.values())))
        for name in ("patients", "studies", "volumes")
    ]
    for label in labels:
        counts = [(part.labels.get(label, 0), part.studies) for part in cohort.parts.values()]
        cells = (Cell(str(count), f"{100 * count / total:.1f} %" if total else "") for count, total in counts)
        lines.append(Line((Cell(label), *cells)))
    return Table(f"Balance, {cohort.name}", "Studies of each label.", ("", *cohort.parts), tuple(lines))
