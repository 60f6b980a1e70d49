from __future__ import annotations

import json
import re
import textwrap
import time
from collections import Counter

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from selip.cohorts.phantom import wording
from selip.cohorts.phantom.patients import draw_studies
from selip.cohorts.phantom.profiles import resolve
from selip.cohorts.phantom.regions import REGIONS, sides_of
from selip.data.findings import NORMAL_TEXT, findings_text, parse_findings_text, swap_sides
from selip.data.sides import can_flip
from selip.reports.extraction.extractor import LANGUAGES, extract
from selip.reports.extraction.lexicon import lexicon
from selip.system.errors import InputError

KINDS = ("location", "signal", "enhancement", "edema", "midline_shift", "ventricle_compression", "multiplicity")
SWAPPED = {"left": "right", "right": "left"}
ABBREVIATED = {"l", "lt", "r", "rt"}  # swap_sides swaps the words
PHRASES = [
    " ".join(words) for some in lexicon("en").entries.values() for words, _, _ in some if ABBREVIATED.isdisjoint(words)
]
ANY_CHARACTER = st.characters()
radiology = st.lists(
    st.sampled_from([*PHRASES, *'.,;:()/\n"-', "with", "on", "and", "or", "the", "is", "of", "5 mm"])
).map(" ".join)


@pytest.fixture(scope="session")
def radgenome(real_data):
    folder = real_data / "radgenome"
    return {path.stem: json.loads(path.read_text()) for path in folder.glob("*.json")}


def as_set(found):
    return {tuple(fact.as_list) for fact in found.facts}


def f1(both, extra, missing):
    return 2 * both / (2 * both + extra + missing)


def test_facts_of_real_reports(radgenome, record_property):
    both, extra, missing = Counter(), Counter(), Counter()
    for name, gold in radgenome["gold_facts"].items():
        wanted, got = {tuple(fact) for fact in gold}, as_set(extract(radgenome["global_finding"][name]))
        for counter, facts in ((both, wanted & got), (extra, got - wanted), (missing, wanted - got)):
            counter.update(fact[0] for fact in facts)
    for kind in KINDS:
        record_property(kind, f1(both[kind], extra[kind], missing[kind]))
        assert f1(both[kind], extra[kind], missing[kind]) >= 0.92, (
            f"{kind}: {extra[kind]} extra, {missing[kind]} missing"
        )
    assert f1(both.total(), extra.total(), missing.total()) >= 0.97


def test_every_real_report_is_recognised_and_its_swap_is_swapped(radgenome):
    for text in radgenome["global_finding"].values():
        found = extract(text)
        assert found.lesions
        assert swapped(as_set(found)) == as_set(extract(swap_sides(text)))


def swapped(facts):
    return {tuple(SWAPPED.get(word, word) for word in fact) for fact in facts}


def phantom_studies(profile, patients):
    points = {(name, side): np.zeros((3, 3)) for name in REGIONS for side in sides_of(name)}
    for study in draw_studies(resolve(profile, {"n_patients": patients}), 7, points):
        rng = np.random.default_rng(study.index)
        yield study, wording.report(study.findings, study.contrasts, rng)


def told(finding, text):
    """The lesion type, where the report names it."""
    names = wording._TYPE_NAMES[finding.lesion_type]
    return finding.lesion_type if any(name.lower() in text.lower() for name in names) else ""


@pytest.mark.parametrize("profile", ["quick", "standard", "hard"])
def test_findings_of_phantom_reports_are_the_truth(profile):
    right = []
    for study, text in phantom_studies(profile, 150):
        truth = [finding for finding in study.findings if finding.signals]
        found = extract(text)
        wanted = {(told(f, text), f.region, f.side, f.multiple, tuple(sorted(f.signals.items()))) for f in truth}
        got = {
            (f.lesion_type, f.region, f.side, f.multiple, tuple(sorted(f.signals.items()))) for f in found.findings()
        }
        right.append(wanted == got and (bool(truth) or set(found.texts(study.contrasts).values()) == {NORMAL_TEXT}))
    assert np.mean(right) >= 0.99


def test_texts_of_phantom_reports_are_those_of_the_truth():
    same = []
    for study, text in phantom_studies("standard", 60):
        texts = extract(text).texts(study.contrasts)
        for contrast in study.contrasts:
            clauses = [finding.clause(contrast) for finding in study.findings]
            truth = findings_text(clause for clause in clauses if clause)
            # A contrast that does not show the lesions is not spoken of.
            same.append(texts.get(contrast, NORMAL_TEXT) == truth)
    assert np.mean(same) >= 0.99


@given(st.text(ANY_CHARACTER, max_size=300) | radiology, st.sampled_from(LANGUAGES))
@settings(max_examples=150, deadline=None)
def test_any_text_gives_facts_with_spans_inside_it(text, language):
    found = extract(text, language)
    assert found == extract(text, language)
    assert len(as_set(found)) == len(found.facts)
    for fact in found.facts:
        assert fact.kind in KINDS
        assert list(fact.spans) == sorted(set(fact.spans))
        assert fact.spans
        assert all(0 <= start < end <= len(text) for start, end in fact.spans)
    for contrast, clauses in found.texts(["T1", "FLAIR"]).items():
        assert contrast in ("T1", "FLAIR")
        assert clauses.strip()


@given(radiology)
@settings(max_examples=150, deadline=None)
def test_swapping_sides_of_a_text_swaps_those_of_its_facts(text):
    assume(can_flip(text))  # "not right" may be wrong or a side: such a text is not flipped
    assert as_set(extract(swap_sides(text))) == swapped(as_set(extract(text)))


@given(
    st.lists(
        st.sampled_from(["no", "left", "frontal lobe", "high signal", "on T1", "around", "compressed", ","]), min_size=5
    )
)
@settings(max_examples=10, deadline=None)
def test_time_grows_with_the_length_only(words):
    text = " ".join(words) + " "
    began = time.process_time()
    extract(text * (20_000 // len(text)))
    assert time.process_time() - began < 3


def test_order_of_sentences_about_different_things_does_not_matter():
    parts = [
        "There is a mass in the left thalamus, low on T1.",
        "No midline shift.",
        "The right lateral ventricle is compressed.",
    ]
    assert {frozenset(as_set(extract(" ".join(order)))) for order in (parts, parts[::-1])} == {
        frozenset(as_set(extract(" ".join(parts))))
    }


@pytest.mark.parametrize("text", ["", " \n", "The patient was well.", "今天天气好", "12345 ... ---"])
def test_other_texts_are_kept_sentence_by_sentence(text):
    found = extract(text)
    assert not found.recognised
    assert found.clauses() == parse_findings_text(text)
    assert found.texts(["T1"]) == {}


@pytest.mark.parametrize("text", ["Normal brain MRI.", "No abnormal signal in the brain.", "No mass or haemorrhage."])
def test_a_normal_report_is_normal_on_every_contrast(text):
    assert extract(text).texts(["T1", "DWI"]) == {"T1": NORMAL_TEXT, "DWI": NORMAL_TEXT}


def test_unknown_language():
    with pytest.raises(InputError, match="got language 'fr'; allowed: en, zh"):
        extract("", "fr")


@pytest.mark.speed
def test_two_thousand_reports_a_second(radgenome):
    texts = list(radgenome["global_finding"].values())
    extract(texts[0])
    began = time.process_time()
    for text in texts:
        extract(text)
    assert len(texts) / (time.process_time() - began) > 2000


LAYOUTS = {
    "upper": str.upper,
    "wrapped": lambda text: textwrap.fill(text, 40, break_long_words=False),
    "wrapped capitals": lambda text: textwrap.fill(text, 72).upper(),
    "crlf": lambda text: textwrap.fill(text, 60).replace("\n", "\r\n"),
    "paragraphs": lambda text: "<p>" + text.replace(". ", ".</p>\n<p>") + "</p>",
    "list": lambda text: "- " + text.replace(". ", ".\n- "),
    "no space": lambda text: re.sub(r"(?<=[a-z])\. (?=[A-Z])", ".", text),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layout_of_real_reports_changes_nothing(radgenome, layout):
    for text in list(radgenome["global_finding"].values())[::4]:
        found, changed = extract(text), extract(LAYOUTS[layout](text))
        assert (as_set(found), found.findings(), found.state) == (as_set(changed), changed.findings(), changed.state)
