from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.benchmark import ScoreOptions
from benchmarks.tasks.text_sensitivity import REWRITINGS, other_style, score, synonyms
from selip.system.errors import UnavailableError

OPTIONS = ScoreOptions(n_resamples=50)
TEXT = "at left thalamus shows high signal; at right insula shows low signal"


def understanding(embeddings):
    """The same, of a text tower that brings every rewriting back to its original."""
    texts = set(embeddings.items["text"])
    back = {rewrite(text): text for text in texts for rewrite in REWRITINGS.values()}
    encode = embeddings.encode_text
    return replace(embeddings, encode_text=lambda some: encode([back.get(text, text) for text in some]))


def test_perfect_damaged_and_random(make_embeddings):
    plain, random = make_embeddings(100, volumes="perfect"), make_embeddings(100)
    perfect, damaged, blind = (score(one, OPTIONS).metrics for one in (understanding(plain), plain, random))
    assert perfect["rewritten/MRR"].value == perfect["synonyms_side_swapped/wins"].value == 1
    assert damaged["rewritten/original"].value == 1
    assert damaged["rewritten/MRR"].value < 0.3
    assert blind["rewritten/MRR"].lower <= blind["rewritten/MRR/chance"].value <= blind["rewritten/MRR"].upper
    wins = blind["prefix_side_swapped/wins"]
    assert wins.lower <= 0.5 <= wins.upper


def test_rewritings_keep_the_finding():
    assert synonyms(TEXT) == "at left thalamus demonstrates hyperintensity; at right insula demonstrates hypointensity"
    assert other_style(TEXT) == "there is high signal in the left thalamus. there is low signal in the right insula"
    assert REWRITINGS["abbreviations"]("at left thalamus shows high signal") == "at lt thalamus shows hi SI"
    assert REWRITINGS["other_order"](TEXT) == "at right insula shows low signal; at left thalamus shows high signal"


def test_only_normal_texts_are_refused(make_embeddings):
    with pytest.raises(UnavailableError, match="no abnormal text"):
        score(make_embeddings(normal_only=True), OPTIONS)
