"""Why two texts are as alike as they are: every term behind one entry of S, as data and as tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from selip.data.findings import Clause, parse_findings_text
from selip.similarity.semantics import PARTS
from selip.similarity.settings import SimilarityConfig
from selip.similarity.syntax import SYNTAX
from selip.similarity.text_similarity import clause_similarity, semantic_similarity, similarity_of_texts
from selip.system.arrays import FloatArray


@dataclass(frozen=True)
class ClausePair:
    """One entry of the clause table, all in [0, 1]; `similarity` is K.

    `location` and `signal` are None where the semantic measure has no parts, a term is None where the mix leaves it
    out.
    """

    clause_a: str
    clause_b: str
    location: float | None
    signal: float | None
    semantic: float | None
    syntax: float | None
    similarity: float


@dataclass(frozen=True)
class Explanation:
    """Why S of two texts, in [0, 1], is what it is.

    A normal text has no clauses; `pairs` are those of the first text outermost; `reason` is the rule that gave S, as
    "mean of 6 clause pairs" or "equal texts".
    """

    text_a: str
    text_b: str
    clauses_a: tuple[str, ...]
    clauses_b: tuple[str, ...]
    pairs: tuple[ClausePair, ...]
    similarity: float
    reason: str
    config: SimilarityConfig


def explain(text_a: str, text_b: str, config: SimilarityConfig) -> Explanation:
    """Every term behind S of two texts, of any cohort or none."""
    a, b = parse_findings_text(text_a), parse_findings_text(text_b)
    return Explanation(
        text_a=text_a,
        text_b=text_b,
        clauses_a=tuple(clause.sentence for clause in a),
        clauses_b=tuple(clause.sentence for clause in b),
        pairs=_pairs(a, b, config),
        similarity=float(similarity_of_texts([text_a], [text_b], config)[0, 0]),
        reason=_reason(text_a == text_b, len(a), len(b), config),
        config=config,
    )


def _pairs(a: Sequence[Clause], b: Sequence[Clause], config: SimilarityConfig) -> tuple[ClausePair, ...]:
    tables: dict[str, FloatArray] = {}
    if config.mix != "semantic":
        tables["syntax"] = SYNTAX[config.syntax](a, b)
    if config.mix != "syntax":
        tables["semantic"] = semantic_similarity(a, b, config)
        for name, measure in zip(("location", "signal"), PARTS.get(config.semantic, ()), strict=False):
            tables[name] = measure(a, b)
    mixed, missing = clause_similarity(a, b, config), dict.fromkeys(("location", "signal", "semantic", "syntax"))

    def pair(row: int, column: int) -> ClausePair:
        terms = missing | {name: float(table[row, column]) for name, table in tables.items()}
        return ClausePair(a[row].sentence, b[column].sentence, similarity=float(mixed[row, column]), **terms)

    return tuple(pair(row, column) for row in range(len(a)) for column in range(len(b)))


def _reason(equal: bool, count_a: int, count_b: int, config: SimilarityConfig) -> str:
    if equal:
        return "equal texts"
    if not count_a and not count_b and config.normal == "alike":
        return "two normal texts (normal: alike)"
    if not count_a or not count_b:
        left_out = "; left out of the KL term" if config.normal == "masked" else ""
        return f"a normal text (normal: {config.normal}{left_out})"
    pooled = "mean of" if config.pooling == "mean" else "symmetric best match over"
    return f"{pooled} {count_a * count_b} clause pairs"


def as_mapping(explanation: Explanation) -> dict[str, Any]:
    """The explanation as plain data, ready for JSON."""
    return asdict(explanation)


def as_tables(explanation: Explanation) -> RenderableType:
    """The explanation for a terminal: measures, clauses, a row for each pair of clauses, and S with its reason."""
    return Group(
        Text(_measures(explanation.config)),
        _clause_table(explanation),
        *([_pair_table(explanation)] if explanation.pairs else []),
        Text(f"S = {explanation.similarity:.3f}: {explanation.reason}"),
    )


def _measures(config: SimilarityConfig) -> str:
    return ", ".join(f"{name} {value}" for name, value in asdict(config).items())


def _clause_table(explanation: Explanation) -> Table:
    table = Table("text", "clause", "finding")
    for letter, clauses in (("A", explanation.clauses_a), ("B", explanation.clauses_b)):
        for number, clause in enumerate(clauses, 1):
            table.add_row(letter, f"{letter}{number}", Text(clause))
        if not clauses:
            table.add_row(letter, "", "normal")
    return table


def _pair_table(explanation: Explanation) -> Table:
    names = ("location", "signal", "semantic", "syntax", "similarity")
    table = Table("A", "B", *names[:-1], "K")
    for position, pair in enumerate(explanation.pairs):
        row, column = divmod(position, len(explanation.clauses_b))
        values = (getattr(pair, name) for name in names)
        cells = ("" if value is None else f"{value:.3f}" for value in values)
        table.add_row(f"A{row + 1}", f"B{column + 1}", *cells)
    return table
