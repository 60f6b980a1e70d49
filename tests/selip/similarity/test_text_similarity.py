from __future__ import annotations

import importlib.util
import itertools
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

import selip.similarity.semantics
from selip.data.findings import NORMAL_TEXT, Clause, findings_text
from selip.similarity.sentence_embeddings import sentence_embeddings
from selip.similarity.settings import ALLOWED, SimilarityConfig
from selip.similarity.text_similarity import TextSimilarity, TextTable, clause_similarity, similarity_of_texts
from selip.system.errors import InputError

spec = importlib.util.spec_from_file_location("similarity_judge", Path(__file__).with_name("similarity_judge.py"))
judge = importlib.util.module_from_spec(spec)
spec.loader.exec_module(judge)
judge.syntax, judge.location, judge.signal = cache(judge.syntax), cache(judge.location), cache(judge.signal)

VOCABULARY = [*(f"word{number}" for number in range(8)), "left", "right", "high", "low", "iso", "long", "slightly"]
PLACES = ["pons", "thalamus", "frontal lobe", "and", "insula"]
RULES = list(itertools.product(ALLOWED["pooling"], ALLOWED["normal"]))


def random_texts(rng, count, normal=0.2, places=()):
    """Texts of a random grammar: random words, one to five clauses, some normal."""

    def phrase(words):
        return " ".join(rng.choice(words, rng.integers(1, 5)))

    def text():
        count = rng.integers(1, 6)
        return findings_text([Clause(phrase([*VOCABULARY, *places]), phrase(VOCABULARY)) for _ in range(count)])

    return [NORMAL_TEXT if rng.random() < normal else text() for _ in range(count)]


def batch_of(table, ids):
    return [table.clauses[number] for number in ids]


@pytest.fixture(scope="module")
def embedding():
    """Embeds a clause; the library's look-ups of the same texts are remembered, as encoding is slow."""
    remembered = cache(lambda texts: sentence_embeddings(texts))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(selip.similarity.semantics, "sentence_embeddings", lambda texts: remembered(tuple(texts)))
        yield cache(lambda clause: sentence_embeddings([clause.text if clause.location else clause.signal])[0])


@pytest.fixture(scope="module")
def mixed_table():
    """Random clauses, known places, two spellings of normal and plain sentences."""
    plain = ["Large tumour. No bleed", "normal ventricles", f"{NORMAL_TEXT.capitalize()}."]
    return TextTable.of([*random_texts(np.random.default_rng(7), 5, 0, PLACES), *plain, NORMAL_TEXT])


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    "config",
    [SimilarityConfig(), SimilarityConfig("character_dice"), SimilarityConfig(weight_location=0.8, weight_signal=0.1)],
)
def test_fast_similarity_equals_the_loop(seed, config):
    rng = np.random.default_rng(seed)
    table = TextTable.of(random_texts(rng, 60))
    ids = rng.integers(0, len(table.texts), 40)
    fast = TextSimilarity.of(table, config)(torch.from_numpy(ids))
    np.testing.assert_allclose(fast.numpy(), judge.similarity_loop(batch_of(table, ids), config), atol=1e-6)


@pytest.mark.parametrize("mix", ALLOWED["mix"])
@pytest.mark.parametrize("semantic", ALLOWED["semantic"])
@pytest.mark.parametrize("syntax", ALLOWED["syntax"])
def test_every_setting_equals_the_loop_and_keeps_the_laws(mixed_table, embedding, syntax, semantic, mix):
    ids = np.arange(len(mixed_table.texts))
    for pooling, normal in RULES:
        config = SimilarityConfig(syntax, semantic, mix, pooling, normal, 0.6, 0.3, 0.7, 0.2)
        measure = TextSimilarity.of(mixed_table, config)
        s = measure(torch.from_numpy(ids))
        expected = judge.similarity_loop(mixed_table.clauses, config, embedding)
        np.testing.assert_allclose(s.numpy(), expected, atol=2e-6)
        np.testing.assert_allclose(similarity_of_texts(mixed_table.texts, mixed_table.texts, config), s, atol=2e-6)
        assert torch.allclose(s, s.T, atol=1e-6)
        assert s.min() >= 0
        assert s.max() <= 1 + 1e-6
        assert (s.diagonal() == 1).all()
        order = torch.randperm(len(ids))
        assert torch.allclose(measure(order), s[order][:, order], atol=1e-6)
        assert torch.equal(measure.permuted(order.numpy())(torch.from_numpy(ids)), measure(order))


@pytest.mark.parametrize("semantic", ["fields", "ontology"])
@pytest.mark.parametrize("pooling", ALLOWED["pooling"])
def test_flipping_both_texts_keeps_their_similarity(semantic, pooling):
    table = TextTable.of(random_texts(np.random.default_rng(2), 40, places=PLACES))
    assert (table.twin[table.twin] == np.arange(len(table.texts))).all()
    measure = TextSimilarity.of(table, SimilarityConfig(semantic=semantic, pooling=pooling))
    ids = torch.arange(len(table.texts))
    assert torch.allclose(measure(ids), measure(torch.from_numpy(table.twin)), atol=1e-6)


def test_best_match_is_not_biased_by_length():
    texts = [findings_text([Clause(f"place{i}", "high") for i in range(count)]) for count in (1, 2, 5)]
    unequal = [f"{text}; at place0 shows high" for text in texts]  # a repeated clause makes it another text
    best = similarity_of_texts(texts, unequal, SimilarityConfig(pooling="best_match")).diagonal()
    mean = similarity_of_texts(texts, unequal, SimilarityConfig(pooling="mean")).diagonal()
    np.testing.assert_allclose(best, 1)
    assert mean[0] == 1
    assert mean[2] < mean[1] < 0.9


def test_normal_rules():
    texts = [NORMAL_TEXT, f"{NORMAL_TEXT}.", "at pons shows high signal", "at left pons shows high signal"]
    table = TextTable.of(texts)
    ids = torch.from_numpy(table.ids(texts))
    zero, masked, alike = (TextSimilarity.of(table, SimilarityConfig(normal=rule)) for rule in ALLOWED["normal"])
    assert zero(ids)[:2].sum() == masked(ids)[:2].sum() == 2, "nothing but itself"
    assert alike(ids)[:2].tolist() == [[1, 1, 0, 0], [1, 1, 0, 0]]
    assert torch.equal(zero(ids)[2:, 2:], alike(ids)[2:, 2:])
    assert zero.dropped(ids) is alike.dropped(ids) is None
    expected = [[0, 1, 1, 1], [1, 0, 1, 1], [1, 1, 0, 0], [1, 1, 0, 0]]
    assert masked.dropped(ids).int().tolist() == expected
    order = np.random.default_rng(0).permutation(len(table.texts))
    moved = torch.from_numpy(order)[ids]
    assert torch.equal(masked.permuted(order).dropped(ids), masked.dropped(moved))
    assert torch.equal(alike.permuted(order)(ids), alike(moved))


def test_texts_that_no_table_knows_are_encoded_on_the_fly():
    rows = ["at left pons shows high signal", NORMAL_TEXT]
    columns = ["at left pons shows high signal; at falx shows iso signal", *rows]
    s = similarity_of_texts(rows, columns, SimilarityConfig())
    np.testing.assert_allclose(s, [[0.5, 1, 0], [0, 0, 1]])
    assert similarity_of_texts([], ["at pons shows high signal"], SimilarityConfig()).shape == (0, 1)


def test_side_and_polarity_matter():
    left, right = Clause("left thalamus", "high signal"), Clause("right thalamus", "high signal")
    low = Clause("left thalamus", "low signal")
    k = clause_similarity([left], [left, right, low], SimilarityConfig())[0]
    assert k[0] == pytest.approx(1)
    assert k[1] == pytest.approx(0.5 * 0.75)
    assert k[2] == pytest.approx(0.5 * 0.75)


@pytest.mark.parametrize("semantic", ["fields", "ontology"])
def test_sentences_without_a_location_share_none(semantic):
    one, other = Clause("", "large tumour"), Clause("", "normal ventricles")
    assert clause_similarity([one], [other], SimilarityConfig(semantic=semantic))[0, 0] == 0


def test_unknown_text_is_refused():
    with pytest.raises(InputError, match="outside the table"):
        TextTable.of(["at left thalamus shows high signal"]).ids(["at pons shows low signal"])


@pytest.mark.parametrize(
    "values",
    [
        {"syntax": "soundex"},
        {"pooling": "max"},
        {"weight_location": -0.1},
        {"weight_signal": 0.7},
        {"weight_syntax": 0.6},
        {"weight_semantic": float("nan")},
    ],
)
def test_config_refuses(values):
    with pytest.raises(InputError, match="allowed"):
        SimilarityConfig(**values)


def test_config_names_the_nearest():
    with pytest.raises(InputError, match=r"similarity.semantic 'ontolgy'.*did you mean 'ontology'"):
        SimilarityConfig(semantic="ontolgy")


def test_a_report_has_the_clauses_of_what_was_read_from_it():
    reports = ["High signal in the left insula.", "The pons is bright. No mass.", "Normal brain."]
    said = ["at left insula shows high signal", "at pons shows high signal", NORMAL_TEXT]
    table = TextTable.of(reports, said)
    flipped = "High signal in the right insula."
    clauses = dict(zip(table.texts, table.clauses, strict=True))
    assert clauses[reports[0]] == (Clause("left insula", "high signal"),)
    assert clauses[flipped] == (Clause("right insula", "high signal"),)
    assert clauses[reports[2]] == ()
    assert [table.texts[one] for one in table.twin[table.ids(reports)]] == [flipped, *reports[1:]]
    similarity = TextSimilarity.of(table, SimilarityConfig())(torch.from_numpy(table.ids(reports)))
    expected = similarity_of_texts(said, said, SimilarityConfig())
    np.testing.assert_allclose(similarity, expected, atol=1e-6)


def test_a_text_that_stands_for_several_readings_has_all_their_clauses():
    table = TextTable.of(["one report"] * 2, ["at pons shows high signal", "at insula shows low signal"])
    assert table.clauses == ((Clause("insula", "low signal"), Clause("pons", "high signal")),)


def test_texts_that_say_their_own_clauses_make_the_same_table():
    texts = random_texts(np.random.default_rng(5), 40)
    one, other = TextTable.of(texts), TextTable.of(texts, texts)
    assert one.texts == other.texts
    assert [set(clauses) for clauses in one.clauses] == [set(clauses) for clauses in other.clauses]
    assert (one.twin == other.twin).all()
