"""Clause dropout: CLIP on one random clause of each text, drawn anew each step.

    L = 1/2 [CE(I, Z) + CE(I, Z^T)],   column j of Z is one clause of text j, uniformly

Source: HLIP, Zhao et al. 2025, arXiv:2505.21862. Its first training code shows the whole report with its sentences
shuffled; one random sentence a step came with the later release (zch0414/hlip, hlip_train/data.py), where a model with
a second image token also learns from the whole report, half and half. Here it is the sentence alone, and a clause is
the sentence. A normal text is shown as it is. Two texts of a batch may show the same clause and still count as
negatives, as there. Evaluation uses whole texts.
"""

from __future__ import annotations

from baselines.clip import prepare
from selip.data.findings import parse_findings_text
from selip.training.method import Method


def clause_texts(text: str) -> tuple[str, ...]:
    """The clauses of a text, each as a text of its own; the text itself when it has none, as the normal sentence."""
    clauses = parse_findings_text(text)
    return tuple(clause.sentence for clause in clauses) or (text,)


METHOD = Method(
    name="clause_dropout",
    summary="CLIP on one random clause of each text per step",
    source="Zhao et al. 2025, HLIP, arXiv:2505.21862",
    prepare=prepare,
    shown_texts=clause_texts,
)
