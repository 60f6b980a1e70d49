"""Retrieval of texts by volumes and of volumes by texts, as the evaluation protocol has it.

An item is one volume, in both directions: its text is the query of text_to_image, so identical texts ask the same
question once per volume, and every item belongs to one patient. Identical texts are ONE candidate of image_to_text, and
one query of text_to_image with many positives.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmarks.benchmark import Benchmark, Score, ScoreOptions
from benchmarks.metrics.retrieval_metrics import NDCG
from benchmarks.retrieval.declaration import DECLARED, IMAGE_TO_TEXT, TEXT_TO_IMAGE
from benchmarks.retrieval.gallery_ranking import METRICS, search
from benchmarks.retrieval.hard_negatives import EDITS, WINS, win_rates
from benchmarks.retrieval.relevance import relevance
from benchmarks.retrieval.text_bank import TextBank, check_embeddings, text_bank
from benchmarks.statistics.metric_summary import summarise
from selip.data.cohort import COMBINATION
from selip.data.findings import CONTRASTS, is_normal
from selip.data.states import ABNORMAL, UNKNOWN, states_of
from selip.models.embeddings import Embeddings
from selip.models.scored_model import Subject
from selip.records.metric_key import own_columns
from selip.records.record import Metric
from selip.system.arrays import FloatArray, IntArray
from selip.system.errors import UnavailableError

MEDIANS = (f"{IMAGE_TO_TEXT}_median_rank", f"{TEXT_TO_IMAGE}_median_rank")
POLICIES = {
    "items": "one item per volume in both directions; the text of a volume is its text_to_image query",
    "duplicates": "identical texts are one candidate of image_to_text, and one text_to_image query with many positives",
    "ties": "count against us: at the same cosine (to 1e-7) a non-positive ranks ahead, and an edited text beats the "
    "true one",
    "pools": "all; abnormal: without volumes that are normal or of unknown state; macro: all, each distinct text with "
    "the same weight; contrast_X: abnormal volumes of contrast X; seen, unseen: abnormal volumes by whether train has "
    "their combinations of lesion type and place, where the cohort tells; each pool is its own gallery",
    "chance": "exact expectation under a random ranking of the same gallery; median_rank: median of the mixture over "
    "items; hard negatives: 0.5",
    "majority": "texts in order of their frequency in train, the same for every volume; none for text_to_image, where "
    "all volumes would tie; hard negatives: the text that is commoner in train wins, and a tie is half a win",
    NDCG: "relevance from the true findings that the contrast shows: a third each for region, side of that region and "
    "lesion type; symmetric best match of the two sets; a text has the mean over its volumes; gain = relevance; "
    "volumes of unknown truth are left out of it",
    "hard_negatives": "abnormal volumes whose text an edit can change; share of edits with a lower cosine than the "
    "true text: side_swapped (left and right), signal_swapped (polarity), finding_removed (one, each in turn); pairs "
    "whose true text is the commoner in train weigh as much as those whose edited text is, so that the majority answer "
    "scores 0.5; where all pairs are of one kind what it scores is the floor",
    "interval": "percentile bootstrap over patients with all their volumes; none for fewer than two patients; the "
    "volumes of a text share its text_to_image outcome, so where one text prevails (normal, in pool all) read macro",
}


@dataclass(frozen=True)
class Pool:
    """Volumes that are ranked against each other's texts.

    Attributes:
        name: Its part of the metric keys.
        rows: (n,) rows of the embeddings' items.
        is_macro: Whether each distinct text has the same weight, instead of each volume.
    """

    name: str
    rows: IntArray
    is_macro: bool = False


def score_subject(subject: Subject, options: ScoreOptions) -> Score:
    """Scores the embeddings of the scored part.

    Raises:
        UnavailableError: When the texts of the cohort were measured: that is attribute retrieval.
    """
    if subject.cohort.info.is_measured:
        raise UnavailableError("got a cohort whose texts were measured on masks, no reports; take attribute_retrieval")
    return score(subject.embeddings(), options)


def score(embeddings: Embeddings, options: ScoreOptions) -> Score:
    """Scores both directions in every pool.

    Raises:
        InputError: When the embeddings cannot be scored; see `benchmarks.retrieval.text_bank.check_embeddings`.
    """
    check_embeddings(embeddings)
    bank = text_bank(embeddings, _texts_and_edits(embeddings.items["text"]))
    metrics: dict[str, Metric] = {}
    notes = dict(POLICIES)
    frames = []
    for pool in pools(embeddings.items):
        if not len(pool.rows):
            notes[f"pool {pool.name}"] = "left out: the scored split has no volume for it"
            continue
        items, columns = score_pool(embeddings, bank, pool)
        found = summarise(items, columns, options, MEDIANS)
        metrics |= {f"{pool.name}/{name}": metric for name, metric in found.items()}
        facts = _facts(items, columns, set(embeddings.train_texts))
        notes[f"pool {pool.name}"] = facts + unknown_note(states_of(embeddings.items.iloc[pool.rows]))
        frames.append(_table(items, columns, options.keep_references))
        if pool.name == ABNORMAL:
            for items, columns in hard_negatives(embeddings, bank, pool):
                found = summarise(items, columns, options)
                metrics |= {f"{items['pool'].iloc[0]}/{name}": metric for name, metric in found.items()}
                frames.append(_table(items, columns, options.keep_references))
    return Score(metrics, pd.concat(frames, ignore_index=True), notes)


def pools(items: pd.DataFrame) -> Iterator[Pool]:
    """The pools of the protocol, empty ones too; contrasts in the order of CONTRASTS, others behind them.

    Args:
        items: Columns text and contrast, and state and combination where they are known.
    """
    everything = np.arange(len(items))
    abnormal = states_of(items) == ABNORMAL
    yield Pool("all", everything)
    yield Pool("abnormal", everything[abnormal])
    yield Pool("macro", everything, is_macro=True)
    for part in ("seen", "unseen") if COMBINATION in items else ():
        yield Pool(part, everything[abnormal & (items[COMBINATION] == part).to_numpy(bool)])
    present = set(items["contrast"])
    for contrast in [*(known for known in CONTRASTS if known in present), *sorted(present - set(CONTRASTS))]:
        yield Pool(f"contrast_{contrast}", everything[abnormal & (items["contrast"] == contrast).to_numpy(bool)])


def score_pool(embeddings: Embeddings, bank: TextBank, pool: Pool) -> tuple[pd.DataFrame, dict[str, FloatArray]]:
    """Per-item scores of one pool.

    Args:
        embeddings: What is scored.
        bank: Embeddings of all texts and their edits.
        pool: Not empty.

    Returns:
        The items (pool, item_id, patient_id, contrast, site, text, weight), and the columns (n,): METRICS in both
        directions with their "/chance" and "/majority", and "/candidates" of each direction.
    """
    source = embeddings.items.iloc[pool.rows].reset_index(drop=True)
    volumes = embeddings.volumes[pool.rows]
    texts, label = np.unique(source["text"].to_numpy(object), return_inverse=True)
    items = _items(source, pool, label)
    weight, vectors = items["weight"].to_numpy(), bank.of(texts)
    truth = relevance(source, label, embeddings.findings)
    frequency = Counter(embeddings.train_texts)

    forth, back = search(volumes, vectors, label, truth, weight)
    columns = {f"{IMAGE_TO_TEXT}_{name}": values for name, values in forth.items()}
    columns |= {f"{TEXT_TO_IMAGE}_{name}": values[label] for name, values in back.items()}
    if frequency:
        answer, _ = search(*_majority(texts, frequency, len(source)), label, truth, weight)
        columns |= {f"{IMAGE_TO_TEXT}_{name}/majority": answer[name] for name in METRICS}
    for direction, gallery in ((IMAGE_TO_TEXT, texts), (TEXT_TO_IMAGE, source)):
        columns[f"{direction}/candidates"] = np.full(len(source), float(len(gallery)))
    return items, columns


def hard_negatives(
    embeddings: Embeddings, bank: TextBank, pool: Pool
) -> Iterator[tuple[pd.DataFrame, dict[str, FloatArray]]]:
    """Items and columns as of `score_pool`, a pool for each of EDITS that can change a text."""
    source = embeddings.items.iloc[pool.rows].reset_index(drop=True)
    texts, volumes, frequency = list(source["text"]), embeddings.volumes[pool.rows], Counter(embeddings.train_texts)
    for name, edit in EDITS.items():
        found = win_rates(edit, texts, volumes, bank, frequency)
        if len(found.rows):
            items = _items(source.iloc[found.rows].reset_index(drop=True), Pool(name, found.rows), found.rows)
            columns = {WINS: found.won, f"{WINS}/chance": np.full(len(items), 0.5)}
            yield items.assign(weight=found.weight), columns | ({f"{WINS}/majority": found.prior} if frequency else {})


def _table(items: pd.DataFrame, columns: Mapping[str, FloatArray], keep_references: bool) -> pd.DataFrame:
    """Per-item scores of a pool, and those of references where they are to be kept."""
    kept = columns if keep_references else own_columns(columns)
    return pd.concat([items, pd.DataFrame(kept)], axis=1)


def _items(source: pd.DataFrame, pool: Pool, label: IntArray) -> pd.DataFrame:
    items = source.rename(columns={"volume_id": "item_id"})[["item_id", "patient_id", "contrast", "site", "text"]]
    items.insert(0, "pool", pool.name)
    items["weight"] = 1 / np.bincount(label)[label] if pool.is_macro else 1.0
    return items


def _majority(texts: Iterable[str], frequency: Counter[str], n_volumes: int) -> tuple[npt.NDArray, npt.NDArray]:
    """One-dimensional "embeddings" whose product is the frequency of a text, whatever the volume."""
    counts = np.array([[frequency[text]] for text in texts], dtype=np.float64)
    return np.ones((n_volumes, 1)), counts / max(1.0, counts.max())


def _texts_and_edits(texts: Iterable[str]) -> set[str]:
    distinct = set(texts)
    edits = (edit(text) for text in distinct if not is_normal(text) for edit in EDITS.values())
    return distinct.union(*edits)


def unknown_note(states: npt.NDArray[np.object_]) -> str:
    """Counts the volumes of a pool that are neither known to be normal nor abnormal; "" where there is none."""
    unknown = np.count_nonzero(states == UNKNOWN)
    return f"; {unknown} volumes of unknown state, in no other pool than all and macro" if unknown else ""


def _facts(items: pd.DataFrame, columns: Mapping[str, FloatArray], train_texts: Set[str]) -> str:
    """Sizes of a pool, and what could not be scored in it; the same for every method."""
    n_items = len(items)
    facts = f"{n_items} volumes of {items['patient_id'].nunique()} patients, {items['text'].nunique()} distinct texts"
    if train_texts:
        facts += f", {items['text'].isin(train_texts).mean():.1%} of the volumes have a text that train has too"
    unknown = np.isnan(columns[f"{IMAGE_TO_TEXT}_{NDCG}"]).sum()
    if unknown:
        facts += f"; {unknown} volumes of unknown truth have no {NDCG}"
    return facts


BENCHMARK = Benchmark(
    name="retrieval",
    summary="find the text of a volume and the volumes of a text; graded relevance; hard negatives",
    protocol_version="2",
    source="recall as in CLIP (arXiv:2103.00020) and SeLIP (arXiv:2503.19801); policies in the benchmark's notes",
    score=score_subject,
    declared=DECLARED,
)
