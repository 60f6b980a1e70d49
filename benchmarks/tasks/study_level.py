"""Whole examinations: a study is all its volumes, its report all that they show, and a class is told of all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmarks.benchmark import Benchmark, Score, ScoreOptions
from benchmarks.classification.class_tasks import TASKS, own_tasks
from benchmarks.classification.labels import TaskData, load_tasks
from benchmarks.classification.predictions import PARTS, POLICIES, Answers, majority, score_answers
from benchmarks.classification.probes import fit_linear, fitted, metadata_vectors
from benchmarks.classification.study_tasks import named_studies, of_studies
from benchmarks.metrics.retrieval_metrics import ranked_rows
from benchmarks.retrieval.declaration import IMAGE_TO_TEXT, TEXT_TO_IMAGE
from benchmarks.retrieval.gallery_ranking import stepped
from benchmarks.retrieval.text_bank import check_embeddings, text_bank
from benchmarks.statistics.metric_summary import summarise_pool
from benchmarks.tasks.zero_shot import class_cosines, class_probabilities, prompts_of, training_clauses
from selip.data.findings import findings_text, parse_findings_text
from selip.data.states import ABNORMAL, states_of
from selip.models.embeddings import Embeddings
from selip.models.scored_model import Subject
from selip.records.declaration import Declared
from selip.records.record import Metric
from selip.system.arrays import FloatArray, IntArray
from selip.system.errors import UnavailableError

WEIGHTS = (0.0, 0.5, 1.0, 2.0)
NOTES = {name: POLICIES[name] for name in ("majority", "fit")} | {
    "items": "studies with an abnormal volume and two volumes at least; a study's text is the distinct clauses of its "
    "volumes in sorted order, of plain reports its distinct reports in a row",
    "mean": "a study is the mean of its volumes' embeddings, at unit length",
    "best": "a study has the highest cosine among its volumes",
    "learned": f"mean with a weight a contrast out of {WEIGHTS}, each in turn by MRR on val, 1 of equals; "
    "where val has too few studies it is the mean",
    "without_X": "mean less contrast X, of the studies that have X and another; same_studies is the full mean of those "
    "alone, so that what X is worth is the difference; the gallery is theirs",
    "duplicates": "identical texts are one candidate, and one query with many positives",
    "ties": "count against us, at the same cosine to 1e-7",
    "classes": "of studies with two volumes at least, by all that any of their volumes shows, abnormal where any is; "
    "read out of the mean of their volumes, features_linear as in linear_probe with all labels and zero_shot as in "
    "zero_shot; beside them metadata, which hold the contrasts that a study has, and the shares of classes in train",
    "chance": "exact expectation under a random ranking of the same gallery; of classes a uniform draw",
    "interval": "percentile bootstrap over patients with all their studies",
}


class Studies(NamedTuple):
    """Studies of a part: their rows (n,), and of every volume (N,) its study, embedding and contrast."""

    items: pd.DataFrame
    of_volume: IntArray
    volumes: npt.NDArray
    contrasts: npt.NDArray


def score_subject(subject: Subject, options: ScoreOptions) -> Score:
    """Scores the scored part; val chooses the weights of contrasts, and probes are fitted on train.

    Raises:
        UnavailableError: When there are fewer than two abnormal studies of two volumes.
    """
    can_choose = subject.split == "test" and len(subject.cohort.rows("val")) > 0
    found = score(subject.embeddings(), subject.embeddings("val") if can_choose else None, options)
    if not can_choose or not len(subject.cohort.rows("train")):
        return replace(found, notes={**found.notes, "classes": "left out: they take train, val and test"})
    try:
        tasks, told = load_tasks(
            subject, PARTS, [*(one for one in TASKS if not one.is_transfer), *own_tasks(subject.cohort)], named_studies
        )
    except UnavailableError as error:
        return replace(found, notes={**found.notes, "classes": f"left out: {error}"})
    metrics, frames = dict(found.metrics), [found.per_item]
    for data in tasks:
        frame, scored = score_answers(data, "test", [_answers(subject, data)], options)
        metrics |= scored
        frames.append(frame)
    told = {name: note.replace("volumes of patients", "studies of patients") for name, note in told.items()}
    return replace(found, metrics=metrics, per_item=pd.concat(frames, ignore_index=True), notes={**found.notes, **told})


def _answers(subject: Subject, data: TaskData) -> Answers:
    """Probabilities by probe and by prompts, where every class has some, and from metadata and shares of classes."""
    embedded = {part: subject.embeddings(part) for part in PARTS}
    features = {part: of_studies(one.features, one, data.parts[part]) for part, one in embedded.items()}
    models = {"features_linear": fitted(data, features, fit_linear).predict(features["test"])}
    if prompts := prompts_of(data, training_clauses(subject)):
        test = embedded["test"]
        vectors = of_studies(test.volumes, test, data.parts["test"])
        unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        bank = text_bank(test, (one for classes in prompts for some in classes for one in some))
        models["zero_shot"] = class_probabilities(subject, class_cosines(unit, bank, prompts).mean(axis=0))
    known = metadata_vectors(data)
    beside = {"metadata": fitted(data, known, fit_linear).predict(known["test"]), "majority": majority(data, "test")}
    return Answers(models, beside)


def score(embeddings: Embeddings, val: Embeddings | None, options: ScoreOptions) -> Score:
    """Scores every pooling, and the mean without each contrast; see `score_subject`."""
    check_embeddings(embeddings)
    studies = studies_of(embeddings)
    if len(studies.items) < 2:
        raise UnavailableError("got fewer than two abnormal studies of two volumes; take retrieval for single volumes")
    weights = learned_weights(val) if val else {}
    metrics: dict[str, Metric] = {}
    frames = []

    def add(pool: str, some: Studies, scores: FloatArray) -> None:
        found, frame = summarise_pool(pool, some.items, ranked(some, scores), options)
        metrics.update(found)
        frames.append(frame)

    add("mean", studies, mean_scores(embeddings, studies, {}))
    add("best", studies, best_scores(embeddings, studies))
    add("learned", studies, mean_scores(embeddings, studies, weights))
    for contrast in sorted(set(studies.contrasts)):
        having = having_contrast(studies, contrast)
        if len(having.items) > 1:
            add(f"without_{contrast}", having, mean_scores(embeddings, having, {contrast: 0.0}))
            add(f"same_studies_{contrast}", having, mean_scores(embeddings, having, {}))
    chosen = ", ".join(f"{name} {weight:g}" for name, weight in weights.items()) or "all 1"
    size = f"{len(studies.items)} studies of {studies.items['patient_id'].nunique()} patients"
    return Score(metrics, pd.concat(frames, ignore_index=True), NOTES | {"chosen": chosen, "sizes": size})


def studies_of(embeddings: Embeddings) -> Studies:
    """The abnormal studies with two volumes at least."""
    items = embeddings.items.assign(is_abnormal=states_of(embeddings.items) == ABNORMAL)
    grouped = items.groupby("study_id")["is_abnormal"].agg(["any", "size"])
    kept = grouped.index[grouped["any"] & (grouped["size"] > 1)]
    volumes = items[items["study_id"].isin(kept)]
    names, of_volume = np.unique(volumes["study_id"].to_numpy(object), return_inverse=True)
    rows = volumes.groupby("study_id").agg({"patient_id": "first", "site": "first", "text": list}).loc[names]
    rows = rows.assign(text=[study_text(texts) for texts in rows["text"]], contrast="study", volume_id=names)
    contrasts = volumes["contrast"].to_numpy(object)
    return Studies(rows.reset_index(drop=True), of_volume, embeddings.volumes[volumes.index], contrasts)


def study_text(texts: Sequence[str]) -> str:
    """The text of a study from those of its volumes."""
    clauses = [clause for text in texts for clause in parse_findings_text(text)]
    if clauses and all(clause.location for clause in clauses):
        return findings_text(clauses)
    return " ".join(dict.fromkeys(texts))


def having_contrast(studies: Studies, contrast: str) -> Studies:
    """The studies that have a contrast and another one."""
    both = [set(studies.of_volume[m]) for m in (studies.contrasts == contrast, studies.contrasts != contrast)]
    kept = np.array(sorted(both[0] & both[1]), dtype=np.intp)
    of_kept = np.isin(studies.of_volume, kept)
    numbers = np.searchsorted(kept, studies.of_volume[of_kept])
    items = studies.items.iloc[kept].reset_index(drop=True)
    return Studies(items, numbers, studies.volumes[of_kept], studies.contrasts[of_kept])


def mean_scores(embeddings: Embeddings, studies: Studies, weights: dict[str, float]) -> FloatArray:
    """(n, T) cosines of the weighted means with the distinct texts; a contrast without a weight has 1."""
    weight = np.array([weights.get(contrast, 1.0) for contrast in studies.contrasts])
    known = np.bincount(studies.of_volume, weight) > 0
    weight = np.where(known[studies.of_volume], weight, 1.0)
    pooled = np.zeros((len(studies.items), studies.volumes.shape[1]))
    np.add.at(pooled, studies.of_volume, studies.volumes.astype(np.float64) * weight[:, None])
    length = np.linalg.norm(pooled, axis=1, keepdims=True)
    return stepped(pooled / np.maximum(length, 1e-12), _texts(embeddings, studies))


def best_scores(embeddings: Embeddings, studies: Studies) -> FloatArray:
    """(n, T) highest cosines among the volumes of each study."""
    cosines = stepped(studies.volumes, _texts(embeddings, studies))
    best = np.full((len(studies.items), cosines.shape[1]), -np.inf)
    np.maximum.at(best, studies.of_volume, cosines)
    return best


def learned_weights(val: Embeddings) -> dict[str, float]:
    """A weight a contrast, each in turn that with the highest MRR on val."""
    studies = studies_of(val)
    weights: dict[str, float] = {}
    for contrast in sorted(set(studies.contrasts)) if len(studies.items) > 1 else ():
        tried = {one: _mrr(val, studies, weights | {contrast: one}) for one in WEIGHTS}
        weights[contrast] = max(tried, key=lambda one: (tried[one], one == 1.0))
    return weights


def _mrr(embeddings: Embeddings, studies: Studies, weights: dict[str, float]) -> float:
    return float(ranked(studies, mean_scores(embeddings, studies, weights))[f"{IMAGE_TO_TEXT}_MRR"].mean())


def _texts(embeddings: Embeddings, studies: Studies) -> npt.NDArray:
    texts = sorted(set(studies.items["text"]))
    return text_bank(embeddings, texts).of(texts)


def ranked(studies: Studies, scores: FloatArray) -> dict[str, FloatArray]:
    """R@10 and MRR (n,) in both directions, with chance."""
    texts, label = np.unique(studies.items["text"].to_numpy(object), return_inverse=True)
    forth = ranked_rows(scores, label[:, None] == np.arange(len(texts)))
    back = ranked_rows(scores.T[label], label[:, None] == label)
    ways = {IMAGE_TO_TEXT: forth, TEXT_TO_IMAGE: back}
    return {f"{way}_{name}": values for way, found in ways.items() for name, values in found.items()}


BENCHMARK = Benchmark(
    name="study_level",
    summary="a whole examination: its report, its classes by probe and prompt; what a missing contrast costs",
    protocol_version="2",
    source="retrieval as in CLIP (arXiv:2103.00020), late fusion of contrasts; policies in the benchmark's notes",
    score=score_subject,
    declared=Declared(
        family="studies",
        label="study retrieval",
        place=52,
        headline=(f"mean/{IMAGE_TO_TEXT}_MRR",),
        headline_label="study → report MRR, mean of contrasts",
        also=(f"mean/{TEXT_TO_IMAGE}_MRR",),
        pools=("mean",),
        words={
            f"{IMAGE_TO_TEXT}_MRR": "study → report MRR",
            f"{TEXT_TO_IMAGE}_MRR": "report → study MRR",
            "features_linear_macro_auroc": "macro AUROC (linear probe)",
            "zero_shot_macro_auroc": "macro AUROC (zero-shot)",
        },
    ),
)
