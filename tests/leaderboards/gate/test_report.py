"""Markdown, JUnit XML and JSON say the same of a comparison, and say what was not measured."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import pytest

from leaderboards.gate.comparison import read_side
from leaderboards.gate.quality_gate import compare
from leaderboards.gate.report import GATE_COLUMNS, SIGNS, cells_of, gate_json, gate_junit, gate_markdown, summary

SKILLS = {"clip": (1.3, 1.3), "selip": (2.0, 0.0), "clip_x2": (1.3, 0.8)}
OUTCOMES = {"clip": "pass", "clip_x2": "inconclusive", "selip": "regress"}


@pytest.fixture(scope="module")
def gate(tmp_path_factory, factory):
    """One line of each outcome."""
    sides = []
    for number, name in enumerate(("reference", "candidate")):
        folder = tmp_path_factory.mktemp("gate") / name
        for method, skills in SKILLS.items():
            factory.add_run(folder, method, 0, 24, skills[number], command=f"selip run {name} | tee log")
        sides.append(read_side(folder))
    return compare(*sides, {}, n_resamples=500)


def test_there_is_one_line_of_each_outcome(gate):
    assert {line.pair.label: line.outcome for line in gate.lines} == OUTCOMES
    assert summary(gate) == "regress (exit code 1): 1 regress, 1 inconclusive, 1 pass of 3 guarded metrics"


def test_the_comment_has_the_verdict_first_then_what_changed_and_the_rest_folded(gate):
    page = gate_markdown(gate)
    assert page.startswith("# Quality gate: SYNTHETIC cohort phantom-quick\n")
    assert "**SYNTHETIC**" in page
    said, folded = page.split("<details>", 1)
    assert f"**❌ {summary(gate)}.**" in said
    assert f"| {' | '.join(GATE_COLUMNS)} | sign |" in said
    rows, shown = (
        [one for one in part.splitlines() if one.startswith(("| clip", "| selip"))] for part in (folded, said)
    )
    assert len(rows) == 3
    assert len(shown) == 2, "the one that passes is folded"
    for line in gate.lines:
        (row,) = (row for row in rows if row.startswith(f"| {line.pair.label} |"))
        assert f"{line.reference:.3f} | {line.candidate:.3f}" in row
        assert f"[{line.difference.lower:.3f}, {line.difference.upper:.3f}]" in row
        assert f"| {line.outcome} | {SIGNS[line.outcome]} |" in row
    for name in ("reference", "candidate"):
        assert f"| {name} command | selip run {name} \\| tee log |" in folded
        assert f"| {name} commit | 0123456789abcdef" in folded
    assert page.count("<details>") == page.count("</details>") == 2


def test_the_junit_file_fails_what_regresses_and_skips_what_is_not_known(gate):
    root = ElementTree.fromstring(gate_junit(gate))
    (suite,) = root
    for element in (root, suite):
        assert {name: element.get(name) for name in ("tests", "failures", "errors", "skipped")} == {
            "tests": "3", "failures": "1", "errors": "0", "skipped": "1",
        }  # fmt: skip
    found = {case.get("classname"): [child.tag for child in case] for case in suite.iter("testcase")}
    assert found == {"retrieval.clip": [], "retrieval.clip_x2": ["skipped"], "retrieval.selip": ["failure"]}
    assert "selip, retrieval" in suite.find(".//failure").get("message")
    assert "inconclusive" in suite.find(".//skipped").get("message")
    assert suite.find(".//property[@name='candidate command']").get("value") == "selip run candidate | tee log"


def test_the_json_has_the_numbers(gate):
    found = json.loads(gate_json(gate))
    assert (found["outcome"], found["exit_code"], found["synthetic"]) == ("regress", 1, True)
    assert {line["method"]: line["outcome"] for line in found["lines"]} == OUTCOMES
    for entry, line in zip(found["lines"], gate.lines, strict=True):
        assert entry["difference"] == line.difference._asdict()
        assert (entry["reference"], entry["candidate"], entry["margin"]) == (
            line.reference,
            line.candidate,
            line.margin,
        )
        assert entry["seeds"] == {"reference": [0], "candidate": [0]}
    assert "1 and 1 seeds, SD 0.032 with 32 degrees of freedom" in found["policy"]["seeds"]


def test_without_an_interval_json_has_null_and_the_page_says_so(tmp_path, factory):
    factory.add_run(tmp_path, "selip", 0, 2)
    side = read_side(tmp_path)
    found = compare(side, side, {}, n_resamples=50)
    difference = json.loads(gate_json(found))["lines"][0]["difference"]
    assert (difference["lower"], difference["upper"]) == (None, None)
    assert "no interval" in cells_of(found.lines[0])[5]
