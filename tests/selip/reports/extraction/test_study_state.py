"""Normal, abnormal or unknown; what is denied, uncertain or gone; and the words that were not understood."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selip.cohorts.phantom import wording
from selip.data.findings import NORMAL_TEXT
from selip.reports.extraction.extractor import extract
from selip.reports.extraction.report_facts import as_mapping

NORMAL = (
    "Normal brain MRI.",
    "MRI of the head within normal limits.",
    "The brain is normal for age.",
    "Unremarkable study.",
    "No abnormal signal in the brain.",
    "No intracranial abnormality.",
    "No acute infarct, haemorrhage or mass. The ventricles and sulci are normal.",
    "No infarct. No abnormal enhancement.",
    "The brain parenchyma is of normal signal. Orbits are unremarkable. Midline structures are central.",
    "No infarct. No pachygyria or lissencephaly. Paranasal sinuses are clear.",
    "Retention cyst in the left maxillary sinus. Normal brain MRI.",
    "INDICATION: known glioma of the left insula.\nFINDINGS: No mass.\nIMPRESSION: Normal MRI.",
)
ABNORMAL = (
    "Orbits normal. Marked hydrocephalus.",
    "No infarct. Innumerable microbleeds.",
    "No infarct and innumerable microbleeds.",
    "Normal brain MRI apart from a small arachnoid cyst.",
    "There is a mass.",
    "The midline is shifted to the right.",
    "Normal ventricles. High signal on FLAIR in the left insula.",
    "No significant change in the left frontal meningioma.",
    "No contrast was given. Infarct in the left pons.",
    "No lesion other than the left frontal meningioma.",
    "There is no infarct except in the left pons.",
)
UNKNOWN = (
    "",
    "nan",
    "The invoice is enclosed.",
    "Orbits are normal.",
    "The ventricles are normal. Extensive pachygyria.",
    "No infarct. Extensive pachygyria.",
    "No infarct, marked pachygyria.",
    "No infarct. The ventricles are prominent.",
    "No infarct. The sulci are not normal.",
    "The brain is not normal.",
    "No oedema, mass effect or midline shift.",
    "No midline shift. No enhancement.",
    "No new lesions.",
    "No further diffusion restriction.",
    "Otherwise normal brain MRI.",
    "We cannot exclude a lesion in the right cerebellum.",
    "No haemorrhage. Possible infarct in the left thalamus.",
    "No infarct. The meningioma has been resected.",
    "Craniotomy on the left. No infarct.",
    "Mass not seen in the left thalamus but in the right thalamus.",
    "Infarct in the left thalamus is unlikely.",
    "Normal flow voids. Globally thickened calvarium.",
)


@pytest.mark.parametrize(
    ("text", "state"),
    [
        (text, state)
        for state, some in (("normal", NORMAL), ("abnormal", ABNORMAL), ("unknown", UNKNOWN))
        for text in some
    ],
)
def test_state(text, state):
    found = extract(text)
    assert (found.state, found.normal) == (state, state == "normal")
    assert as_mapping(found)["state"] == state
    assert (set(found.texts(["T1", "DWI"]).values()) == {NORMAL_TEXT}) == (state == "normal")


@given(st.permutations(NORMAL[:10]).map(lambda some: some[:4]), st.sampled_from([*ABNORMAL, *UNKNOWN[4:8]]))
@settings(max_examples=80, deadline=None)
def test_nothing_that_is_said_beside_it_makes_a_report_normal(normal, other):
    """Beside a whole study that is called normal an unknown word may stand, a finding may not."""
    assert extract(" ".join([NORMAL[0], *normal, other])).state == ("abnormal" if other in ABNORMAL else "normal")
    denied = [text for text in normal if text.startswith("No infarct")]
    assert extract(" ".join([*denied, other])).state == ("abnormal" if other in ABNORMAL else "unknown")


def test_normal_reports_of_the_phantom_are_normal_and_understood():
    rng = np.random.default_rng(0)
    for _ in range(200):
        found = extract(wording.report([], ["T1", "T2", "FLAIR", "DWI", "ADC", "T1c"], rng))
        assert (found.state, found.not_understood) == ("normal", ()), found.text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("No infarct. Extensive pachygyria with polymicrogyria.", ("pachygyria", "polymicrogyria")),
        ("No pachygyria.", ()),
        ("Pachygyria is not seen.", ()),
        ("No infarct. The ventricles are prominent.", ("prominent",)),
        ("Infarct in the left pons and cryptotubulin.", ("cryptotubulin",)),
        ("Schlaganfall links.", ("schlaganfall", "links")),
        ("A lesion of 5 mm, 2.3 cm and 1x2x3 mm in the left insula.", ()),
    ],
)
def test_words_that_were_not_understood(text, words):
    assert extract(text).not_understood == words


HEDGES = (
    "We cannot exclude {}.",
    "Cannot entirely rule out {}.",
    "{} cannot be excluded.",
    "{} is not completely ruled out.",
    "Possible {}.",
    "Findings suspicious for {}.",
    "Suspected {}.",
    "No definite {}.",
    "? {}.",
    "{}?",
    "{} is possible.",
    "This may represent {}.",
    "R/o {}.",
    "Concern for {}.",
)
DENIALS = (
    "No {}.",
    "No evidence of {}.",
    "{} is not seen.",
    "{} is excluded.",
    "Without {}.",
    "Negative for {}.",
    "There is no sign of {}.",
)
GONE = (
    "Previously seen {} has resolved.",
    "{} has been resected.",
    "{} is no longer visible.",
    "Status post resection of {}.",
    "The {} seen previously has disappeared.",
    "Previously seen {}.",
    "Interval resolution of {}.",
)
STAYS = (
    "No significant change in {}.",
    "No interval change of {}.",
    "{} is unchanged.",
    "Previously seen {} is unchanged.",
    "Partially resected {}.",
    "No growth of {}.",
    "No contrast was given; {}.",
    "MRI without contrast shows {}.",
    "Without gadolinium there is {}.",
    "{} without enhancement.",
    "No midline shift. {}.",
    "No oedema around the {}.",
    "There is no mass effect from the {}.",
    "No enhancement of the {}.",
    "No haemorrhage within the {}.",
    "Oedema around the {} is not seen.",
)
things = st.sampled_from(["acute infarct in the left thalamus", "left frontal meningioma", "mass in the right pons"])


@given(things, st.sampled_from(HEDGES))
def test_doubt_is_kept_as_doubt(thing, frame):
    found = extract(frame.format(thing))
    assert (found.state, found.findings(), found.denied) == ("unknown", [], ())
    assert [lesion.places for lesion in found.uncertain] == [lesion.places for lesion in extract(thing).lesions]


@given(things, st.sampled_from(DENIALS))
def test_what_is_denied_is_neither_there_nor_uncertain(thing, frame):
    found = extract(frame.format(thing))
    assert (found.findings(), found.uncertain, len(found.denied)) == ([], (), 1)


@pytest.mark.parametrize(
    ("text", "denied"),
    [
        ("The mass in the left insula shows no haemorrhage or calcification.", ("haemorrhage", "calcification")),
        ("No haemorrhage in the left thalamus or infarct.", ("haemorrhage", "infarct")),
        (
            "No restricted diffusion to suggest the presence of acute infarct.",
            ("restricted diffusion", "acute infarct"),
        ),
        ("No evidence of the infarct.", ("infarct",)),
        ("No mass, infarct, haemorrhage.", ("mass", "infarct", "haemorrhage")),
        ("No infarct, ring enhancement in the left insula.", ("infarct",)),
    ],
)
def test_the_reach_of_a_denial(text, denied):
    assert extract(text).denied == denied


@given(things, st.sampled_from(GONE))
def test_what_is_gone_is_not_there_and_the_study_not_normal(thing, frame):
    found = extract(frame.format(thing))
    assert (found.state, found.findings(), found.uncertain) == ("unknown", [], ())


@given(things, st.sampled_from(STAYS))
def test_a_denial_of_something_else_leaves_it_there(thing, frame):
    assert extract(frame.format(thing)).findings() == extract(thing).findings()


@pytest.mark.parametrize(
    ("text", "t1c"),
    [
        ("Left insular mass, low on T1, high on T2, without enhancement.", "at left insula shows low signal"),
        ("High FLAIR signal in the left insula. No enhancement.", "at left insula shows no enhancement"),
        ("High FLAIR signal in the left insula.", None),
        ("Enhancing mass in the left insula.", "at left insula shows high signal"),
    ],
)
def test_a_denied_enhancement_says_what_t1c_shows(text, t1c):
    assert extract(text).texts(["T1c", "FLAIR"]).get("T1c") == t1c


def test_a_denied_enhancement_opens_no_lesion():
    found = extract("No abnormal enhancement after gadolinium.")
    assert (found.lesions, [fact.as_list for fact in found.facts]) == ((), [["enhancement", "absent"]])
