from __future__ import annotations

import io
import itertools
import json

import pytest
from rich.console import Console

from selip.data.findings import NORMAL_TEXT
from selip.similarity.explanation import as_mapping, as_tables, explain
from selip.similarity.settings import ALLOWED, SimilarityConfig
from selip.similarity.text_similarity import similarity_of_texts

ONE = "at left thalamus shows high signal; at left frontal lobe shows [i]slightly low signal"
OTHER = "at right thalamus shows high signal"


@pytest.mark.parametrize("mix", ALLOWED["mix"])
@pytest.mark.parametrize("semantic", ["fields", "ontology"])
def test_terms_give_k_and_k_gives_s(mix, semantic):
    config = SimilarityConfig("word_dice", semantic, mix, weight_syntax=0.3, weight_location=0.2)
    found = explain(ONE, OTHER, config)
    assert [pair.clause_a for pair in found.pairs] == list(found.clauses_a)
    for pair in found.pairs:
        if mix != "syntax":
            assert pair.semantic == pytest.approx(0.2 * pair.location + 0.5 * pair.signal)
        expected = {
            "product": lambda pair=pair: pair.semantic * pair.syntax,
            "mean": lambda pair=pair: 0.3 * pair.syntax + 0.5 * pair.semantic,
            "syntax": lambda pair=pair: pair.syntax,
            "semantic": lambda pair=pair: pair.semantic,
        }[mix]
        assert pair.similarity == pytest.approx(expected())
    assert found.similarity == pytest.approx(sum(pair.similarity for pair in found.pairs) / 2)
    assert found.reason == "mean of 2 clause pairs"
    left_out = {"syntax": found.pairs[0].semantic, "semantic": found.pairs[0].syntax}
    assert left_out.get(mix) is None


@pytest.mark.parametrize(
    ("texts", "rule", "value", "reason"),
    [
        ((ONE, ONE), "zero", 1, "equal texts"),
        ((NORMAL_TEXT, NORMAL_TEXT), "zero", 1, "equal texts"),
        ((NORMAL_TEXT, f"{NORMAL_TEXT}."), "alike", 1, "two normal texts (normal: alike)"),
        ((NORMAL_TEXT, f"{NORMAL_TEXT}."), "zero", 0, "a normal text (normal: zero)"),
        ((ONE, NORMAL_TEXT), "alike", 0, "a normal text (normal: alike)"),
        ((ONE, NORMAL_TEXT), "masked", 0, "a normal text (normal: masked; left out of the KL term)"),
    ],
)
def test_reasons(texts, rule, value, reason):
    found = explain(*texts, SimilarityConfig(normal=rule))
    assert (found.similarity, found.reason) == (value, reason)


@pytest.mark.parametrize("pooling", ALLOWED["pooling"])
def test_tables_and_json_hold_every_number(pooling):
    config = SimilarityConfig(semantic="ontology", syntax="chrf", pooling=pooling)
    found = explain(ONE, OTHER, config)
    console = Console(width=100, file=io.StringIO())
    console.print(as_tables(found))
    text = console.file.getvalue()
    s = similarity_of_texts([ONE], [OTHER], config)[0, 0]
    assert f"S = {s:.3f}: " in text
    assert "[i]slightly low signal" in text, "no markup is read into a text"
    for pair, name in itertools.product(found.pairs, ("location", "signal", "semantic", "syntax", "similarity")):
        assert f"{getattr(pair, name):.3f}" in text
    plain = json.loads(json.dumps(as_mapping(found)))
    assert plain["similarity"] == s
    assert plain["config"]["pooling"] == pooling
    assert len(plain["pairs"]) == 2


def test_an_embedding_has_no_parts():
    pair = explain(ONE, OTHER, SimilarityConfig(semantic="embedding")).pairs[0]
    assert pair.location is pair.signal is None
    assert pair.similarity == pytest.approx(pair.semantic * pair.syntax)
