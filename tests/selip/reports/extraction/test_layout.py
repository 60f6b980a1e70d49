"""Layout is no meaning: wrapping, letter case, markup, list marks and spaces never change what is read."""

from __future__ import annotations

import re
import textwrap

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selip.reports.extraction.extractor import extract
from selip.reports.extraction.layout import unmarked
from selip.reports.extraction.lexicon import lexicon, sentences

SENTENCES = (
    "A mass in the left frontoparietal region shows low signal on T1 and high signal on T2-weighted images.",
    "No evidence of acute infarct or haemorrhage in the right thalamus.",
    "High signal on FLAIR in the right insula, measuring 1.5 x 2.3 cm.",
    "There is ring enhancement on post-contrast T1 images.",
    "No midline shift.",
    "Mild oedema surrounds the lesion.",
    "The left lateral ventricle is compressed.",
    "Restricted diffusion in the Rt. pons is seen on DWI.",
    "T1 hypointense and T2 hyperintense nodule in the vermis.",
    "Low signal on T2* in the left putamen.",
    "Possible metastasis in the left cerebellum.",
    "The previously seen haematoma in the right putamen has resolved.",
    "Lesion of approx. 5 mm in the Lt. hippocampus, hyperintense on T2 and FLAIR.",
    "We cannot exclude a meningioma of the left convexity.",
    "DWI shows a focus of high signal in the splenium of the corpus callosum.",
)
reports = st.lists(st.sampled_from(SENTENCES), min_size=1, max_size=5, unique=True).map(" ".join)


def meaning(text):
    """Everything that is read, but for where it stands and how it is written."""
    found = extract(text)
    return (
        {tuple(fact.as_list) for fact in found.facts},
        found.findings(),
        [finding for lesion in found.uncertain for finding in lesion.findings()],
        found.denied,
        found.state,
        found.not_understood,
    )


def markup(text):
    return "<p>" + text.replace(". ", ".</p><p>").replace(" in ", " <b>in</b> ") + "</p>"


def breaks(text):
    return text.replace(" ", "&nbsp;", 1).replace(". ", ".<br/>")


def spaces(text):
    return re.sub(r"(?<=[a-z0-9])\. (?=[A-Z])", ".", text.replace("Rt. ", "Rt ").replace("Lt. ", "Lt "))


CHANGES = {
    "upper": str.upper,
    "lower": str.lower,
    "title": lambda text: " ".join(word.capitalize() for word in text.split(" ")),
    "markup": markup,
    "breaks": breaks,
    "no space after a full stop": spaces,
    "wide spaces": lambda text: text.replace(" ", "  \t"),
    "crlf": lambda text: "\r\n".join(textwrap.wrap(text, 30, break_long_words=False)),
    "escaped": lambda text: text.replace(". ", ".\\n"),
    "hl7": lambda text: text.replace(". ", ".\\.br\\"),
    "list": lambda text: "- " + text.replace(". ", ".\n- "),
    "bullets": lambda text: "• " + text.replace(". ", ".\n\n• "),
    "a sentence a line": lambda text: text.replace(". ", ".\n"),
    "paragraphs": lambda text: text.replace(". ", ".\n\n"),
    "bold": lambda text: text.replace("left", "**left**"),
}
# After an abbreviation a list mark or a line would part what belongs together.
PARTING = {"list", "bullets", "paragraphs", "a sentence a line", "markup", "breaks", "escaped", "hl7"}


@given(reports, st.sampled_from(sorted(CHANGES)))
@settings(max_examples=300, deadline=None)
def test_layout_changes_nothing(text, change):
    if change in PARTING:
        text = re.sub(r"\b(Rt|Lt|approx)\.", r"\1", text)
    assert meaning(CHANGES[change](text)) == meaning(text)


@given(reports, st.integers(20, 90), st.sampled_from([str, str.upper, str.lower]))
@settings(max_examples=300, deadline=None)
def test_wrapping_at_any_width_changes_nothing(text, width, case):
    assert meaning(case(textwrap.fill(text, width))) == meaning(text)


@given(st.sampled_from(SENTENCES), st.data())
@settings(max_examples=200, deadline=None)
def test_a_line_break_anywhere_in_a_sentence_changes_nothing(sentence, data):
    gaps = [at for at, letter in enumerate(sentence) if letter == " "]
    at = data.draw(st.sampled_from(gaps))
    assert meaning(f"{sentence[:at]}\n{sentence[at + 1 :]}") == meaning(sentence)


@given(st.text(st.sampled_from("<p>&brl;\\n\r \nx_0D#1.T2*-"), max_size=80))
def test_markup_keeps_its_length(text):
    assert len(unmarked(text)) == len(text)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("Mass.Infarct.", ["mass", "infarct"]),
        ("A mass of 1.5 cm. An infarct.", ["mass", "infarct"]),
        ("Mass in the Rt. insula.", ["mass"]),
        ("Mass on the Rt. No infarct.", ["mass", "infarct"]),
        ("Mass, i.e. an infarct.", ["mass"]),
        ("Mass\nInfarct\nAbscess", ["mass", "infarct", "abscess"]),
        ("Mass\n\ninfarct", ["mass", "infarct"]),
        ("1. Mass\n2) Infarct\n(3) Abscess", ["mass", "infarct", "abscess"]),
        ("Findings - Mass - Infarct", ["mass", "infarct"]),
        ("Mass in\nT1", ["mass"]),
        ("Mass in the left insula\nT1: low signal\nEdema: none", ["mass", "t1", "edema"]),
    ],
)
def test_sentences_are_cut_by_grammar(text, parts):
    found = [sentence for sentence in sentences(text, lexicon("en")) if sentence.marks]
    kinds = {"lesion", "type", "contrast", "edema"}
    assert [next(s.words[m.first] for m in s.marks if m.kind in kinds) for s in found] == parts


@pytest.mark.parametrize("break_", [" ", "\n", "\n\n", "<br>"])
@pytest.mark.parametrize("heading", ["Indication", "CLINICAL HISTORY", "Technique", "Comparison", "reason for exam"])
def test_sections_that_give_no_finding(heading, break_):
    said = "Rule out glioma. Left frontal meningioma, high on T2."
    text = f"{heading}: {said}{break_}FINDINGS: An infarct in the left pons."
    (finding,) = extract(text).findings()
    assert (finding.lesion_type, finding.region) == ("infarct", "pons")


@pytest.mark.parametrize("heading", ["Findings", "IMPRESSION", "Conclusion", "Opinion", "Report", "MRI BRAIN"])
def test_sections_that_give_findings(heading):
    (finding,) = extract(f"History: seizure.\n{heading}: An infarct in the left pons.").findings()
    assert (finding.lesion_type, finding.region, finding.side) == ("infarct", "pons", "left")


def test_headings_on_lines_of_their_own():
    text = "HISTORY\nKnown glioma of the left insula.\n\nFINDINGS\nNo mass.\n\nIMPRESSION\nNormal brain MRI."
    assert extract(text).state == "normal"


def test_a_technique_without_a_heading_behind_it_ends_with_its_sentence():
    text = "Technique: T1 and FLAIR. There is a mass in the left insula. Impression: glioma."
    assert {finding.region for finding in extract(text).findings()} == {"insula"}
