"""A comparison as text: a Markdown summary, JUnit XML for a CI server, and JSON."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Sequence
from xml.etree import ElementTree

from benchmarks.statistics.intervals import Interval
from leaderboards.gate.comparison import Side
from leaderboards.gate.difference import CONFIDENCE
from leaderboards.gate.quality_gate import LEVEL, Gate, GateLine, seed_policy
from leaderboards.scores.headlines import metric_words, pool_words
from leaderboards.scores.tidy_table import Estimate
from leaderboards.tables.cells import MISSING, Cell, Line, PageTable, Verdict, bounds_text, form_of, number_text
from leaderboards.tables.document import markdown
from leaderboards.tables.protocol import cohort_facts, titled

SCHEMA_VERSION = 1
GATE_COLUMNS = ("method", "benchmark", "metric", "reference", "candidate", "difference", "margin", "verdict")
SIGNS = {"pass": "✅", "inconclusive": "❔", "regress": "❌"}
_RULE = (
    "pass: the lower bound of the difference is at or above minus the margin; regress: the loss is over the margin, "
    f"and that anything was lost is sure (one-sided p at most {LEVEL:g} after Holm over the lines of the benchmark); "
    "inconclusive: anything else"
)


def cells_of(line: GateLine) -> tuple[str, ...]:
    """A line as text, in the order of COLUMNS; more is better in the difference, whatever the metric."""
    declared, form = line.pair.reference_board.declared, form_of(line.guarded.keys[0])
    reference, candidate, margin = (number_text(value, form) for value in (line.reference, line.candidate, line.margin))
    sign = "+" if line.difference.value > 0 else ""
    bounds = bounds_text(Estimate(*line.difference), form) or "no interval"
    difference = f"{sign}{number_text(line.difference.value, form)} {bounds}"
    keys = line.guarded.keys
    name = ", ".join(dict.fromkeys(pool_words(declared, key) for key in keys)) + ", "
    name += ("mean of " if len(keys) > 1 else "") + "; ".join(metric_words(declared, key) for key in keys)
    return line.pair.label, declared.label, name, reference, candidate, difference, margin, line.outcome


def summary(gate: Gate) -> str:
    """The whole comparison in one sentence."""
    count = Counter(line.outcome for line in gate.lines)
    said = ", ".join(f"{count[outcome]} {outcome}" for outcome in ("regress", "inconclusive", "pass"))
    return f"{gate.outcome} (exit code {gate.exit_code}): {said} of {len(gate.lines)} guarded metrics"


def policy(gate: Gate) -> list[tuple[str, str]]:
    """The making of the verdicts, subject and text."""
    found = [
        ("intervals", f"{CONFIDENCE:.0%}, Student's t, over seeds and {gate.n_resamples} paired resamples of patients"),
        ("seeds", "; ".join(seed_policy(gate.lines))),
        ("verdict", _RULE),
        ("margin", "the larger of an absolute loss and a share of the reference's value"),
    ]
    return [*found, ("not guarded", "; ".join(gate.left_out))] if gate.left_out else found


def gate_markdown(gate: Gate) -> str:
    """A comment: the verdict and counts, the lines that changed, and folded away all lines, the policy and origins."""
    board = next(iter(gate.reference.boards.values()))
    about = [
        *_origin("reference", gate.reference), *_origin("candidate", gate.candidate), *cohort_facts(board),
        *policy(gate),
    ]  # fmt: skip
    changed = [line for line in gate.lines if line.outcome != "pass" or _is_moved(line)]
    facts = tuple(Line((Cell(subject), Cell(text))) for subject, text in about)
    folded = {
        f"All {len(gate.lines)} guarded metrics": _table("Guarded metrics", gate.lines),
        "Policy, cohort, commits and hashes": PageTable("Protocol and policy", "", ("subject", "value"), facts),
    }
    return markdown(
        "gate.md.j2", part=board, title=titled("Quality gate", board), verdicts=_sentences(gate),
        changed=_table("Changed", changed), folded=folded.items(),
    )  # fmt: skip


def _is_moved(line: GateLine) -> bool:
    """True where the interval of the difference leaves out 0."""
    return line.difference.lower > 0 or line.difference.upper < 0


def _table(title: str, lines: Sequence[GateLine]) -> PageTable:
    rows = [(line, cells_of(line)) for line in lines]
    shown = (Line((*map(Cell, cells), Cell(SIGNS[line.outcome]))) for line, cells in rows)
    caption = "Difference: candidate minus reference, turned so that more is better, [lower, upper]."
    return PageTable(title, caption if rows else "Nothing changed.", (*GATE_COLUMNS, "sign"), tuple(shown))


def _sentences(gate: Gate) -> list[Verdict]:
    """The sentences on top: the outcome, then every line that did not pass."""
    first = Verdict("plain" if gate.outcome == "pass" else "warn", f"{SIGNS[gate.outcome]} {summary(gate)}.")
    return [first, *(Verdict("plain", f"{_sentence(line)}.") for line in gate.lines if line.outcome != "pass")]


def _sentence(line: GateLine) -> str:
    label, benchmark, name, reference, candidate, difference, margin, outcome = cells_of(line)
    return f"{outcome}: {label}, {benchmark}, {name}: {reference} to {candidate}, {difference}, margin {margin}"


def _origin(name: str, side: Side) -> list[tuple[str, str]]:
    return [(name, str(side.path)), *((f"{name} {subject}", text) for subject, text in _facts(side).items())]


def _facts(side: Side) -> dict[str, str]:
    """Commits, commands and devices behind a side, each once."""
    found = {
        "commit": (record.git_commit for record in side.records),
        "command": (record.command for record in side.records),
        "device": (record.device for record in side.records),
    }
    return {subject: "; ".join(dict.fromkeys(filter(None, texts))) or MISSING for subject, texts in found.items()}


def gate_junit(gate: Gate) -> str:
    """JUnit XML, a test case a line: regress is a failure, inconclusive is skipped with the reason as its message.

    A skipped case keeps what the data cannot tell apart from what is worse; that a comparison was inconclusive is said
    by the exit code.
    """
    count = Counter(line.outcome for line in gate.lines)
    numbers = {
        "tests": len(gate.lines), "failures": count["regress"], "errors": 0, "skipped": count["inconclusive"],
    }  # fmt: skip
    attributes = {"name": "selip compare", **{name: str(value) for name, value in numbers.items()}}
    suites = ElementTree.Element("testsuites", attributes)
    suite = ElementTree.SubElement(suites, "testsuite", attributes)
    properties = ElementTree.SubElement(suite, "properties")
    for side, facts in (("reference", gate.reference), ("candidate", gate.candidate)):
        for subject, text in _origin(side, facts):
            ElementTree.SubElement(properties, "property", {"name": subject, "value": text})
    for line in gate.lines:
        where = {"classname": f"{line.pair.benchmark}.{line.pair.label}", "name": line.guarded.name}
        case = ElementTree.SubElement(suite, "testcase", where)
        if line.outcome != "pass":
            kind = "failure" if line.outcome == "regress" else "skipped"
            ElementTree.SubElement(case, kind, {"type": line.outcome, "message": _sentence(line)})
    ElementTree.indent(suites)
    return ElementTree.tostring(suites, encoding="unicode", xml_declaration=True) + "\n"


def gate_json(gate: Gate) -> str:
    """All of it as JSON; null where there is no interval."""
    found = {
        "schema_version": SCHEMA_VERSION,
        "outcome": gate.outcome,
        "exit_code": gate.exit_code,
        "synthetic": any(record.synthetic for record in gate.reference.records),
        "reference": {"path": str(gate.reference.path), **_facts(gate.reference)},
        "candidate": {"path": str(gate.candidate.path), **_facts(gate.candidate)},
        "policy": dict(policy(gate)),
        "n_resamples": gate.n_resamples,
        "left_out": list(gate.left_out),
        "lines": [_line_mapping(line) for line in gate.lines],
    }
    return json.dumps(found, indent=1, allow_nan=False) + "\n"


def _line_mapping(line: GateLine) -> dict[str, object]:
    metric = line.pair.reference.scored[0].metrics[line.guarded.keys[0]]
    seeds = dict(zip(("reference", "candidate"), line.pair.seeds, strict=True))
    return {
        "method": line.pair.reference.method,
        "ablation": line.pair.reference.ablation,
        "candidate_method": line.pair.candidate.method,
        "candidate_ablation": line.pair.candidate.ablation,
        "benchmark": line.pair.benchmark,
        "metric": line.guarded.name,
        "keys": list(line.guarded.keys),
        "higher_is_better": metric.higher_is_better,
        "n_patients": metric.n_patients,
        "seeds": seeds,
        "reference": line.reference,
        "candidate": line.candidate,
        "difference": dict(zip(Interval._fields, _finite(line.difference), strict=True)),
        "margin": line.margin,
        "seed_sd": line.spread.sd if math.isfinite(line.spread.sd) else None,
        "p_holm": line.p_holm,
        "outcome": line.outcome,
    }


def _finite(values: Sequence[float]) -> list[float | None]:
    return [value if math.isfinite(value) else None for value in values]
