from __future__ import annotations

import tracemalloc

import numpy as np
import pandas as pd
import pytest

from benchmarks.metrics.retrieval_metrics import ideal_and_chance
from benchmarks.retrieval.relevance import Relevance, grade, relevance
from selip.data.findings import Finding

LEFT = ("thalamus", "left", "acute infarct")


def finding(region="thalamus", side="left", lesion_type="acute infarct", contrasts=("FLAIR", "DWI")):
    return Finding(lesion_type, region, side, dict.fromkeys(contrasts, "high signal"))


def best_match_by_loop(a, b):
    if not a or not b:
        return float(not a and not b)
    forth = np.mean([max(grade(x, y) for y in b) for x in a])
    back = np.mean([max(grade(x, y) for x in a) for y in b])
    return (forth + back) / 2


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (LEFT, 1),
        (("thalamus", "right", "acute infarct"), 2 / 3),
        (("thalamus", "left", "old infarct"), 2 / 3),
        (("thalamus", "right", "old infarct"), 1 / 3),
        (("frontal lobe", "left", "acute infarct"), 1 / 3),
        (("frontal lobe", "left", "old infarct"), 0),
    ],
)
def test_grades_count_the_side_only_where_the_region_agrees(other, expected):
    assert grade(LEFT, other) == grade(other, LEFT) == pytest.approx(expected)


def test_grades_of_sets_equal_the_loop_and_are_a_similarity():
    rng = np.random.default_rng(0)
    keys = [(str(region), str(side), str(kind)) for region in "abc" for side in "lr" for kind in "xy"]
    sets = [frozenset(keys[n] for n in rng.choice(len(keys), size, replace=False)) for size in (0, 1, 1, 2, 3, 5, 12)]
    truth = {str(number): [finding(*key) for key in keys] for number, keys in enumerate(sets)}
    items = items_of([(study, "FLAIR") for study in truth])
    found = table(relevance(items, np.arange(len(sets)), truth))
    expected = [[best_match_by_loop(a, b) for b in sets] for a in sets]
    np.testing.assert_allclose(found, expected, atol=1e-9)
    np.testing.assert_allclose(found, found.T)
    np.testing.assert_allclose(np.diag(found), 1)
    assert found.min() >= 0
    assert found.max() <= 1


def table(found):
    """(N, T) relevance of every text to every volume; NaN where unknown."""
    shape = (len(found.set_of_volume), len(found.of_text))
    return found.of_pairs(*np.indices(shape).reshape(2, -1)[::-1]).reshape(shape)


@pytest.mark.parametrize("pairs", [10_000, 9_990])
def test_many_pairs_need_no_memory_for_the_factors_of_all(pairs):
    factors = np.random.default_rng(0).random((100, 500))
    found = Relevance(factors, factors, np.arange(100))
    text, volume = np.indices((100, 100)).reshape(2, -1)[:, :pairs]
    tracemalloc.start()
    values = found.of_pairs(text, volume)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < pairs * 500 * 8 / 4, "factors of all pairs at once"
    np.testing.assert_allclose(values, np.vecdot(factors[text], factors[volume]), atol=1e-9)


def items_of(rows):
    return pd.DataFrame(rows, columns=["study_id", "contrast"])


def test_a_text_has_the_mean_over_its_volumes():
    truth = {"a": [finding()], "b": [finding(side="right")], "c": []}
    items = items_of([("a", "FLAIR"), ("b", "FLAIR"), ("c", "FLAIR")])
    found = table(relevance(items, np.array([0, 0, 1]), truth))
    np.testing.assert_allclose(found, [[(1 + 2 / 3) / 2, 0], [(1 + 2 / 3) / 2, 0], [0, 1]])


def test_a_volume_has_only_what_its_contrast_shows():
    truth = {"old": [finding(contrasts=("FLAIR",))], "normal": []}
    items = items_of([("old", "DWI"), ("old", "FLAIR"), ("normal", "DWI")])
    found = table(relevance(items, np.array([0, 1, 0]), truth))
    np.testing.assert_allclose(found, [[1, 0], [0, 1], [1, 0]])


def test_unknown_truth_is_unknown_not_irrelevant():
    items = items_of([("known", "FLAIR"), ("unknown", "FLAIR"), ("known", "FLAIR")])
    truth = relevance(items, np.array([0, 1, 0]), {"known": [finding()]})
    assert truth.known_volumes.tolist() == [True, False, True]
    assert truth.known_texts.tolist() == [True, False]
    found = table(truth)
    assert np.isnan(found[1]).all()
    assert np.isnan(found[:, 1]).all()
    np.testing.assert_allclose(found[[0, 2], 0], 1)
    nothing = relevance(items, np.array([0, 1, 0]), {})
    assert not nothing.known_texts.any()
    assert not nothing.known_volumes.any()
    assert np.isnan(nothing.bounds()[0]).all()


def test_all_normal_volumes_are_relevant_to_each_other():
    items = items_of([("a", "FLAIR"), ("b", "T1")])
    np.testing.assert_array_equal(table(relevance(items, np.array([0, 0]), {"a": [], "b": []})), [[1], [1]])


def test_the_best_and_the_random_ranking_are_those_of_the_whole_table():
    rng = np.random.default_rng(0)
    truth = {str(n): [finding(str(r)) for r in rng.choice(list("abcd"), n % 4, replace=False)] for n in range(40)}
    items, label = items_of([(str(n), "FLAIR") for n in range(44)]), np.r_[np.arange(30), np.arange(10), 30, 31, 0, 1]
    found = relevance(items, label, truth)
    whole = table(found)
    expected = np.full((2, 44), np.nan), np.full((2, 32), np.nan)
    for bounds, gain, rows, kept in (
        (expected[0], whole, found.known_volumes, found.known_texts),
        (expected[1], whole.T, found.known_texts, found.known_volumes),
    ):
        bounds[:, rows] = ideal_and_chance(gain[rows][:, kept], np.ones(kept.sum(), dtype=int))
    for bounds, by_table in zip(found.bounds(), expected, strict=True):
        np.testing.assert_allclose(bounds, by_table)
