from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from benchmarks.retrieval.hard_negatives import remove_finding, swap_polarity, swap_side, win_rates
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
    found = win_rates([ONE, ONE, NORMAL_TEXT], volumes, bank, Counter([ONE, low, low]))
    np.testing.assert_array_equal(found["hard_negative_side"], [1, 0, np.nan])
    np.testing.assert_array_equal(found["hard_negative_polarity"], [0, 0, np.nan])  # blind to polarity: a tie, no win
    np.testing.assert_array_equal(found["hard_negative_side/chance"], [0.5, 0.5, np.nan])
    np.testing.assert_array_equal(found["hard_negative_side/majority"], [1, 1, np.nan])
    np.testing.assert_array_equal(found["hard_negative_polarity/majority"], [0, 0, np.nan])
    assert np.isnan(found["hard_negative_removed"]).all()


def test_an_item_scores_the_share_of_its_edits():
    first, second = remove_finding(TWO)
    vectors = {TWO: [1.0, 0], first: [0.6, 0.8], second: [0.8, -0.6]}
    vectors |= {text: [0.0, -1.0] for text in (*swap_side(TWO), *swap_polarity(TWO))}
    found = win_rates([TWO], np.array([[0.8, 0.6]]), bank_of(vectors, vectors), Counter())
    assert found["hard_negative_removed"] == 0.5  # cosines .80 against .96 and .28
    assert "hard_negative_removed/majority" not in found
