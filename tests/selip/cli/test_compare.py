"""`selip compare` as a user types it, on made-up records: exit codes, reports, and a new reference."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from leaderboards.gate.comparison import read_side
from selip.cli.main import main

spec = importlib.util.spec_from_file_location(
    "leaderboard_records", Path(__file__).parents[2] / "leaderboards" / "conftest.py"
)
factory = importlib.util.module_from_spec(spec)
spec.loader.exec_module(factory)


@pytest.fixture
def compare(monkeypatch, capsys):
    """Exit code, standard output and standard error of `selip compare ARGUMENTS`."""

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["selip", "compare", *map(str, arguments)])
        monkeypatch.setenv("COLUMNS", "200")
        with pytest.raises(SystemExit) as stop:
            main()
        said = capsys.readouterr()
        return stop.value.code, said.out, said.err

    return call


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Run directories of one method, by how good it is."""
    folders = {}
    for name, skill in {"good": 2.0, "fair": 1.5, "poor": 0.0}.items():
        folders[name] = tmp_path_factory.mktemp("runs") / name
        factory.add_run(folders[name], "selip", 0, 24, skill)
    return folders


@pytest.mark.parametrize(
    ("reference", "candidate", "code", "word"),
    [("good", "good", 0, "pass"), ("good", "poor", 1, "regress"), ("good", "fair", 3, "inconclusive")],
)
def test_the_exit_code_is_the_verdict(runs, compare, reference, candidate, code, word):
    found, out, err = compare(runs[reference], runs[candidate])
    assert found == code
    assert f"gate: {word} (exit code {code})" in out
    assert "SYNTHETIC" in out
    assert "seeds: retrieval co_primary: 1 and 1 seeds, SD 0.032 with 32 degrees of freedom" in out
    assert "Traceback" not in err


def test_the_reports_are_written_also_when_it_regresses(runs, compare, tmp_path):
    files = {kind: tmp_path / "out" / f"gate.{kind}" for kind in ("junit", "markdown", "json")}
    options = [part for kind, path in files.items() for part in (f"--{kind}", path)]
    assert compare(runs["good"], runs["poor"], *options)[0] == 1
    assert ElementTree.parse(files["junit"]).getroot().get("failures") == "1"
    assert "regress" in files["markdown"].read_text()
    assert json.loads(files["json"].read_text())["exit_code"] == 1


def test_margins_of_a_file_decide(runs, compare, tmp_path):
    margins = tmp_path / "margins.yaml"
    margins.write_text("retrieval: {co_primary: {absolute: 1}}\n")
    assert compare(runs["good"], runs["poor"], "--margins", margins)[0] == 0
    margins.write_text("retrieval: {co_primary: {absolute: 1}, image_to_text_MRR: {absolute: 0.01}}\n")
    assert compare(runs["good"], runs["poor"], "--margins", margins)[0] == 1


@pytest.fixture(scope="module")
def other_split(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "split"
    factory.add_run(folder, "selip", 0, 24, 2.0, split_fingerprint="other")
    return folder


def test_wrong_input_is_one_line_and_exit_2_and_writes_nothing(runs, other_split, compare, tmp_path):
    margins = tmp_path / "margins.yaml"
    margins.write_text("retrieval: {image_to_text_R@10: {absolut: 1}}\n")
    report = tmp_path / "gate.md"
    for arguments, message in [
        ((runs["good"], other_split), "split fingerprints"),
        ((runs["good"], tmp_path / "nowhere"), "got no records in"),
        ((tmp_path / "nowhere", runs["good"]), "got no records in"),
        ((margins, runs["good"]), "no record of schema"),
        ((runs["good"], runs["good"], "--margins", margins), "did you mean 'absolute'"),
        ((runs["good"], runs["good"], "--margins", tmp_path / "none.yaml"), "unreadable margins file"),
        ((runs["good"], other_split, "--update-reference"), "split fingerprints"),
        ((tmp_path / "nowhere", runs["good"], "--update-reference"), "--update-reference without reports"),
        ((runs["good"],), "Missing argument"),
    ]:
        code, _, said = compare(*arguments, "--markdown", report)
        assert code == 2, message
        assert message in said
        assert said.count("\n") == 1, said
        assert not report.exists()
        assert not (tmp_path / "nowhere").exists()


def test_update_reference_begins_a_reference_and_takes_a_worse_one_only_when_asked(runs, compare, tmp_path):
    reference = tmp_path / "reference"
    code, out, _ = compare(reference, runs["good"], "--update-reference")
    assert (code, "added: selip--0.json" in out) == (0, True)
    assert compare(reference, runs["poor"])[0] == 1
    assert read_side(reference).records == read_side(runs["good"]).records, "not asked, not changed"
    code, out, _ = compare(reference, runs["poor"], "--update-reference")
    assert code == 0
    assert "gate: regress" in out, "what changed is shown"
    assert "replaced: selip--0.json" in out
    assert compare(reference, runs["poor"])[0] == 0


@pytest.fixture(scope="module")
def two_methods(tmp_path_factory):
    """A run directory with selip, poor, and one with clip, good; each has another method beside."""
    folders = {}
    for name, (method, skill) in {"selip": ("selip", 0.0), "clip": ("clip", 2.0)}.items():
        folders[name] = tmp_path_factory.mktemp("methods") / name
        factory.add_run(folders[name], method, 0, 24, skill)
        factory.add_run(folders[name], "label_smoothing", 0, 24, 1.0)
    return folders


def test_two_methods_are_compared_when_asked_to(two_methods, compare, tmp_path):
    report = tmp_path / "gate.json"
    arguments = (two_methods["clip"], two_methods["selip"], "--methods", "clip,selip", "--json", report)
    code, out, _ = compare(*arguments)
    assert code == 1
    assert "selip against clip" in out
    (line,) = json.loads(report.read_text())["lines"]
    assert (line["method"], line["candidate_method"], line["outcome"]) == ("clip", "selip", "regress")
    assert line["difference"]["value"] == pytest.approx(line["candidate"] - line["reference"])
    assert compare(two_methods["selip"], two_methods["clip"], "--methods", "selip,clip")[0] == 0


def test_two_single_records_of_different_methods_are_compared_when_asked_to(two_methods, compare):
    one, other = (two_methods[name] / "records" / f"{name}--0.json" for name in ("clip", "selip"))
    assert compare(one, other, "--methods", "clip,selip")[0] == 1
    code, _, err = compare(one, other)
    assert (code, "clip on retrieval in the reference alone" in err) == (2, True)


def test_an_ablation_is_named_as_the_table_does(tmp_path, compare):
    factory.add_run(tmp_path, "selip", 0, 24, 2.0)
    factory.add_run(tmp_path, "selip", 0, 24, 0.0, ablation="lambda_0")
    assert compare(tmp_path, tmp_path, "--methods", "selip,selip [lambda_0]")[0] == 1


def test_wrong_methods_are_one_line_and_exit_2(two_methods, runs, other_split, compare):
    good = runs["good"]
    for arguments, message in [
        ((good, good, "--methods", "selip"), "got --methods selip; name two"),
        ((good, good, "--methods", "selip,"), "got --methods selip,; name two"),
        ((good, good, "--methods", "selip,clip"), f"got no clip in {good}; allowed: selip"),
        ((good, good, "--methods", "selip,selip", "--update-reference"), "leave one of them out"),
        ((two_methods["clip"], other_split, "--methods", "clip,selip"), "split fingerprints"),
    ]:
        code, _, said = compare(*arguments)
        assert code == 2, message
        assert message in said
        assert said.count("\n") == 1, said
