"""Each measure of clauses alone: what it counts, its laws, and oracles."""

from __future__ import annotations

import numpy as np
import pytest
from torchmetrics.functional.text import chrf_score

from selip.cohorts.phantom.lesions import ATROPHY_REGION, KINDS
from selip.cohorts.phantom.regions import CALLOSUM, CORTEX, REGIONS, SURFACE
from selip.data.findings import Clause, swap_sides
from selip.reports.ontology import ontology, place_grade, places, region_grade, signal_place
from selip.similarity.semantics import (
    PARTS,
    WHOLE,
    averaging_matrix,
    best_match_pool,
    best_of,
    embedding_cosine,
    location_grade,
    mean_pool,
    signal_grade,
)
from selip.similarity.sentence_embeddings import sentence_embeddings
from selip.similarity.settings import ALLOWED
from selip.similarity.syntax import SYNTAX, chrf, lcs, levenshtein
from selip.system.errors import InputError

SIGNS = sorted({sign.phrase for kind in KINDS.values() for sign in kind.signs.values()})
CLAUSES = [
    Clause(f"{side} {region}".strip(), SIGNS[number % len(SIGNS)])
    for number, (region, side) in enumerate((region, side) for region in REGIONS for side in ("left", "right", ""))
]


def grade(a, b):
    return location_grade([Clause(a, "high")], [Clause(b, "high")])[0, 0]


def signal(a, b):
    return signal_grade([Clause("pons", a)], [Clause("pons", b)])[0, 0]


def test_the_settings_name_every_measure():
    assert ALLOWED["syntax"] == tuple(SYNTAX)
    assert ALLOWED["semantic"] == (*PARTS, *WHOLE)


@pytest.mark.parametrize("name", SYNTAX)
def test_syntax_is_symmetric_in_the_unit_interval_and_1_for_equal_strings(name):
    table = SYNTAX[name](CLAUSES, CLAUSES)
    assert table.shape == (len(CLAUSES), len(CLAUSES))
    np.testing.assert_allclose(table, table.T, atol=1e-6)
    np.testing.assert_allclose(table.diagonal(), 1, atol=1e-6)
    assert table.min() >= 0
    assert table.max() <= 1 + 1e-6
    np.testing.assert_allclose(SYNTAX[name](CLAUSES[:3], CLAUSES), table[:3], atol=1e-6)
    shouted = [Clause(clause.location.upper(), clause.signal.upper()) for clause in CLAUSES]
    np.testing.assert_array_equal(SYNTAX[name](CLAUSES, shouted), table)
    disjoint = SYNTAX[name]([Clause("aaaa", "bbbbbb")], [Clause("cccc", "dddddd")])[0, 0]
    assert disjoint == pytest.approx(1 / 11 if name in {"levenshtein", "lcs"} else 0), "a space is a character"


def test_edit_distance_and_subsequence_by_hand():
    one, other = Clause("pons", "high"), Clause("pons", "low")
    assert levenshtein([one], [other])[0, 0] == pytest.approx(1 - 4 / 9)
    assert lcs([one], [other])[0, 0] == pytest.approx(5 / 9)


def test_chrf_equals_torchmetrics_in_both_directions():
    rng = np.random.default_rng(0)
    for a, b in rng.integers(0, len(CLAUSES), (20, 2)):
        one, other = (f"{clause.location} {clause.signal}" for clause in (CLAUSES[a], CLAUSES[b]))
        options = {"n_char_order": 6, "n_word_order": 0, "beta": 2.0, "lowercase": True}
        both = [float(chrf_score([hyp], [[ref]], **options)) for hyp, ref in ((one, other), (other, one))]
        assert chrf([CLAUSES[a]], [CLAUSES[b]])[0, 0] == pytest.approx(sum(both) / 2, abs=1e-5)


@pytest.mark.parametrize("name", PARTS)
def test_semantic_parts_keep_the_laws(name):
    mirrored = [Clause(swap_sides(clause.location), clause.signal) for clause in CLAUSES]
    for measure in PARTS[name]:
        table = measure(CLAUSES, CLAUSES)
        np.testing.assert_array_equal(table, table.T)
        np.testing.assert_array_equal(table.diagonal(), 1)
        assert table.min() >= 0
        assert table.max() <= 1
        np.testing.assert_array_equal(measure(mirrored, mirrored), table)


def test_ontology_knows_every_region_of_the_phantom():
    for name in (*REGIONS, ATROPHY_REGION):
        assert len(places(name)) == 1, name
    assert len({frozenset(places(name)) for name in REGIONS}) == len(REGIONS)
    assert all(signal_place(phrase) for phrase in SIGNS if phrase.split()[0] != "heterogeneous")


def test_every_term_of_the_ontology_is_found_as_itself():
    known = ontology()
    for term, region in known.region.items():
        assert places(f"left {term}") == {(region, "left")}, term
    assert all(1 <= len(path) <= 3 for path in known.path.values())


def test_grades_of_regions():
    assert region_grade("putamen", "putamen") == 1
    assert (
        region_grade("putamen", "caudate nucleus") == region_grade("putamen", "basal ganglia") == pytest.approx(2 / 3)
    )
    assert region_grade("putamen", "frontal lobe") == pytest.approx(1 / 3)
    assert region_grade("putamen", "pons") == region_grade("brain", "pons") == 0
    for family, grade in ((CALLOSUM, 2 / 3), (CORTEX, 1 / 3), (SURFACE, 1 / 3)):
        assert region_grade(*family[-2:]) == pytest.approx(grade)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("left frontal and right parietal lobe", {("frontal lobe", "left"), ("parietal lobe", "right")}),
        ("left frontal and parietal lobes", {("frontal lobe", "left"), ("parietal lobe", "left")}),
        ("the thalamus on the right", {("thalamus", "right")}),
        ("left and right cerebellar hemispheres", {("cerebellar hemisphere", "bilateral")}),
        ("Both thalami", {("thalamus", "bilateral")}),
        ("genu of corpus callosum", {("genu of the corpus callosum", "midline")}),
        ("right frontal sinus", {("frontal sinus", "right")}),
        ("left parieto-occipital region", {("parietal lobe", "left"), ("occipital lobe", "left")}),
        ("third ventricle", {("third ventricle", "midline")}),
        ("area 51", set()),
        ("", set()),
    ],
)
def test_places_of_a_location(text, expected):
    assert places(text) == expected


def test_the_side_counts_where_regions_are_alike():
    assert place_grade(("thalamus", "left"), ("thalamus", "right")) == 0.5
    assert place_grade(("thalamus", "left"), ("thalamus", "bilateral")) == 0.75
    assert place_grade(("thalamus", "left"), ("pons", "left")) == 0
    assert grade("left frontal lobe", "left temporal lobe") == pytest.approx(1 / 3)
    assert grade("left frontal lobe", "right temporal lobe") == pytest.approx(1 / 6)


def test_several_places_are_matched_each_to_its_best():
    assert grade("left frontal and right parietal lobe", "right parietal and left frontal lobe") == 1
    assert grade("left frontal and right parietal lobe", "right frontal and left parietal lobe") == pytest.approx(0.5)
    assert grade("left frontal lobe", "left frontal and parietal lobe") == pytest.approx((1 + (1 + 1 / 3) / 2) / 2)


def test_unknown_locations_are_like_their_equal_only():
    assert grade("Area 51", "area 51") == 1
    assert grade("area 51", "area 52") == grade("area 51", "pons") == grade("", "") == 0


def test_signals_on_their_scale():
    order = ["high", "slightly high", "iso", "slightly low with high rim", "markedly low"]
    values = [[signal(a, b) for b in order] for a in order]
    np.testing.assert_allclose(values[0], [1, 0.75, 0.5, 0.25, 0])
    np.testing.assert_allclose(np.diff(np.array(values[4])), 0.25)
    assert signal("hyperintense", "high signal") == 1
    assert signal("long T2", "short T2") == signal("long", "high") == signal("short", "iso") == 0
    assert signal("Mixed signal", "mixed signal") == 1
    assert signal("mixed signal", "high signal") == 0


def test_embeddings_are_those_of_minilm_nearly_blind_to_the_side():
    texts = [f"at {side} thalamus shows {word} signal" for side in ("left", "right") for word in ("high", "low")]
    found = sentence_embeddings([*texts, "the weather in Spain", texts[0]])
    assert found.shape == (6, 384)
    assert found.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    np.testing.assert_array_equal(found[0], found[-1])
    cosine = found @ found.T
    assert 0.97 < cosine[0, 2] < 1
    assert cosine[0, 1] < cosine[0, 2], "it tells high from low better than left from right"
    assert cosine[0, 4] < 0.3
    np.testing.assert_allclose(sentence_embeddings(texts[:1])[0], found[0], atol=1e-5)
    assert sentence_embeddings([]).shape == (0, 384)
    clauses = [Clause("left thalamus", "high signal"), Clause("", "the weather in Spain")]
    np.testing.assert_allclose(embedding_cosine(clauses, clauses)[0, 1], max(cosine[0, 4], 0), atol=1e-5)


def test_texts_of_another_seed_are_not_encoded_again(monkeypatch):
    texts = ["at pons shows high signal", "at right putamen shows low signal", "at pons shows high signal"]
    found = sentence_embeddings(texts)
    monkeypatch.setattr("selip.similarity.sentence_embeddings._encoder", lambda model: pytest.fail("encoded again"))
    np.testing.assert_array_equal(sentence_embeddings(texts[::-1]), found[::-1])
    found[:] = 0
    assert sentence_embeddings(texts).any(), "a caller's array is its own"


def test_a_model_that_cannot_be_loaded_is_one_line():
    with pytest.raises(InputError, match=r"nobody/nothing.*without a hub use minilm") as error:
        sentence_embeddings(["a"], "nobody/nothing")
    assert "\n" not in str(error.value)


def test_pooling_equals_the_loop_for_rectangular_tables():
    rng = np.random.default_rng(0)
    members, others = list("abcdef"), list("uvwx")
    rows, columns = ["ab", "c", "", "aadef"], ["u", "wx", "uvw"]
    table = rng.random((6, 4))
    a, b = averaging_matrix(rows, members), averaging_matrix(columns, others)
    pairs = {
        (i, j): [[table[members.index(x), others.index(y)] for y in column] for x in row]
        for i, row in enumerate(rows)
        for j, column in enumerate(columns)
        if row
    }
    for (i, j), found in pairs.items():
        forth, back = np.mean(np.max(found, axis=1)), np.mean(np.max(found, axis=0))
        assert mean_pool(a, table, b)[i, j] == pytest.approx(np.mean(found))
        assert best_match_pool(a, table, b)[i, j] == pytest.approx((forth + back) / 2)
    assert mean_pool(a, table, b)[2].max() == best_match_pool(a, table, b)[2].max() == 0
    assert best_of(np.zeros((2, 0)), np.zeros((0, 3))).tolist() == [[0] * 3] * 2
