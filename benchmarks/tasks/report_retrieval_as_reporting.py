"""Retrieval as a draft: the training report nearest to a volume is its report, scored finding by finding."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pandas as pd

from benchmarks.benchmark import Benchmark, Score, ScoreOptions
from benchmarks.retrieval.gallery_ranking import stepped
from benchmarks.retrieval.text_bank import check_embeddings, text_bank
from benchmarks.retrieval.text_parts import SaidFact, facts_of
from benchmarks.statistics.metric_summary import summarise_pool
from selip.data.findings import is_normal
from selip.data.states import ABNORMAL, states_of
from selip.models.embeddings import Embeddings
from selip.models.scored_model import Subject
from selip.records.declaration import Declared
from selip.records.record import Metric
from selip.reports.extraction.extractor import extract
from selip.system.arrays import FloatArray
from selip.system.errors import UnavailableError

SCORES = ("f1", "precision", "recall")
NOTES = {
    "answer": "the distinct training text with the highest cosine; of ties (to 1e-7) the one with the lowest F1",
    "facts": "of a clause place, side and polarity of the signal; of a plain report place, side and lesion type, as "
    "the extractor reads it, from the answer and from the volume's own text alike",
    "edges": "both without a fact: 1; one without: 0; a text that is not normal and of which nothing is read is no "
    "candidate, and its volume no item",
    "pools": "abnormal: volumes that are known to be; all: with the normal ones",
    "chance": "a training volume drawn at random",
    "majority": "the commonest training text; in pool abnormal the commonest that has a fact",
    "ceiling": "the best training text for each volume: what no retrieval can exceed",
    "interval": "percentile bootstrap over patients with all their volumes",
}


def score_subject(subject: Subject, options: ScoreOptions) -> Score:
    """Scores the scored part.

    Raises:
        UnavailableError: When no training text, or no text of an abnormal volume, can be read.
    """
    return score(subject.embeddings(), options)


def score(embeddings: Embeddings, options: ScoreOptions) -> Score:
    """Scores the nearest training text of each volume; see `score_subject`."""
    check_embeddings(embeddings)
    frequency = Counter(text for text in embeddings.train_texts if is_read(text))
    texts = sorted(frequency)
    rows = np.flatnonzero([is_read(text) for text in embeddings.items["text"]])
    states = states_of(embeddings.items)
    if not texts or not (states[rows] == ABNORMAL).any():
        raise UnavailableError("got no texts with findings that can be read; use a cohort with clauses or reports")
    metrics: dict[str, Metric] = {}
    frames = []
    vectors = text_bank(embeddings, texts).of(texts)
    for pool, chosen in (("abnormal", rows[states[rows] == ABNORMAL]), ("all", rows)):
        items = embeddings.items.iloc[chosen]
        overlap = overlaps([facts_of(text) for text in items["text"]], [facts_of(text) for text in texts])
        cosines = stepped(embeddings.volumes[chosen], vectors)
        columns = _columns(overlap, cosines, texts, frequency, pool == "abnormal")
        found, frame = summarise_pool(pool, items, columns, options)
        metrics |= found
        frames.append(frame)
    unread = f"{len(embeddings.items) - len(rows)} volumes of texts that cannot be read are left out"
    return Score(metrics, pd.concat(frames, ignore_index=True), NOTES | {"candidates": f"{len(texts)} texts; {unread}"})


def is_read(text: str) -> bool:
    """True of a text that has facts, or is known to deny them."""
    return bool(facts_of(text)) or is_normal(text) or extract(text).normal


def overlaps(truth: Sequence[frozenset[SaidFact]], answers: Sequence[frozenset[SaidFact]]) -> dict[str, FloatArray]:
    """SCORES (n, m) of each answer for each truth."""
    place = {fact: number for number, fact in enumerate(sorted(set().union(*truth, *answers)))}
    a, b = (_members(sets, place) for sets in (truth, answers))
    shared, true, said = a @ b.T, a.sum(axis=1)[:, None], b.sum(axis=1)[None]
    none = ((true + said) == 0).astype(np.float64)
    sizes = {"f1": (true + said) / 2, "precision": said + 0 * true, "recall": true + 0 * said}
    return {name: np.divide(shared, size, out=none.copy(), where=size > 0) for name, size in sizes.items()}


def _members(sets: Sequence[frozenset[SaidFact]], place: dict[SaidFact, int]) -> FloatArray:
    table = np.zeros((len(sets), len(place)))
    for row, facts in enumerate(sets):
        table[row, [place[fact] for fact in facts]] = 1
    return table


def _columns(
    overlap: dict[str, FloatArray], cosines: FloatArray, texts: list[str], frequency: Counter[str], abnormal: bool
) -> dict[str, FloatArray]:
    """SCORES (n,) of the nearest texts, with their references."""
    everyone = np.arange(len(cosines))
    nearest = cosines == cosines.max(axis=1, keepdims=True)
    chosen = np.where(nearest, overlap["f1"], np.inf).argmin(axis=1)
    share = np.array([frequency[text] for text in texts], dtype=np.float64)
    eligible = share * [bool(facts_of(text)) or not abnormal for text in texts]
    columns: dict[str, FloatArray] = {}
    for name in SCORES:
        columns[name] = overlap[name][everyone, chosen]
        columns[f"{name}/chance"] = overlap[name] @ share / share.sum()
        columns[f"{name}/majority"] = overlap[name][:, eligible.argmax()]
        columns[f"{name}/ceiling"] = overlap[name].max(axis=1)
    return columns


BENCHMARK = Benchmark(
    name="report_retrieval_as_reporting",
    summary="the nearest training report as the draft of a volume: precision, recall and F1 of its findings",
    protocol_version="1",
    source="retrieval as reporting (CXR-RePaiR, Endo et al. 2021), scored like RadGraph F1 (arXiv:2106.14463)",
    score=score_subject,
    declared=Declared(
        family="reporting",
        label="retrieval as reporting",
        place=50,
        headline=("abnormal/f1",),
        headline_label="finding F1 of the nearest training report, abnormal volumes",
        pools=("abnormal",),
        floors={"chance": "chance", "majority": "majority report"},
        words={"f1": "finding F1", "ceiling": "best training report"},
    ),
)
