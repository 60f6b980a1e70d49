"""Sensitivity to wording: the same finding said otherwise must find the same, another finding must not win."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial

import numpy as np
import pandas as pd

from benchmarks.benchmark import Benchmark, Score, ScoreOptions
from benchmarks.metrics.retrieval_metrics import ranked_rows
from benchmarks.retrieval.declaration import TEXT_TO_IMAGE
from benchmarks.retrieval.gallery_ranking import stepped
from benchmarks.retrieval.hard_negatives import Wins, swap_polarity, swap_side, win_rates
from benchmarks.retrieval.text_bank import TextBank, check_embeddings, text_bank
from benchmarks.retrieval.text_parts import affirmed, clauses_of_text, denied, left_out
from benchmarks.statistics.metric_summary import summarise, summarise_pool
from selip.data.states import ABNORMAL, states_of
from selip.models.embeddings import Embeddings
from selip.models.scored_model import Subject
from selip.records.declaration import Declared
from selip.records.record import Metric
from selip.system.arrays import FloatArray
from selip.system.errors import UnavailableError

Rewriting = Callable[[str], str]
SYNONYMS = {"high signal": "hyperintensity", "low signal": "hypointensity", "shows": "demonstrates"}
SHORT = {"left": "lt", "right": "rt", "bilateral": "bilat", "high": "hi", "signal": "SI"}


def synonyms(text: str) -> str:
    """SYNONYMS in place of their words."""
    return _replaced(text, SYNONYMS)


def abbreviations(text: str) -> str:
    """SHORT in place of the words."""
    return _replaced(text, SHORT)


def prefix(text: str) -> str:
    """A sentence in front that says nothing of the volume."""
    return f"Clinical details: headache, follow-up. {text}"


def other_style(text: str) -> str:
    """Sentences in place of clauses: "there is high signal in the left thalamus"."""
    return re.sub(r"\bat (.+?) shows (.+?)(?=;|$)", r"there is \2 in the \1", text).replace(";", ".")


def other_order(text: str) -> str:
    """Clauses, or sentences of a plain report, in reverse order."""
    between = "; " if clauses_of_text(text) else ". "
    parts = text.removesuffix(".").split(between)
    return between.join(reversed(parts)) + "." * text.endswith(".")


def _replaced(text: str, words: Mapping[str, str]) -> str:
    return re.sub(rf"\b({'|'.join(words)})\b", lambda match: words[match[0]], text)


REWRITINGS: Mapping[str, Rewriting] = {
    one.__name__: one for one in (synonyms, abbreviations, prefix, other_style, other_order)
}
SWAPS = {"side_swapped": swap_side, "signal_swapped": swap_polarity}
LEFT_OUT = {"finding_left_out": True, "filler_left_out": False}
NOTES = {
    "rewritings": "; ".join(f"{name}: {(one.__doc__ or '').rstrip('.')}" for name, one in REWRITINGS.items()),
    "items": "abnormal volumes; a rewriting that does not change a text leaves it out of its pool",
    "MRR": "of the rewritten text of a volume among the other distinct texts as they are, its own original taken out; "
    "original: the same of the text itself; ties count against us",
    "rewritten": "each volume's mean over the rewritings that change its text",
    "cosine": "of a text with its rewriting",
    "wins": "pools REWRITING_side_swapped and REWRITING_signal_swapped: share of volumes for which the rewritten text "
    "has a higher cosine than the same with side or polarity swapped; balanced against the text prior as the hard "
    "negatives of retrieval are, so that the commoner one scores 0.5, or what majority says where train has one alone",
    "negated": "wins of the findings that are read of a text, each as 'left thalamus: high signal' (clauses as they "
    "are), against the same with 'no' before what is seen; a text of which nothing is read is left out",
    "left out": "finding_left_out: the text without one sentence, or part of one up to a semicolon, so that a place is "
    "said no more, each in turn, mean; filler_left_out: without one that says no finding. text_to_image_MRR: its "
    "volumes among all, beside that of the text as it is; a finding is longer than a filler: its loss is of both",
    "chance": "exact expectation under a random ranking; wins: 0.5",
    "interval": "percentile bootstrap over patients with all their volumes",
}


def score_subject(subject: Subject, options: ScoreOptions) -> Score:
    """Scores the scored part.

    Raises:
        UnavailableError: When no rewriting changes the text of an abnormal volume.
    """
    return score(subject.embeddings(), options)


def score(embeddings: Embeddings, options: ScoreOptions) -> Score:
    """Scores every rewriting; see `score_subject`."""
    check_embeddings(embeddings)
    rows = np.flatnonzero(states_of(embeddings.items) == ABNORMAL)
    items = embeddings.items.iloc[rows].reset_index(drop=True)
    if not any(rewrite(text) != text for text in items["text"] for rewrite in REWRITINGS.values()):
        raise UnavailableError("got no abnormal text that a rewriting changes; use a cohort of clauses or reports")
    volumes, bank = embeddings.volumes[rows], text_bank(embeddings, _every(set(items["text"])))
    metrics: dict[str, Metric] = {}
    frames, notes = [], dict(NOTES)
    per = {name: rewritten_columns(items, volumes, bank, rewrite) for name, rewrite in REWRITINGS.items()}
    groups = {"rewritten": list(per.values()), **{name: [columns] for name, columns in per.items()}}
    for name, says_finding in LEFT_OUT.items():
        places = range(max(len(left_out(text, says_finding)) for text in items["text"]))
        ones = [partial(_without_one, says_finding, place) for place in places]
        groups[name] = [shortened_columns(items, volumes, bank, one) for one in ones]
    for name, some in groups.items():
        columns = {key: _mean([one[key] for one in some]) for key in (some[0] if some else ())}
        changed = np.isfinite(columns.get("cosine", np.empty(0)))
        notes[f"pool {name}"] = f"{changed.sum()} volumes" if changed.any() else "left out: no volume"
        if changed.any():
            kept = {key: values[changed] for key, values in columns.items()}
            found, frame = summarise_pool(name, items[changed], kept, options)
            metrics |= found
            frames.append(frame)
    frequency = Counter(embeddings.train_texts)
    for table, columns in (*swapped(items, volumes, bank, frequency), *negated(items, volumes, bank, frequency)):
        found = summarise(table, columns, options)
        metrics |= {f"{table['pool'].iloc[0]}/{key}": metric for key, metric in found.items()}
        frames.append(table.assign(wins=columns["wins"]))
    return Score(metrics, pd.concat(frames, ignore_index=True), notes)


def _every(texts: set[str]) -> set[str]:
    swaps = {other for text in texts for swap in SWAPS.values() for other in swap(text)}
    shorter = {other for text in texts for says_finding in LEFT_OUT.values() for other in left_out(text, says_finding)}
    shorter |= {other for text in texts for other in (affirmed(text), denied(text)) if other}
    return {rewrite(text) for text in texts | swaps for rewrite in REWRITINGS.values()} | texts | swaps | shorter


def _without_one(says_finding: bool, place: int, text: str) -> str:
    """The text without its part at a place among those that say a finding, or that say none; as it is without one."""
    shorter = left_out(text, says_finding)
    return shorter[place] if place < len(shorter) else text


def _mean(columns: list[FloatArray]) -> FloatArray:
    table = np.array(columns)
    count = np.isfinite(table).sum(axis=0)
    return np.divide(np.nansum(table, axis=0), count, out=np.full(table.shape[1], np.nan), where=count > 0)


def rewritten_columns(
    items: pd.DataFrame, volumes: np.ndarray, bank: TextBank, rewrite: Rewriting
) -> dict[str, FloatArray]:
    """MRR (n,) of the rewritten texts with its chance, that of the original, and the cosine; NaN where unchanged."""
    texts, label = np.unique(items["text"].to_numpy(object), return_inverse=True)
    scores, own = stepped(volumes, bank.of(texts)), label[:, None] == np.arange(len(texts))
    others = [rewrite(text) for text in texts]
    found, cosine = ranked_rows(scores, own), np.vecdot(bank.of(texts), bank.of(others))
    replaced = np.where(own, stepped(volumes, bank.of(others)), scores)
    after = ranked_rows(replaced, own)
    columns = {"MRR": after["MRR"], "MRR/chance": after["MRR/chance"], "original": found["MRR"],
               "cosine": cosine[label].astype(np.float64)}  # fmt: skip
    return _where_changed(columns, texts, others, label)


def shortened_columns(
    items: pd.DataFrame, volumes: np.ndarray, bank: TextBank, shorten: Rewriting
) -> dict[str, FloatArray]:
    """Text to image MRR (n,) of shorter texts with chance, that of the original, the cosine; NaN where unchanged."""
    texts, label = np.unique(items["text"].to_numpy(object), return_inverse=True)
    own, others = np.arange(len(texts))[:, None] == label, [shorten(text) for text in texts]
    found, after = (ranked_rows(stepped(bank.of(some), volumes), own) for some in (texts, others))
    columns = {f"{TEXT_TO_IMAGE}_MRR": after["MRR"][label], f"{TEXT_TO_IMAGE}_MRR/chance": after["MRR/chance"][label],
               "original": found["MRR"][label],
               "cosine": np.vecdot(bank.of(texts), bank.of(others))[label].astype(np.float64)}  # fmt: skip
    return _where_changed(columns, texts, others, label)


def _where_changed(
    columns: Mapping[str, FloatArray], texts: Iterable[str], others: Iterable[str], label: np.ndarray
) -> dict[str, FloatArray]:
    changed = np.array([other != text for other, text in zip(others, texts, strict=True)])[label]
    return {name: np.where(changed, values, np.nan) for name, values in columns.items()}


def swapped(
    items: pd.DataFrame, volumes: np.ndarray, bank: TextBank, frequency: Counter[str]
) -> Iterator[tuple[pd.DataFrame, dict[str, FloatArray]]]:
    """Per-item table and columns of every rewriting with every swap that changes a text."""
    for name, rewrite in REWRITINGS.items():
        for swap_name, swap in SWAPS.items():
            original = {rewrite(text): text for text in items["text"]}
            said = {rewrite(text): count for text, count in frequency.items()}
            edit = partial(_both, original, rewrite, swap)
            texts = [rewrite(text) for text in items["text"]]
            yield from _won(f"{name}_{swap_name}", items, win_rates(edit, texts, volumes, bank, Counter(said)))


def negated(
    items: pd.DataFrame, volumes: np.ndarray, bank: TextBank, frequency: Counter[str]
) -> Iterator[tuple[pd.DataFrame, dict[str, FloatArray]]]:
    """Per-item table and columns of the findings of each text against their denial."""
    against = {affirmed(text): denied(text) for text in items["text"]}
    said: Counter[str] = Counter()
    for text, count in frequency.items():
        said[affirmed(text)] += count
    texts = [affirmed(text) for text in items["text"]]
    found = win_rates(lambda text: [against[text]] if against[text] else [], texts, volumes, bank, said)
    yield from _won("negated", items, found)


def _won(pool: str, items: pd.DataFrame, found: Wins) -> Iterator[tuple[pd.DataFrame, dict[str, FloatArray]]]:
    if len(found.rows):
        table = items.iloc[found.rows].rename(columns={"volume_id": "item_id"}).reset_index(drop=True)
        table = table[["item_id", "patient_id", "contrast", "site", "text"]].assign(weight=found.weight)
        table.insert(0, "pool", pool)
        yield table, {"wins": found.won, "wins/chance": np.full(len(table), 0.5), "wins/majority": found.prior}


def _both(original: Mapping[str, str], rewrite: Rewriting, swap: Callable[[str], list[str]], text: str) -> list[str]:
    return [rewrite(other) for other in swap(original[text])]


BENCHMARK = Benchmark(
    name="text_sensitivity",
    summary="the same finding in other words, orders and styles; side or polarity swapped, denied, a part left out",
    protocol_version="4",
    source="behavioural tests of invariance and direction (CheckList, Ribeiro et al. 2020, arXiv:2005.04118)",
    score=score_subject,
    declared=Declared(
        family="wording",
        label="other wordings",
        place=53,
        headline=("rewritten/MRR",),
        headline_label="image → rewritten text MRR, abnormal volumes",
        pools=("rewritten",),
        floors={"chance": "chance", "majority": "commoner text"},
        words={
            f"{TEXT_TO_IMAGE}_MRR": "text → image MRR",
            "original": "MRR of the original",
            "cosine": "cosine with the original",
        },
    ),
)
