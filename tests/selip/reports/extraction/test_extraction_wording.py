from __future__ import annotations

from collections import Counter
from importlib.resources import files

import pytest
import yaml

from selip.cohorts.phantom.lesions import ATROPHY_REGION, KINDS
from selip.cohorts.phantom.regions import REGIONS, whole_of
from selip.data.findings import CONTRASTS
from selip.reports.extraction.extractor import apart
from selip.reports.extraction.lexicon import LANGUAGES, lexicon, sentences
from selip.reports.extraction.report_facts import Place

GUIDE_REGIONS = {
    "frontal lobe", "parietal lobe", "temporal lobe", "occipital lobe", "insula", "cingulate",
    "basal ganglia", "thalamus", "internal capsule", "corona radiata", "centrum semiovale", "corpus callosum",
    "hippocampus", "cerebellum", "brainstem", "lateral ventricle", "third ventricle", "fourth ventricle",
    "periventricular", "sellar region", "cerebellopontine angle", "skull base", "falx/parasagittal",
    "tentorium", "cavernous sinus", "sphenoid ridge", "olfactory groove", "convexity/calvaria",
    "cerebral hemisphere", "other",
}  # fmt: skip
NO_PHRASES = {
    "spaced", "prefixes", "unpaired", "vague", "words", "parts", "headings", "abbreviations", "asks", "goes_on",
    "plain",
}  # fmt: skip
RIGHT = {"left": "right", "l": "r", "lt": "rt"}
OTHER_SIDE = RIGHT | {right: left for left, right in RIGHT.items()}
languages = pytest.mark.parametrize("language", LANGUAGES)


def raw(language):
    return yaml.safe_load(
        (files("selip.reports.extraction") / "wording" / f"{language}.yaml").read_text(encoding="utf-8")
    )


def written(data):
    """Every phrase of a wording file, with repetitions."""
    for kind, section in data.items():
        if kind == "regions":
            yield from (phrase for regions in section.values() for some in regions.values() for phrase in some)
        elif kind not in NO_PHRASES:
            groups = [section] if isinstance(section, list) else section.values()
            yield from (phrase for some in groups for phrase in some)


@languages
def test_regions_are_those_of_the_facts(language):
    assert set(raw(language)["regions"]) == GUIDE_REGIONS


@languages
def test_every_phrase_is_written_once(language):
    assert [phrase for phrase, count in Counter(written(raw(language))).items() if count > 1] == []


@languages
def test_every_phrase_is_read_as_what_it_stands_for(language):
    known = lexicon(language)
    for some in known.entries.values():
        for words, kind, value in some:
            (sentence,) = sentences((" " if known.spaced else "").join(words), known)
            assert (sentence.marks[-1].kind, sentence.marks[-1].value) == (kind, value)


@languages
def test_unpaired_and_vague_regions_and_contrasts_are_known(language):
    known = lexicon(language)
    assert known.unpaired | known.vague <= set(known.area)
    assert set(raw(language)["contrast"]) >= set(CONTRASTS)


def test_both_languages_have_the_same_function_words():
    one, other = (set(raw(language)["words"]) for language in LANGUAGES)
    assert one == other


def test_phantom_regions_and_types_have_wording():
    wholes = {whole_of(region) for region in REGIONS}  # a part is read as the lobe that it belongs to
    assert {*wholes, ATROPHY_REGION} <= set(lexicon("en").area)
    assert set(KINDS) <= set(raw("en")["type"])


def test_sides_are_written_alike():
    data = raw("en")
    for section in ("side", "direction"):
        swapped = [" ".join(OTHER_SIDE.get(word, word) for word in phrase.split()) for phrase in data[section]["left"]]
        assert swapped == data[section]["right"]


@pytest.mark.parametrize(
    ("places", "expected"),
    [
        ("left frontal lobe", False),
        ("left frontal lobe, left parietal lobe", False),
        ("left frontal lobe, left occipital lobe", True),
        ("left frontal lobe, left parietal lobe, left occipital lobe", False),
        ("left frontal lobe, right frontal lobe", True),
        ("bilateral frontal lobe", True),
        ("bilateral frontal lobe, midline corpus callosum", False),
        ("left occipital lobe, right cerebellum", True),
        ("unspecified cerebellum", False),
    ],
)
def test_places_that_touch(places, expected):
    split = [place.split(" ", 1) for place in places.split(", ")]
    found = [Place(region, side, region) for side, region in split]
    assert apart(found) is expected
    assert apart(found[::-1]) is expected


def test_no_place_is_not_apart():
    assert not apart([])
