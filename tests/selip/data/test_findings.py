from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selip.data.findings import (
    NORMAL_TEXT,
    Clause,
    Finding,
    clauses_of,
    findings_from_json,
    findings_text,
    findings_to_json,
    flip_text,
    is_normal,
    parse_findings_text,
    swap_sides,
)

places = st.sampled_from(["left thalamus", "right frontal lobe", "bilateral centrum semiovale", "brainstem", "vermis"])
signals = st.sampled_from(["high signal", "low signal with high rim", "iso signal", "mixed", "patchy high signal"])
clauses = st.lists(st.builds(Clause, places, signals), max_size=4)


@given(clauses)
def test_text_and_clauses_are_inverse(found):
    text = findings_text(found)
    assert set(parse_findings_text(text)) == set(found)
    assert findings_text(parse_findings_text(text)) == text


@given(clauses)
def test_text_does_not_depend_on_order(found):
    assert findings_text(reversed(found)) == findings_text(found)


@given(clauses)
def test_flipping_twice_gives_the_text_back(found):
    text = findings_text(found)
    assert flip_text(flip_text(text)) == text


def test_swap_keeps_case_and_leaves_other_words():
    assert swap_sides("Left and RIGHT, lefty") == "Right and LEFT, lefty"


def test_normal_sentence_has_no_clause():
    assert findings_text([]) == NORMAL_TEXT
    assert is_normal(NORMAL_TEXT.capitalize() + ".")
    assert parse_findings_text(NORMAL_TEXT) == ()


@pytest.mark.parametrize(
    ("signal", "tag"),
    [("high signal", "high"), ("slightly LOW signal", "low"), ("long T1", "long"), ("mixed signal", "mixed signal")],
)
def test_tag_is_the_first_polarity(signal, tag):
    assert Clause("left thalamus", signal).tag == tag


@pytest.mark.parametrize(
    ("location", "side"),
    [("left thalamus", "left"), ("brainstem", "midline"), ("bilateral insula", "bilateral"), ("leftover", "midline")],
)
def test_side_is_a_field(location, side):
    assert Clause(location, "high signal").side == side


def test_text_without_clause_form_is_split_into_sentences():
    found = parse_findings_text("Old infarct on the left. No midline shift.")
    assert [clause.signal for clause in found] == ["Old infarct on the left", "No midline shift"]
    assert all(clause.location == "" for clause in found)


def test_negated_findings_are_absent():
    found = parse_findings_text("at left thalamus shows no high signal; at right insula shows low signal")
    assert found == (Clause("right insula", "low signal"),)


def test_finding_shows_only_where_it_has_a_signal():
    finding = Finding("lacune", "thalamus", "left", {"FLAIR": "low signal with high rim"}, 4.0)
    assert finding.clause("FLAIR") == Clause("left thalamus", "low signal with high rim")
    assert finding.clause("DWI") is None
    assert clauses_of([finding, finding], "T1") == ()
    assert findings_from_json(findings_to_json([finding])) == [finding]
