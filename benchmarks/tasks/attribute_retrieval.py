"""Retrieval over texts that were measured on masks and read off tables: attributes of a lesion, never a report."""

from __future__ import annotations

from dataclasses import replace

from benchmarks.benchmark import Benchmark, Score, ScoreOptions
from benchmarks.tasks import retrieval
from selip.models.scored_model import Subject
from selip.system.errors import UnavailableError


def score_subject(subject: Subject, options: ScoreOptions) -> Score:
    """Scores the embeddings of the scored part.

    Raises:
        UnavailableError: When the texts of the cohort were not measured.
    """
    if not subject.cohort.info.is_measured:
        raise UnavailableError("got a cohort whose texts were not measured on masks; take retrieval")
    found = retrieval.score(subject.embeddings(), options)
    return replace(found, notes={**found.notes, "texts": "measured on masks, with clinical columns; no report"})


BENCHMARK = Benchmark(
    name="attribute_retrieval",
    summary="find the measured attributes of a volume (place, side, signal), and volumes by them; no report",
    protocol_version=retrieval.BENCHMARK.protocol_version,
    source="recall as in CLIP (arXiv:2103.00020) and SeLIP (arXiv:2503.19801); policies in the benchmark's notes",
    score=score_subject,
    declared=retrieval.BENCHMARK.declared.model_copy(
        update={
            "family": "attribute-retrieval",
            "label": "attribute retrieval",
            "place": 5,
            "headline_label": "image → measured attributes R@10 of abnormal volumes",
            "pools": ("abnormal",),
        }
    ),
)
