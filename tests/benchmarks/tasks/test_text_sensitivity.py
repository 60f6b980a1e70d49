from __future__ import annotations

import re
from dataclasses import replace

import pytest

from benchmarks.benchmark import ScoreOptions
from benchmarks.retrieval.text_parts import left_out, negated
from benchmarks.tasks.text_sensitivity import REWRITINGS, other_style, score, synonyms
from selip.data.findings import is_normal
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


REPORT = "Report: A lacune is seen in the right thalamus. No haemorrhage. Orbits normal."


def test_parts_of_a_report_are_denied_or_left_out():
    assert negated(TEXT) == ["at left thalamus shows no high signal; at right insula shows no low signal"]
    assert negated(REPORT) == [
        "Report: No evidence of the following: A lacune is seen in the right thalamus. No haemorrhage. Orbits normal."
    ]
    assert negated("No haemorrhage. Orbits normal.") == []
    assert left_out(TEXT, True) == ["at right insula shows low signal", "at left thalamus shows high signal"]
    assert left_out(TEXT, False) == left_out("at pons shows high signal", True) == []
    assert left_out(REPORT, True) == ["No haemorrhage. Orbits normal."]
    assert left_out(REPORT, False) == [REPORT.replace(" No haemorrhage.", ""), REPORT.replace(". Orbits normal.", "")]
    assert REWRITINGS["other_order"](REPORT) == (
        "Orbits normal. No haemorrhage. Report: A lacune is seen in the right thalamus."
    )


def test_a_clause_that_matters_costs_when_it_is_left_out_and_a_filler_does_not(make_embeddings):
    plain = make_embeddings(60, volumes="perfect")
    fillers = ". Orbits normal. No midline shift."
    items = plain.items.assign(text=[text + fillers * (not is_normal(text)) for text in plain.items["text"]])
    encode = plain.encode_text

    def reading(texts):
        return encode([re.sub(r"(\. Orbits normal|\. No midline shift|\.$)", "", text) for text in texts])

    found = score(replace(plain, items=items, encode_text=reading), OPTIONS).metrics
    assert found["filler_left_out/text_to_image_MRR"].value == found["filler_left_out/original"].value
    assert found["finding_left_out/text_to_image_MRR"].value < found["finding_left_out/original"].value
