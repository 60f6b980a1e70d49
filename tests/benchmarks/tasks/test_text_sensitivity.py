from __future__ import annotations

import re
from dataclasses import replace

import pytest

from benchmarks.benchmark import ScoreOptions
from benchmarks.retrieval.text_parts import affirmed, denied, left_out
from benchmarks.tasks.text_sensitivity import REWRITINGS, other_style, score, synonyms
from selip.cohorts.phantom.lesions import KINDS
from selip.data.findings import is_normal
from selip.reports.extraction.extractor import extract
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


REPORT = (
    "Report: A lacune is seen in the right thalamus. No haemorrhage. Orbits normal. In summary, lacune, right thalamus."
)
SEEN = sorted({sign.phrase for kind in KINDS.values() for sign in kind.signs.values()} | {*KINDS})
DOUBLE = "At left insula high signal; in the pons low signal with high rim. No mass."


def test_findings_are_affirmed_and_denied_in_one_form():
    assert affirmed(TEXT) == TEXT
    assert denied(TEXT) == "at left thalamus shows no high signal; at right insula shows no low signal"
    assert (affirmed(REPORT), denied(REPORT)) == ("right thalamus: lacune", "right thalamus: no lacune")
    assert denied(DOUBLE) == "left insula: no high signal; pons: no low signal"
    assert affirmed("No haemorrhage. Orbits normal.") == denied("Orbits normal.") == ""


@pytest.mark.parametrize("what", SEEN)
def test_what_is_denied_is_not_read_any_more(what):
    place = "left cerebral hemisphere"
    said = f"There is {what} in the {place}."
    if affirmed(said):
        assert extract(affirmed(said)).lesions
        assert not extract(denied(said)).lesions


def test_a_finding_is_left_out_where_it_is_said_no_more():
    assert left_out(TEXT, True) == ["at right insula shows low signal", "at left thalamus shows high signal"]
    assert left_out(TEXT, False) == []
    assert left_out("at pons shows high signal", True) == []
    assert left_out(REPORT, True) == [], "the summary repeats it"
    assert left_out(REPORT, False) == [REPORT.replace(" No haemorrhage.", ""), REPORT.replace(" Orbits normal.", "")]
    assert left_out(DOUBLE, True) == [
        "in the pons low signal with high rim. No mass.",
        "At left insula high signal; No mass.",
    ]
    assert left_out("Der Thalamus links ist hell. Keine Blutung.", False) == [], "nothing is read"
    assert (
        REWRITINGS["other_order"](DOUBLE)
        == "No mass. At left insula high signal; in the pons low signal with high rim."
    )


def test_a_model_that_hears_no_wins_and_one_that_does_not_is_at_the_prior(make_embeddings):
    plain = make_embeddings(60, volumes="perfect")
    assert score(plain, OPTIONS).metrics["negated/wins"].value == 1
    encode = plain.encode_text
    deaf = replace(plain, encode_text=lambda texts: encode([text.replace("shows no ", "shows ") for text in texts]))
    assert score(deaf, OPTIONS).metrics["negated/wins"].value == 0, "a tie is no win"


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
