from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from benchmarks.retrieval.hard_negatives import (
    NamedPlace,
    named_places,
    remove_finding,
    swap_place,
    swap_polarity,
    swap_side,
    win_rates,
)
from benchmarks.retrieval.text_bank import TextBank
from selip.data.findings import NORMAL_TEXT, findings_text, parse_findings_text

ONE = "at left thalamus shows high signal"
TWO = "at brainstem shows low signal; at left thalamus shows high signal with low rim"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (ONE, ["at right thalamus shows high signal"]),
        ("at left pons shows low signal; at right insula shows high signal",
         ["at left insula shows high signal; at right pons shows low signal"]),
        ("at left pons shows low signal; at right pons shows low signal", []),
        ("at brainstem shows high signal", []),
        ("at bilateral thalamus shows high signal", []),
        (NORMAL_TEXT, []),
        ("Old infarct in the Left thalamus.", ["Old infarct in the Right thalamus."]),
    ],
)  # fmt: skip
def test_side_is_swapped_where_there_is_one(text, expected):
    assert swap_side(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (ONE, ["at left thalamus shows low signal"]),
        (TWO, ["at brainstem shows high signal; at left thalamus shows low signal with high rim"]),
        ("at high frontal convexity shows high signal", ["at high frontal convexity shows low signal"]),
        ("at pons shows restricted diffusion", []),
        (
            "Hyperintense lesion, high-grade, in the hypothalamus",
            ["Hypointense lesion, high-grade, in the hypothalamus"],
        ),
        (NORMAL_TEXT, []),
    ],
)
def test_polarity_of_the_signal_alone_is_swapped(text, expected):
    assert swap_polarity(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (ONE, []),
        (TWO, ["at left thalamus shows high signal with low rim", "at brainstem shows low signal"]),
        ("Infarct on the left. Plaque on the right.", ["Plaque on the right.", "Infarct on the left."]),
        (NORMAL_TEXT, []),
    ],
)
def test_each_of_several_findings_is_removed_in_turn(text, expected):
    assert remove_finding(text) == expected


@pytest.mark.parametrize("edit", [swap_side, swap_polarity, remove_finding])
def test_edited_texts_read_like_true_ones(edit):
    for other in edit(TWO):
        assert other != TWO
        assert findings_text(parse_findings_text(other)) == other


def bank_of(texts, vectors):
    distinct = sorted(texts)
    return TextBank({text: row for row, text in enumerate(distinct)}, np.array([vectors[text] for text in distinct]))


def test_wins_ties_and_missing_edits():
    right = swap_side(ONE)[0]
    low = swap_polarity(ONE)[0]
    bank = bank_of(
        [ONE, right, low, NORMAL_TEXT], {ONE: [1.0, 0], right: [0, 1.0], low: [1.0, 0], NORMAL_TEXT: [-1.0, 0]}
    )
    volumes = np.array([[0.6, -0.8], [-0.8, 0.6], [0.0, 1.0]])
    texts, frequency = [ONE, ONE, NORMAL_TEXT], Counter([ONE, low, low])
    side, polarity = (win_rates(edit, texts, volumes, bank, frequency) for edit in (swap_side, swap_polarity))
    np.testing.assert_array_equal(side.rows, [0, 1])
    np.testing.assert_array_equal(side.won, [1, 0])
    np.testing.assert_array_equal(polarity.won, [0, 0])  # blind to polarity: a tie, no win
    np.testing.assert_array_equal(side.prior, [1, 1])  # all of one kind: the floor
    np.testing.assert_array_equal(polarity.prior, [0, 0])
    assert not len(win_rates(remove_finding, texts, volumes, bank, frequency).rows)


def test_an_item_scores_the_share_of_its_edits():
    first, second = remove_finding(TWO)
    vectors = {TWO: [1.0, 0], first: [0.6, 0.8], second: [0.8, -0.6]}
    found = win_rates(remove_finding, [TWO], np.array([[0.8, 0.6]]), bank_of(vectors, vectors), Counter())
    assert (found.won, found.weight, found.prior) == (0.5, 1, 0.5)  # cosines .80 against .96 and .28; no prior


def answer(texts, vectors, frequency, seed=0):
    """Win rate of a model and of the prior on polarity, with the weights of the items."""
    every = sorted({*texts, *(swap_polarity(text)[0] for text in texts)})
    bank = bank_of(every, {text: vectors(text) for text in every})
    volumes = np.random.default_rng(seed).normal(size=(len(texts), 2)) if seed else np.tile([1.0, 0.0], (len(texts), 1))
    found = win_rates(swap_polarity, texts, volumes, bank, frequency)
    return [np.average(values, weights=found.weight) for values in (found.won, found.prior)]


def test_an_answer_from_the_texts_alone_scores_a_half_however_common_one_of_them_is():
    """Nine volumes in ten are bright, in train and in test; what sees no volume and says bright would win .9."""
    low = swap_polarity(ONE)[0]
    other = swap_polarity("at left pons shows high signal")[0]
    texts = [ONE] * 18 + [low] * 2 + [other] * 3  # of the last train has neither
    frequency = Counter([ONE] * 90 + [low] * 10)

    def commoner(text):
        share = frequency[text] / 100
        return [share, (1 - share**2) ** 0.5]

    won, prior = answer(texts[:20], commoner, frequency)
    assert won == prior == pytest.approx(0.5)
    assert answer(texts, commoner, frequency)[1] == pytest.approx(0.5)
    bright = lambda text: [0.9, 0.4] if "high" in text else [0.1, 0.9]  # noqa: E731
    assert answer(texts[:20], bright, frequency)[0] == pytest.approx(0.5)
    assert answer(texts[:20], bright, Counter())[0] == pytest.approx(0.9)  # without the prior nothing is balanced


BANK = named_places(
    [
        "at left thalamus shows high signal; at pons shows low signal",
        "Findings: High signal on FLAIR in the insular area on the right. Splenium: low signal on T1.",
    ]
)


def test_places_are_found_with_the_words_that_name_them():
    assert {
        "thalamus": NamedPlace("thalamus", True),
        "pons": NamedPlace("pons", False),
        "insular": NamedPlace("insula", True),
        "splenium": NamedPlace("splenium of the corpus callosum", False),
    } == BANK


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        ("at left thalamus shows high signal", {"at left insular shows high signal"}),
        (
            TWO,
            {
                f"at left insular shows high signal with low rim; at {one} shows low signal"
                for one in ("pons", "splenium")
            },
        ),
        (
            "High signal on FLAIR in the right insular area. Conclusion: infarct, right insular area.",
            {"High signal on FLAIR in the right thalamus area. Conclusion: infarct, right thalamus area."},
        ),
        ("Pons: low signal on T1.", {"Splenium: low signal on T1."}),
        (  # the midline keeps to the midline, a side to its side, and no place is named twice
            "Low signal on T1 in the midbrain; high signal on FLAIR in the left frontal lobe.",
            {
                f"Low signal on T1 in the {middle}; high signal on FLAIR in the left {side}."
                for middle in ("pons", "splenium")
                for side in ("thalamus", "insular")
            },
        ),
        ("Pons: low signal on T1. Splenium: low signal on T1.", {""}),  # no place is left to go to
        ("No abnormal signal.", {""}),
        ("", {""}),
    ],
)
def test_every_place_is_exchanged_for_one_that_the_text_lacks(text, allowed):
    assert swap_place(text, BANK) in allowed
