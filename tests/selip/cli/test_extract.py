from __future__ import annotations

import json

import pytest

from selip.cli.texts import read_reports
from selip.reports.extraction.extractor import extract
from selip.system.errors import InputError

REPORT = "A mass in the left thalamus, low signal on T1. No midline shift."
FACTS = [["location", "left", "thalamus"], ["signal", "T1", "low"], ["midline_shift", "absent"]]


@pytest.fixture
def run(command):
    return lambda *arguments: command("extract", *arguments)


@pytest.fixture
def write(tmp_path):
    def call(name, content):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return call


def test_a_text_is_shown_with_the_words_that_say_it(run):
    code, out, _ = run("--text", REPORT)
    assert code == 0
    for word in ("left … thalamus", "low … T1", "midline … shift", "1 reports, 3 facts; nothing recognised in 0"):
        assert word in out


def test_sentences_stand_where_nothing_is_recognised(run):
    code, out, _ = run("--text", "The patient was well. [bold]Nothing[/bold] else.")
    assert code == 0
    assert "nothing recognised in 1" in out
    assert "[bold]Nothing[/bold] else" in out


def test_what_is_denied_uncertain_and_not_understood_has_a_line(run):
    _, out, _ = run("--text", "No infarct. Possible glioma in the left pons. Extensive pachygyria.")
    lines = out.splitlines()
    for line in ("text: unknown", "denied: infarct", "uncertain: glioma (left pons)", "not understood: pachygyria"):
        assert line in [one.strip() for one in lines]
    assert lines[-1].endswith("normal 0, abnormal 0, unknown 1")


def test_facts_of_a_json_file(run, write):
    code, out, err = run(write("reports.json", json.dumps({"a": REPORT, "b": ""})), "--facts")
    assert code == 0
    assert json.loads(out) == {"a": FACTS, "b": []}
    assert "2 reports, 3 facts; nothing recognised in 1" in err


def test_json_has_spans_findings_and_clauses(run, write):
    path = write("reports.csv", f'study,report\na,"{REPORT}"\n')
    code, out, _ = run(path, "--json")
    found = json.loads(out)["a"]
    assert code == 0
    assert [[fact["kind"], *fact["values"]] for fact in found["facts"]] == FACTS
    assert all(REPORT[start:end] for fact in found["facts"] for start, end in fact["spans"])
    assert found["clauses"] == ["at left thalamus shows low signal"]
    assert found["findings"][0]["region"] == "thalamus"
    assert found["recognised"]
    assert (found["state"], found["normal"], found["uncertain"], found["not_understood"]) == ("abnormal", False, [], [])


def test_chinese(run):
    code, out, _ = run("--text", "在左侧额叶表现为高信号", "--language", "zh", "--facts")
    assert code == 0
    assert json.loads(out) == {"text": [["location", "left", "frontal lobe"]]}


@pytest.mark.parametrize("header", ["study", "id"])
def test_csv_rows_are_named_by_their_study(write, header):
    path = write("reports.csv", f"{header},contrast,report\na,T1,one\na,T2,one\nb,T1,two\n")
    assert read_reports(path) == {"a": "one", "b": "two"}


def test_csv_rows_without_a_name_are_numbered(write):
    assert read_reports(write("reports.CSV", "report\none\ntwo\n")) == {"1": "one", "2": "two"}


def test_a_byte_order_mark_is_no_part_of_the_file(write):
    assert read_reports(write("reports.csv", b"\xef\xbb\xbfreport\none\n")) == {"1": "one"}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.json", "", "which is empty"),
        ("a.json", "{", "not JSON"),
        ("a.json", "[" * 100_000, "not JSON"),
        ("a.json", "[1]", "JSON of another form"),
        ("a.json", '{"a": 1}', "JSON of another form"),
        ("a.json", "{}", "without any text"),
        ("a.json", '{"a": " "}', "without any text"),
        ("a.json", '{"a": "\\ud800 mass"}', "half a character"),
        ("a.json", b"\xff\xfe{}", "not UTF-8"),
        ("a.csv", "study,text\na,b\n", "add a column report"),
        ("a.csv", "study,report\n", "without any text"),
        ("a.csv", 'study,report\na,"b\n', "not CSV"),
        ("a.csv", "study,report\na,b\na,c\n", "two reports of a"),
        ("a.txt", "text", "name a .json, .csv or .tsv file"),
    ],
)
def test_wrong_files_are_refused_in_one_line(run, write, name, content, message):
    path = write(name, content)
    with pytest.raises(InputError, match=message):
        read_reports(path)
    code, out, err = run(path)
    assert (code, out) == (2, "")
    assert err.startswith("selip: got ")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--text", ""),
        ("nowhere.json",),
        (".",),
        ("a.json", "--text", "mass"),
        ("--text", "mass", "--json", "--facts"),
        ("--text", "mass", "--language", "fr"),
        ("--text", "mass", "--model", "m"),
        ("--text", "mass", "--cache", "folder"),
        ("--text", "mass", "--model", "m", "--endpoint", ""),
        ("--text", "mass", "--endpoint", "http://localhost:1/v1"),
    ],
)
def test_wrong_arguments_are_refused_in_one_line(run, arguments):
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith("selip: ")
    assert err.count("\n") == 1


def test_an_endpoint_is_asked_only_when_named(run, monkeypatch, tmp_path):
    asked = []

    def answer(texts, endpoint, report):
        asked.append((dict(texts), endpoint.url, endpoint.model, endpoint.cache))
        return {name: extract(text) for name, text in texts.items()}

    monkeypatch.setattr("selip.reports.extraction.endpoint_extractor.extract_with_model", answer)
    assert run("--text", REPORT, "--facts")[0] == 0
    assert asked == []
    code, out, _ = run(
        "--text", REPORT, "--facts", "--endpoint", "http://localhost:1/v1", "--model", "m", "--cache", tmp_path
    )
    assert code == 0
    assert json.loads(out) == {"text": FACTS}
    assert asked == [({"text": REPORT}, "http://localhost:1/v1", "m", tmp_path)]


def test_no_valid_answer_at_all_is_an_error(run, monkeypatch):
    monkeypatch.setattr("selip.reports.extraction.endpoint_extractor.extract_with_model", lambda *_: {})
    code, out, err = run("--text", REPORT, "--endpoint", "http://localhost:1/v1", "--model", "m")
    assert (code, out) == (2, "")
    assert "got no valid answer for any of 1 reports" in err
