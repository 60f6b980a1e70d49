"""Unseen combinations, wordings and anatomies: what train never had, beside what it did, in one gallery."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from benchmarks.benchmark import Benchmark, Score, ScoreOptions
from benchmarks.metrics.retrieval_metrics import ranked_rows
from benchmarks.retrieval.declaration import IMAGE_TO_TEXT, TEXT_TO_IMAGE
from benchmarks.retrieval.gallery_ranking import stepped
from benchmarks.retrieval.text_bank import check_embeddings, text_bank
from benchmarks.statistics.metric_summary import summarise_pool
from selip.data.cohort import ANATOMY, USUAL
from selip.data.findings import Finding
from selip.data.states import ABNORMAL, states_of
from selip.models.embeddings import Embeddings
from selip.models.scored_model import Subject
from selip.records.declaration import Declared
from selip.records.record import Metric
from selip.system.arrays import BoolArray, FloatArray
from selip.system.errors import UnavailableError

NOTES = {
    "gallery": "all abnormal volumes and their distinct texts, the same for seen and unseen: unlike the pools of "
    "retrieval they differ in nothing but what train has",
    "new_text": "volumes whose exact text train lacks; known_text: the others",
    "new_place_type": "volumes that show a lesion type at a region and side that train never has together, though "
    "it has each alone; known_place_type: all their findings are in train; volumes of unknown findings are in neither",
    "new_anatomy": "volumes of heads that the cohort says train has none like, as wide ventricles without wide sulci; "
    "known_anatomy: usual ones; heads of atrophy, which are never odd, are in neither; of a model that was trained on "
    "another cohort nobody knows",
    "gap": "known less new, of patients who need not be the same; read their intervals",
    "edges": "a pool without a volume is left out, and said so",
    "ties": "count against us, at the same cosine to 1e-7",
    "chance": "exact expectation under a random ranking of the same gallery",
    "interval": "percentile bootstrap over patients with all their volumes",
}


def score_subject(subject: Subject, options: ScoreOptions) -> Score:
    """Scores the scored part against what train has.

    Raises:
        UnavailableError: When no abnormal volume is new in any way.
    """
    own = subject.trained_on or subject.cohort
    studies = own.studies["study_id"][own.studies["split"] == "train"]
    embeddings = subject.embeddings()
    if subject.trained_on is not None:
        embeddings = replace(embeddings, items=embeddings.items.drop(columns=ANATOMY, errors="ignore"))
    return score(embeddings, list(own.known_findings(studies).values()), options)


def score(embeddings: Embeddings, train_findings: Sequence[Sequence[Finding]], options: ScoreOptions) -> Score:
    """Scores every pool; `train_findings` are those of the training studies. See `score_subject`."""
    check_embeddings(embeddings)
    rows = np.flatnonzero(states_of(embeddings.items) == ABNORMAL)
    items = embeddings.items.iloc[rows].reset_index(drop=True)
    masks = dict(pools(items, embeddings, train_findings))
    if not any(masks[name].any() for name in masks if name.startswith("new_")):
        raise UnavailableError("got no abnormal volume whose text, combination or head train lacks; take retrieval")
    columns = _ranked(embeddings, items, rows)
    metrics: dict[str, Metric] = {}
    frames, notes = [], dict(NOTES)
    for name, mask in masks.items():
        notes[f"pool {name}"] = f"{mask.sum()} volumes" if mask.any() else "left out: no volume"
        if mask.any():
            chosen = {key: values[mask] for key, values in columns.items()}
            found, frame = summarise_pool(name, items[mask], chosen, options)
            metrics |= found
            frames.append(frame)
    return Score(metrics, pd.concat(frames, ignore_index=True), notes)


def pools(
    items: pd.DataFrame, embeddings: Embeddings, train_findings: Sequence[Sequence[Finding]]
) -> Iterator[tuple[str, BoolArray]]:
    """Name of a pool to its mask (n,) of the items, unseen ones first."""
    known = items["text"].isin(set(embeddings.train_texts)).to_numpy(bool)
    yield from (("new_text", ~known), ("known_text", known))
    every = [finding for findings in train_findings for finding in findings]
    pairs = {(one.location, one.lesion_type) for one in every}
    places, types = {place for place, _ in pairs}, {kind for _, kind in pairs}
    shown = [
        [(one.location, one.lesion_type) for one in embeddings.findings.get(study, ()) if one.clause(contrast)]
        for study, contrast in zip(items["study_id"], items["contrast"], strict=True)
    ]
    new = [any(p not in pairs and p[0] in places and p[1] in types for p in some) for some in shown]
    yield "new_place_type", np.array(new, dtype=bool)
    yield "known_place_type", np.array([bool(some) and set(some) <= pairs for some in shown], dtype=bool)
    if ANATOMY in items:
        usual, atrophic = ((items[ANATOMY] == name).to_numpy(bool) for name in (USUAL, ""))
        yield from (("new_anatomy", ~usual & ~atrophic), ("known_anatomy", usual))


def _ranked(embeddings: Embeddings, items: pd.DataFrame, rows: np.ndarray) -> dict[str, FloatArray]:
    texts, label = np.unique(items["text"].to_numpy(object), return_inverse=True)
    scores = stepped(embeddings.volumes[rows], text_bank(embeddings, texts).of(texts))
    forth = ranked_rows(scores, label[:, None] == np.arange(len(texts)))
    back = ranked_rows(scores.T[label], label[:, None] == label)
    ways = {IMAGE_TO_TEXT: forth, TEXT_TO_IMAGE: back}
    return {f"{way}_{name}": values for way, found in ways.items() for name, values in found.items()}


BENCHMARK = Benchmark(
    name="unseen",
    summary="retrieval of texts, of places with lesion types and of heads that train lacks, beside those that it has",
    protocol_version="1",
    source="compositional generalisation (Lake and Baroni 2018, arXiv:1711.00350), by retrieval",
    score=score_subject,
    declared=Declared(
        family="unseen",
        label="unseen",
        place=54,
        headline=(f"new_text/{IMAGE_TO_TEXT}_MRR", f"new_place_type/{IMAGE_TO_TEXT}_MRR"),
        headline_label="image → text MRR of texts that train lacks",
        pools=("new_text", "new_place_type"),
        words={f"{IMAGE_TO_TEXT}_MRR": "image → text MRR", f"{TEXT_TO_IMAGE}_MRR": "text → image MRR"},
    ),
)
