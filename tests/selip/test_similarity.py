from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch

from selip.errors import InputError
from selip.findings import NORMAL_TEXT, Clause, findings_text
from selip.similarity import SimilarityConfig, TextSimilarity, TextTable, clause_similarity

spec = importlib.util.spec_from_file_location("similarity_judge", Path(__file__).with_name("similarity_judge.py"))
judge = importlib.util.module_from_spec(spec)
spec.loader.exec_module(judge)


def random_texts(rng, count, normal=0.2):
    """Texts of a random grammar: random words, one to five clauses, some normal."""
    vocabulary = [f"word{number}" for number in range(12)] + ["left", "right", "high", "low", "iso"]

    def phrase():
        return " ".join(rng.choice(vocabulary, rng.integers(1, 5)))

    texts = []
    for _ in range(count):
        made = [Clause(phrase(), phrase()) for _ in range(rng.integers(1, 6))]
        texts.append(NORMAL_TEXT if rng.random() < normal else findings_text(made))
    return texts


def batch_of(table, ids):
    return [table.clauses[number] for number in ids]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(
    ("config", "options"),
    [
        (SimilarityConfig(), {}),
        (SimilarityConfig("character_dice"), {"tokens": judge.characters}),
        (SimilarityConfig("word_dice", 0.8, 0.2), {"w_location": 0.8, "w_signal": 0.2}),
    ],
)
def test_fast_similarity_equals_the_loop(seed, config, options):
    rng = np.random.default_rng(seed)
    table = TextTable.of(random_texts(rng, 60))
    ids = rng.integers(0, len(table.texts), 40)
    fast = TextSimilarity.of(table, config)(torch.from_numpy(ids))
    np.testing.assert_allclose(fast.numpy(), judge.similarity_loop(batch_of(table, ids), **options), atol=1e-6)


def test_laws():
    rng = np.random.default_rng(1)
    table = TextTable.of(random_texts(rng, 50))
    ids = torch.from_numpy(rng.permutation(len(table.texts)))
    measure = TextSimilarity.of(table, SimilarityConfig())
    s = measure(ids)
    assert torch.allclose(s, s.T, atol=1e-6)
    assert s.min() >= 0
    assert s.max() <= 1 + 1e-6
    assert (s.diagonal() == 1).all()
    order = torch.randperm(len(ids))
    assert torch.allclose(measure(ids[order]), s[order][:, order], atol=1e-6)
    normal = table.is_normal()[ids]
    assert s[normal].sum() == normal.sum(), "the normal sentence is like nothing but itself"


def test_flipping_both_texts_keeps_their_similarity():
    table = TextTable.of(random_texts(np.random.default_rng(2), 40))
    assert (table.twin[table.twin] == np.arange(len(table.texts))).all()
    measure = TextSimilarity.of(table, SimilarityConfig())
    ids = torch.arange(len(table.texts))
    twins = torch.from_numpy(table.twin)
    assert torch.allclose(measure(ids), measure(twins), atol=1e-6)


def test_side_and_polarity_matter():
    left, right = Clause("left thalamus", "high signal"), Clause("right thalamus", "high signal")
    low = Clause("left thalamus", "low signal")
    k = clause_similarity([left], [left, right, low], SimilarityConfig())[0]
    assert k[0] == pytest.approx(1)
    assert k[1] == pytest.approx(0.5 * 0.75)
    assert k[2] == pytest.approx(0.5 * 0.75)


def test_sentences_without_a_location_share_none():
    one, other = Clause("", "large tumour"), Clause("", "normal ventricles")
    assert clause_similarity([one], [other], SimilarityConfig())[0, 0] == 0


def test_permuted_similarity_is_that_of_the_other_texts():
    table = TextTable.of(random_texts(np.random.default_rng(3), 30))
    order = np.random.default_rng(4).permutation(len(table.texts))
    measure = TextSimilarity.of(table, SimilarityConfig())
    ids = torch.arange(len(order))
    assert torch.equal(measure.permuted(order)(ids), measure(torch.from_numpy(order)))


def test_unknown_text_is_refused():
    with pytest.raises(InputError, match="outside the table"):
        TextTable.of(["at left thalamus shows high signal"]).ids(["at pons shows low signal"])


@pytest.mark.parametrize("values", [{"syntax": "soundex"}, {"weight_location": -0.1}, {"weight_signal": 0.7}])
def test_config_refuses(values):
    with pytest.raises(InputError, match="allowed"):
        SimilarityConfig(**values)
