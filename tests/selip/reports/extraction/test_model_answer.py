"""What a model must answer about a report, and what is made of it."""

from __future__ import annotations

import importlib.util
import json
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selip.reports.extraction.model_answer import (
    AREAS,
    ELSEWHERE,
    LESION_TYPES,
    RESPONSE_FORMAT,
    Answer,
    AnswerError,
    extraction_of,
    read_answer,
    span_of,
)

spec = importlib.util.spec_from_file_location("completion_server", Path(__file__).with_name("completion_server.py"))
local = importlib.util.module_from_spec(spec)
spec.loader.exec_module(local)
GOOD, NOTHING, TEXT = (
    local.GOOD,
    local.NOTHING,
    local.TEXT,
)

WRONG = {
    "not JSON": ("Sure! Here are the findings:", "the answer: Invalid JSON"),
    "no content": ("", "the answer: Invalid JSON"),
    "cut off": (json.dumps(GOOD)[:-40], "the answer: Invalid JSON"),
    "another form": ([GOOD], "the answer: Input should be an object"),
    "a field missing": ({key: GOOD[key] for key in ("lesions", "signs", "normal")}, "multiple: Field required"),
    "a field too many": (GOOD | {"advice": "operate"}, "advice: Extra inputs are not permitted"),
    "no such value": (
        NOTHING | {"signs": [{"kind": "edema", "value": "maybe", "quote": "shift"}]},
        "signs.0.value: Input should be 'present' or 'absent'",
    ),
    "no such region": (
        NOTHING | {"lesions": [GOOD["lesions"][0] | {"places": [{"side": "left", "region": "knee", "quote": "left"}]}]},
        "lesions.0.places.0.region: Value error, 'knee' is no region of the schema",
    ),
    "an invented quote": (
        NOTHING | {"signs": [{"kind": "edema", "value": "present", "quote": "vasogenic edema"}]},
        "the quote 'vasogenic edema' is not in the report",
    ),
    "a part of a word": (NOTHING | {"normal": ["is norm"]}, "the quote 'is norm' is not in the report"),
    "a blank quote": (NOTHING | {"multiple": [" "]}, "the quote ' ' is not in the report"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_an_answer_that_is_not_valid_is_refused_with_one_line(wrong):
    content, problem = WRONG[wrong]
    with pytest.raises(AnswerError) as error:
        read_answer(content if isinstance(content, str) else json.dumps(content), TEXT)
    assert problem in str(error.value)
    assert "\n" not in str(error.value)


def test_a_valid_answer_is_read_as_it_is():
    assert read_answer(json.dumps(GOOD), TEXT).model_dump() == GOOD


def objects(schema):
    if isinstance(schema, dict):
        yield from [schema] if schema.get("type") == "object" else []
        for value in schema.values():
            yield from objects(value)


def test_the_schema_is_strict_and_knows_the_lexicon():
    found = list(objects(RESPONSE_FORMAT["json_schema"]["schema"]))
    assert len(found) == 5
    for schema in found:
        assert schema["additionalProperties"] is False
        assert schema["required"] == list(schema["properties"])
    assert not {"oneOf", "discriminator"} & set(json.dumps(found).replace('"', " ").split())
    assert {"frontal lobe", "falx"} <= set(AREAS)
    assert "meningioma" in LESION_TYPES


def lesion(*signals, region="thalamus", side="left"):
    return {
        "quote": "lesion",
        "lesion_type": "",
        "multiple": True,
        "enhancement": "unstated",
        "places": [{"side": side, "region": region, "quote": "here"}],
        "signals": [{"contrast": contrast, "polarity": polarity, "quote": "so"} for contrast, polarity in signals],
    }


def facts_of(answer):
    return [fact.as_list for fact in extraction_of(Answer.model_validate(answer), "lesion here so, and there").facts]


def test_signals_are_those_of_the_main_lesion_and_two_polarities_are_mixed():
    main = lesion(("T1", "low"), ("T1", "high"), ("T2", "high"), ("T1c", "high"))
    answer = NOTHING | {"lesions": [main, lesion(("FLAIR", "high"), region=ELSEWHERE)]}
    assert facts_of(answer) == [
        ["location", "left", "thalamus"],
        ["location", "left", "other"],
        ["signal", "T1", "mixed"],
        ["signal", "T2", "high"],
    ]
    first, second = extraction_of(Answer.model_validate(answer), "lesion here so").lesions
    assert first.signals == {"T1": "mixed signal", "T2": "high signal", "T1c": "high signal"}
    assert second.findings()[0].location == "left brain"


def test_present_outweighs_absent_and_a_fact_said_twice_is_one_with_two_spans():
    signs = [
        {"kind": "edema", "value": "absent", "quote": "so"},
        {"kind": "edema", "value": "present", "quote": "there"},
        {"kind": "edema", "value": "present", "quote": "here"},
        {"kind": "enhancement", "value": "absent", "quote": "so"},
    ]
    answer = NOTHING | {"signs": signs, "multiple": ["lesion"]}
    assert facts_of(answer) == [["edema", "present"], ["enhancement", "absent"], ["multiplicity", "multiple"]]
    text = "lesion here so, and there"
    edema = extraction_of(Answer.model_validate(answer), text).facts[0]
    assert [text[start:end] for start, end in edema.spans] == ["here", "there"]


@pytest.mark.parametrize(
    ("quote", "text", "said"),
    [
        ("high\nSIGNAL", "of High  signal.", "High  signal"),
        ("(T1", "on (T1)", "(T1"),
        ("left", "leftward, left", "left"),
        ("表现为高", "在左侧丘脑表现为高信号", "表现为高"),
        ("T1", "在T1上", "T1"),
        ("a.c", "abc a.c", "a.c"),
    ],
)
def test_a_quote_is_found_in_whole_words(quote, text, said):
    start, end = span_of(quote, text)
    assert text[start:end] == said


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet="aAbT1 \n.(左高"), st.data())
def test_every_run_of_whole_words_is_found_and_lies_in_the_text(text, data):
    words = text.split()
    first = data.draw(st.integers(0, len(words)))
    last = data.draw(st.integers(first, len(words)))
    quote = " ".join(words[first:last])
    if not quote:
        with pytest.raises(AnswerError):
            span_of(quote, text)
        return
    start, end = span_of(quote, text)
    assert text[start:end].lower().split() == quote.lower().split()


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from([*NOTHING, "quote", "places"]), inner),
)


@settings(max_examples=60, deadline=None)
@given(st.text() | JSON.map(json.dumps))
def test_no_content_gives_anything_but_an_answer_or_its_error(content):
    with suppress(AnswerError):
        assert read_answer(content, TEXT).model_dump() == json.loads(content)
