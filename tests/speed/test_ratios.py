"""The gate of the speed tests, on results written here; it runs with the other tests, not with `tox run -e speed`."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path

import pytest

spec = importlib.util.spec_from_file_location("ratios", Path(__file__).parent / "ratios.py")
ratios = importlib.util.module_from_spec(spec)
spec.loader.exec_module(ratios)

MACHINE = ratios.machine_of(
    {"machine_info": {"cpu": {"brand_raw": "Some CPU", "count": 2}, "python_version": "3.11.7"}}
)
TEST, OTHER = "tests/speed/test_a.py::test_b[c]", "tests/speed/test_a.py::test_d"


@pytest.fixture
def run(tmp_path):
    """run({test: facts}, *options): exit status of the script on a result file, with floors in a folder of its own."""

    def with_facts(facts, *options, cpu="Some CPU"):
        tests = [{"name": name.split("::")[1], "fullname": name, "extra_info": info} for name, info in facts.items()]
        machine = {"cpu": {"brand_raw": cpu, "count": 2}, "processor": "", "python_version": "3.11.7"}
        results = tmp_path / "speed.json"
        results.write_text(json.dumps({"machine_info": machine, "benchmarks": tests}))
        return ratios.main([str(results), *options], tmp_path / "ratios.json")

    return with_facts


def lines(capsys):
    return [line for line in capsys.readouterr().out.splitlines() if line.startswith("REGRESSION")]


def test_update_writes_what_was_measured_and_half_of_it_as_floor(run, tmp_path, capsys):
    assert run({TEST: {"times_faster_than_a_loop": 12.346, "seconds": 3.0, "reference": "a loop"}}, "--update") == 0
    stored = json.loads((tmp_path / "ratios.json").read_text())
    entry = stored["tests"][TEST]["a_loop"]
    assert list(stored["tests"][TEST]) == ["a_loop"], "seconds are not compared"
    assert entry == {"Some CPU, 2 cores": 12.3}
    assert ratios.floor_of(entry, MACHINE) == 6.15
    assert re.fullmatch(r"Some CPU, 2 cores, Python 3\.11\.7, numpy \d\S+, torch \d\S+", MACHINE)


def test_each_kind_of_machine_has_its_own_floor_and_an_unknown_one_that_of_the_slowest(run, tmp_path, capsys):
    for cpu, ratio in (("A", 12.0), ("B", 8.0), ("A", 20.0)):
        assert run({TEST: {"times_faster_than_a_loop": ratio}}, "--update", cpu=cpu) == 0
    entry = json.loads((tmp_path / "ratios.json").read_text())["tests"][TEST]["a_loop"]
    assert entry == {"A, 2 cores": 20.0, "B, 2 cores": 8.0}
    assert [run({TEST: {"times_faster_than_a_loop": 5.0}}, cpu=cpu) for cpu in "ABC"] == [1, 0, 0]
    assert "under its floor 10 (20 on A, 2 cores, 8 on B" in lines(capsys)[0]
    assert run({TEST: {"times_faster_than_a_loop": 3.0}}, cpu="C") == 1


def test_update_keeps_tests_that_were_not_run(run, tmp_path):
    run({TEST: {"times_faster_than_a_loop": 8.0}}, "--update")
    run({OTHER: {"times_faster_than_a_loop": 4.0}}, "--update")
    stored = json.loads((tmp_path / "ratios.json").read_text())["tests"]
    assert {test: [*entry["a_loop"].values()] for test, entry in stored.items()} == {TEST: [8.0], OTHER: [4.0]}


def test_a_ratio_on_its_floor_passes_and_one_under_it_fails(run, capsys):
    run({TEST: {"times_faster_than_a_loop": 8.0}, OTHER: {"times_faster_than_a_loop": 8.0}}, "--update")
    assert run({TEST: {"times_faster_than_a_loop": 4.0}, OTHER: {"times_faster_than_a_loop": 80.0}}) == 0
    assert not lines(capsys)
    assert run({TEST: {"times_faster_than_a_loop": 3.9}, OTHER: {"times_faster_than_a_loop": 80.0}}) == 1
    assert lines(capsys) == [f"REGRESSION {TEST}: 3.9 times a_loop, under its floor 4 (8 on Some CPU, 2 cores)"]


def test_a_ratio_that_is_not_a_number_fails(run):
    run({TEST: {"times_faster_than_a_loop": 8.0}}, "--update")
    assert run({TEST: {"times_faster_than_a_loop": float("nan")}}) == 1


def test_a_missing_test_and_a_missing_ratio_are_named(run, capsys):
    both = {"times_faster_than_a_loop": 8.0, "times_faster_than_b": 8.0}
    run({TEST: both, OTHER: {"times_faster_than_c": 2.0}}, "--update")
    assert run({TEST: {"times_faster_than_a_loop": 8.0}}) == 1
    missing_ratio, missing_test = lines(capsys)
    assert f"{TEST}: measured no b" in missing_ratio
    assert f"{OTHER}: not run" in missing_test


def test_a_new_ratio_is_shown_and_passes(run, capsys):
    assert run({TEST: {"times_faster_than_a_loop": 8.0}}) == 0
    assert "times_faster_than_a_loop 8 (no floor yet)" in capsys.readouterr().out


def test_committed_ratios_are_above_one_and_of_tests_that_exist():
    stored = json.loads(ratios.FLOORS.read_text())
    for test, entries in stored["tests"].items():
        path, _, name = test.partition("::")
        assert f"def {name.partition('[')[0]}(" in (Path(__file__).parents[2] / path).read_text(), test
        assert all(min(known.values()) > 1 for known in entries.values())
