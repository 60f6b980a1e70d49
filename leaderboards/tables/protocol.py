"""Facts of a page: protocol and policy, the records behind it, and what repeats them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from leaderboards.scores.benchmark_records import BenchmarkRecords
from leaderboards.scores.headlines import headline_of, metric_words, words
from leaderboards.scores.tidy_table import resamples_of
from leaderboards.tables.cells import MISSING
from leaderboards.tables.document import Runs
from selip.data.contrast_mapping import reading_words
from selip.records.record import CohortFacts, Record
from selip.system.mappings import grouped


def titled(text: str, board: BenchmarkRecords) -> str:
    """The title of a page, with SYNTHETIC and the cohort's name where it must be, and both of two cohorts."""
    facts = board.facts
    if facts.trained_on:
        trained, scored = zip(board.cohort_names, (facts.trained_on, facts.cohort), strict=True)
        return f"{text}: trained on {_marked(*trained)}, scored on {_marked(*scored)}"
    return text + (f": SYNTHETIC cohort {board.cohort_name}" if board.synthetic else "")


def _marked(name: str, cohort: CohortFacts) -> str:
    return f"SYNTHETIC cohort {name}" if cohort.synthetic else name


def facts(boards: Sequence[BenchmarkRecords], n_resamples: int) -> list[tuple[str, str]]:
    """Protocol and policy of the benchmarks of a page; what is of one of several alone is said with its name."""
    found = [*cohort_facts(boards[0])]
    for board in boards:
        found += protocol_facts(board) if len(boards) == 1 else [_protocol_fact(board)]
    found += _how(max(boards, key=lambda board: len(board.seeds)), n_resamples)
    owners = grouped((note, board.declared.label) for board in boards for note in notes(board))
    for (subject, text), names in owners.items():
        found.append((subject if len(names) == len(boards) else f"{subject} ({', '.join(names)})", text))
    return found


def cohort_facts(board: BenchmarkRecords) -> list[tuple[str, str]]:
    """The cohort and its split, and those that the models were trained on where they are others."""
    record, (trained, scored) = board.facts, board.cohort_names
    found = [
        ("cohort", _described(scored, record.cohort)),
        ("cohort hash", record.cohort.content_hash),
        ("split fingerprint", record.split_fingerprint),
        ("tuning", _tuning(board)),
        *([("scored part", f"{record.part}: for tuning, no result")] if record.part != "test" else []),
    ]
    found += [("folds", f"{record.fold.split()[0]}; one score a patient, out of fold")] if record.fold else []
    found += [("texts", "measured on masks and tables, no reports")] if record.texts == "measured" else []
    found += [(f"data sheet, {name}", text) for name, text in record.cohort.sheet.items()]
    if record.trained_on is None:
        return found
    return [
        *found,
        ("trained on", f"{_described(trained, record.trained_on)}; {_ROLES}"),
        ("training cohort hash", record.trained_on.content_hash),
        ("training split fingerprint", record.trained_on_split_fingerprint),
        ("contrasts", _contrasts(record.config)),
    ]


def _tuning(board: BenchmarkRecords) -> str:
    """The budget of tuning in words; most comparisons have none, and say so."""
    found = {record.method: record.tuning for record in board.records if record.tuning}
    if not found:
        return "none: every method has the settings of the experiment"
    budgets = sorted({len(facts.trials) for facts in found.values()})
    others = sorted({record.method for record in board.records} - set(found))
    beside = f"; not tuned: {', '.join(others)}" if others else ""
    return f"{' or '.join(map(str, budgets))} trials of each of {', '.join(sorted(found))}, on other seeds{beside}"


_ROLES = (
    "its train part trained the models and gave words and majority answer, its val part chose the step; train and val "
    "of the scored cohort only serve to fit and choose probes, fine-tuning and decoders"
)


def _described(name: str, cohort: CohortFacts) -> str:
    made = "SYNTHETIC, " if cohort.synthetic else ""
    shape, spacing = (" × ".join(f"{n:g}" for n in numbers) for numbers in (cohort.shape, cohort.spacing_mm))
    return f"{name} ({made}{cohort.n_patients} patients, {shape} voxels of {spacing} mm)"


def _contrasts(config: Mapping[str, Any]) -> str:
    """The way in which the models read the contrasts of a cohort that they were not trained on."""
    reading = config.get("evaluate_on", {}).get("contrasts", {})
    other = [f"{name} {how}" for name, how in reading_words(reading).items()]
    own = [name for name, source in reading.items() if source == name]
    return "; ".join([*([f"{', '.join(own)} read as trained"] if own else []), *other]) or MISSING


def protocol_facts(board: BenchmarkRecords) -> list[tuple[str, str]]:
    """Protocol, sizes of the pools that are tasks, seeds, devices."""
    protocol = ("protocol", f"{board.benchmark} version {board.facts.protocol_version}")
    return [protocol, *_sizes(board), ("seeds", _seeds(board)), ("device", _devices(board))]


def _protocol_fact(board: BenchmarkRecords) -> tuple[str, str]:
    text = f"version {board.facts.protocol_version}; seeds {_seeds(board)}; device {_devices(board)}"
    return f"protocol of {board.declared.label}", text


def _seeds(board: BenchmarkRecords) -> str:
    return ", ".join(map(str, board.seeds))


def _devices(board: BenchmarkRecords) -> str:
    return ", ".join(dict.fromkeys(record.device for record in board.records if record.device)) or MISSING


def _how(board: BenchmarkRecords, n_resamples: int) -> list[tuple[str, str]]:
    """The making of intervals and groups."""
    text = f"95 %; patients by {n_resamples} paired resamples, percentile"
    if not board.describes_runs:
        text += "; seeds by the spread of their values, Student's t with the degrees of freedom of both"
    if len(board.seeds) > 1 and resamples_of(n_resamples) != n_resamples:
        text += f" (medians and metrics of classification that no row is ranked by: {resamples_of(n_resamples)})"
    groups = "rows share a letter when the 95 % interval of their paired difference holds 0 (not adjusted)"
    return [("intervals", text), *([] if board.describes_runs else [("groups", groups)])]


def notes(board: BenchmarkRecords) -> list[tuple[str, str]]:
    """The benchmark's own notes: subject, and the texts that its records have, each once."""
    found = grouped(note for record in board.records for note in record.notes.items())
    return [(subject, _joined([*dict.fromkeys(texts)])) for subject, texts in found.items()]


def _joined(texts: Sequence[str], most: int = 3) -> str:
    """The texts, or the first and how many there are: what validation chose differs from run to run."""
    more = f" / … ({len(texts)} texts, one or more a run: see the records)" if len(texts) > most else ""
    return " / ".join(texts[:most] if not more else texts[:1]) + more


def _sizes(board: BenchmarkRecords) -> list[tuple[str, str]]:
    """Items, patients and floors of the headline in each pool that is a task or that the benchmark names."""
    metrics = {key: metric for record in board.records for key, metric in record.metrics.items()}
    headline, declared, found = headline_of(board.records), board.declared, []
    if headline is None:
        return []
    for pool in declared.pools or (headline.pool,):
        key = f"{pool}/{headline.metric}"
        if key in metrics:
            size = f"{metrics[key].n_items} volumes of {metrics[key].n_patients} patients"
            floors = {text: board.reference(key, name) for name, text in board.floors([key]).items()}
            said = [f"{metric_words(declared, key)} {text} {level:.3f}" for text, level in floors.items()]
            found.append((f"test pool {words(declared, pool)}", "; ".join([size, *said])))
    return found


def runs_of(records: Sequence[Record], keys: Mapping[str, str], value_name: str) -> Runs:
    """Every record and its end, and each command and commit once.

    `keys` are the metric that a line shows, by benchmark, and `value_name` what that is.
    """
    several = len({record.benchmark for record in records}) > 1
    who = grouped(((r.git_commit or MISSING, r.command or MISSING), _label(r, False)) for r in records)
    commands = [
        {"who": f"{len(labels)} records: {', '.join(dict.fromkeys(labels))}", "commit": commit, "command": command}
        for (commit, command), labels in who.items()
    ]
    return Runs(value_name, [_run_line(record, keys, several) for record in records], commands)


def _run_line(record: Record, keys: Mapping[str, str], several: bool) -> dict[str, str]:
    value = record.metrics.get(keys.get(record.benchmark, ""))
    return {
        "run": record.run_id,
        "method": _label(record, several),
        "seed": str(record.seed),
        "status": record.status + (f": {record.reason}" if record.reason else ""),
        "value": f"{value.value:.3f}" if value else MISSING,
        "steps": f"{record.training.chosen_step} of {record.training.steps}" if record.training else MISSING,
        "seconds": ", ".join(f"{name} {value:.0f}" for name, value in record.seconds.items()) or MISSING,
        "device": record.device or MISSING,
        "created": record.created or MISSING,
    }


def _label(record: Record, with_benchmark: bool) -> str:
    name = f"{record.method} [{record.ablation}]" if record.ablation else record.method
    return f"{name} · {record.declared.label}" if with_benchmark else name
