"""The one importer of every set: studies on disk to a cohort, in parallel, resumable, past bad files.

Each worker reads one study at a time and leaves it as a file (`selip.cohorts.importing.study_import`) in a hidden
folder beside the output; when all are there, they are written in the order of the scan. So a killed import goes on
where it was, and the bytes of the cohort depend neither on the workers nor on interruptions; until it is done it takes
up to twice its room on disk. A study that cannot be read is left out and listed with its reason in quarantine.csv of
the cohort.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from selip.cohorts.cohort_source import CohortSource
from selip.cohorts.importing.adapter import Adapter, Scan, StudyFiles
from selip.cohorts.importing.import_plan import (
    QUARANTINE,
    Quarantined,
    Recipe,
    SetFacts,
    counts_line,
    patient_parts,
    problem,
    quarantine,
    tidied,
    unfit,
    write_quarantine,
)
from selip.cohorts.importing.report_reading import ReportReading, label_lines, reading_lines
from selip.cohorts.importing.study_import import SUFFIX as PIECE
from selip.cohorts.importing.study_import import make_pieces, piece_of
from selip.cohorts.importing.study_texts import SOURCE_WORDS, StudyTexts, findings_source, read_findings, study_texts
from selip.data.cohort import READ_FINDINGS, Cohort, CohortInfo
from selip.data.cohort_declaration import completed
from selip.data.cohort_writer import CohortWriter, check_free
from selip.data.findings import CONTRASTS
from selip.data.states import COLUMN as STATE
from selip.data.states import STATES
from selip.data.volumes import Centre
from selip.system.errors import InputError, counted, listed
from selip.system.files import LOCK, held, remove_leftovers

PROBLEMS_SHOWN = 20
Say = Callable[[str], None]
Counted = Callable[[int, int], None]


def import_adapter(
    adapter: Adapter,
    source: Path,
    out: Path,
    *,
    root: Path | None = None,
    centre: Centre | None = None,
    progress: Counted | None = None,
    say: Say = lambda line: None,
    **options: Any,  # noqa: ANN401 (each field of Recipe has its own type)
) -> Cohort:
    """Scans the folder of a public set and imports what is there.

    Arguments are those of `import_studies`; `centre` goes before the adapter's, and `root` is not for adapters.

    Raises:
        InputError: As `import_studies`, or nothing of the set's layout is in `source`.
    """
    if root is not None:
        raise InputError(f"got --root {root}; allowed: only with table; leave it out, paths are within {source}")
    if not source.is_dir():
        raise InputError(f"got source {source}; allowed: the folder with the downloaded data; mend the path")
    scan = adapter.scan(source)
    if not scan.studies:
        raise InputError(
            f"got {source} with nothing of {adapter.name}; allowed: {' '.join(adapter.layout.split())}; "
            "name the folder that holds it"
        )
    say(f"{adapter.name}: licence: {adapter.licence}; cite: {adapter.citation}; {adapter.source}")
    say(counts_line(scan, adapter.expected))
    options = {"texts": adapter.texts, **options, "centre": centre or adapter.centre}
    return import_studies(adapter, scan, out, root=source, progress=progress, say=say, **options)


def import_studies(
    facts: Adapter | SetFacts,
    scan: Scan,
    out: Path | str,
    *,
    root: Path | None = None,
    progress: Counted | None = None,
    say: Say = lambda line: None,
    **options: Any,  # noqa: ANN401
) -> Cohort:
    """Imports scanned studies into a new cohort; a killed import goes on when it is called the same way again.

    Args:
        facts: Name, licence and citation.
        scan: The studies, and what is known to be wrong with them.
        out: Cohort folder to make; must not exist, or be empty.
        root: Folder that no file may lie outside of; None: not checked.
        progress: Called with (studies done, studies in all).
        say: Takes lines about what was found, left out and where texts came from.
        **options: Fields of `Recipe`, which must have shape and spacing_mm.

    Raises:
        InputError: A setting is wrong, `out` is in use, no study came through, or with `strict` one did not.
    """
    recipe, out, scan = Recipe(conflict=facts.declares.conflict, **options), Path(out), tidied(scan)
    tasks = completed(facts.declares, own := sorted({column for study in scan.studies for column in study.own}))
    with _work_folder(out) as work:
        problems = [problem(line) for line in scan.problems]
        _say_some(say, problems)
        parts, note = patient_parts(scan.studies, recipe.seed)
        say(note)
        reasons = unfit(scan.studies, root, recipe.texts)
        fit = [study for position, study in enumerate(scan.studies) if position not in reasons]
        failed = make_pieces(fit, work, recipe, progress)
        left_out = [quarantine(scan.studies[position], reason, root) for position, reason in reasons.items()]
        left_out += [quarantine(fit[position], reason, root) for position, reason in sorted(failed.items())]
        _say_some(say, left_out)
        kept = [study for position, study in enumerate(fit) if position not in failed]
        _refuse_failures(kept, left_out, recipe.strict)
        columns = {"volumes.csv": (STATE,), "studies.csv": (*([READ_FINDINGS] * (recipe.texts == "report")), *own)}
        info = replace(cohort_info(facts, kept, recipe), tasks=tasks)
        with CohortWriter(out, info, work / "cohort", columns) as writer:
            _write_studies(writer, kept, parts, work, recipe, say)
            write_quarantine(writer.partial / QUARANTINE, [*left_out, *problems])
        shutil.rmtree(work, ignore_errors=True)
    more = f"; reasons and {len(problems)} problems are in {out / QUARANTINE}" * bool(left_out or problems)
    say(f"{len(kept)} of {len(scan.studies)} studies imported, {len(left_out)} left out{more}")
    return Cohort.open(out)


@contextmanager
def _work_folder(out: Path) -> Iterator[Path]:
    """The hidden folder beside `out` that keeps pieces until all are there, held by one import at a time."""
    work = out.parent / f".{out.name}.import.partial"
    if (out / "cohort.json").is_file():
        shutil.rmtree(work, ignore_errors=True)  # of an import that was killed when all but this was done
    check_free(out)

    def refuse(holder: str) -> None:
        raise InputError(
            f"got output {out}, which {holder} imports to; allowed: one import; wait for it, or name another"
        )

    with held(work / LOCK, refuse):
        remove_leftovers(work, "*.partial")
        try:
            yield work
        finally:
            if not any(work.glob(f"*{PIECE}")):
                shutil.rmtree(work, ignore_errors=True)


def cohort_info(facts: Adapter | SetFacts, studies: Sequence[StudyFiles], recipe: Recipe) -> CohortInfo:
    """Facts of the cohort, before its texts and hashes are known."""
    used = {contrast for study in studies for contrast in study.volumes}
    return CohortInfo(
        name=facts.name,
        profile=recipe.profile,
        seed=recipe.seed,
        synthetic=False,
        shape=recipe.shape,
        spacing_mm=recipe.spacing_mm,
        contrasts=tuple(contrast for contrast in CONTRASTS if contrast in used),
        licence=facts.licence,
        citation=facts.citation,
        command=recipe.command,
        sheet=facts.declares.sheet,
    )


def _refuse_failures(kept: Sequence[StudyFiles], left_out: Sequence[Quarantined], strict: bool) -> None:
    """Refuses an import without a study and, if strict, one that leaves out any."""
    if left_out and (strict or not kept):
        allowed = "all, as asked" if strict else "one at least"
        raise InputError(
            f"got {len(left_out)} of {len(left_out) + len(kept)} studies that cannot be imported, first "
            f"{left_out[0].line}; allowed: {allowed} can; mend the files and give the same command again"
        )


def _write_studies(
    writer: CohortWriter, studies: Sequence[StudyFiles], parts: Mapping[str, str], work: Path, recipe: Recipe, say: Say
) -> None:
    """Writes the studies in their order, and says where their texts came from and what their reports were read as."""
    counts: Counter[str] = Counter()
    small: dict[str, int] = {}
    differing: list[str] = []
    states: Counter[str] = Counter()
    readings: list[tuple[str, ReportReading]] = []
    for study in studies:
        piece = piece_of(study, work, recipe)
        small |= {study.study: piece.pieces_left_out} if piece.pieces_left_out else {}
        found = study_texts(study, piece.findings, recipe.texts, recipe.language, recipe.conflict)
        differing += [study.study] if found.differs else []
        counts.update(found.sources.values())
        states.update(found.states.values())
        readings += [(study.study, found.reading)] if found.reading else []
        volumes = [
            {"contrast": contrast, "text": found.texts[contrast], STATE: found.states[contrast]}
            for contrast in study.volumes
        ]
        writer.add_study(_study_values(study, found, parts[study.patient]), volumes, piece.arrays, piece.mask)
    writer.info = replace(writer.info, findings_source=findings_source(counts))
    shares = [f"{counts[source]} {words}" for source, words in SOURCE_WORDS.items() if counts[source]]
    say(f"texts of {counts.total()} volumes: {'; '.join(shares)}")
    if small:
        masks = f"{sum(small.values())} pieces of {counted([*small], 'mask')}"
        say(f"{masks} are too small for the words that are measured ({listed([*small])})")
    if differing:
        say(f"{counted(differing, 'study')} with another side in the table than on the mask, rule: {recipe.conflict}")
    say(f"states of {states.total()} volumes: {', '.join(f'{name} {states[name]}' for name in STATES)}")
    for line in [*reading_lines(readings, recipe.language), *label_lines(studies)]:
        say(line)


def _study_values(study: StudyFiles, found: StudyTexts, split: str) -> dict[str, str]:
    return {
        "study_id": study.study,
        "patient_id": study.patient,
        "split": split,
        "site": study.site,
        "report": study.report,
        "findings": found.findings,
        "labels": json.dumps(sorted({*study.labels})),
        "age": study.age,
        READ_FINDINGS: read_findings(found),
        **study.own,
    }


def _say_some(say: Say, entries: Sequence[Quarantined]) -> None:
    for entry in entries[:PROBLEMS_SHOWN]:
        say(entry.line)
    if len(entries) > PROBLEMS_SHOWN:
        say(f"... and {len(entries) - PROBLEMS_SHOWN} more")


def adapter_source(adapter: Adapter) -> CohortSource:
    """The registry entry of an adapter: what a cohort file calls COHORT."""
    one, import_from = adapter, partial(import_adapter, adapter)
    return CohortSource(one.name, one.summary, one.source, one.licence, import_from=import_from, example=one.example)
