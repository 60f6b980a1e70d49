"""Prints what the speed tests measured, and compares each ratio to its reference with the committed floor.

    python tests/speed/ratios.py RESULTS             table; exit 1 with one line a regression
    python tests/speed/ratios.py RESULTS --update    adds what was measured here to ratios.json, on purpose

RESULTS is the JSON file of pytest-benchmark. A ratio is any fact of a test named times_faster_than_*: both its sides
ran in one process of one run, so load hardly moves it, and seconds are not compared at all. Processors do: between two
of them ratios differ by up to seven times. So each kind of machine has its own last update, and SHARE of that as its
floor; an unknown one has the floor of the slowest. A test that has floors but was not run is a regression too; a ratio
without a floor is shown and passes.

Kernels and bytes of a training step depend on no machine and are held in one place, tests/simulated_device/counts.json,
by the default tests, which allow no wait of the host at all.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

FLOORS = Path(__file__).parent / "ratios.json"
PREFIX = "times_faster_than_"
SHARE = 0.5
Ratios = Mapping[str, Mapping[str, float]]


def ratios_of(results: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """Test ("tests/speed/test_a.py::test_b[c]") to name of the ratio, without its prefix, to ratio."""
    found = {
        test["fullname"]: {
            name.removeprefix(PREFIX): float(value)
            for name, value in test["extra_info"].items()
            if name.startswith(PREFIX)
        }
        for test in results["benchmarks"]
    }
    return {test: ratios for test, ratios in found.items() if ratios}


def machine_of(results: Mapping[str, Any]) -> str:
    """What the ratios depend on: processor, cores and versions; no date and no name."""
    facts = results["machine_info"]
    cpu, packages = facts["cpu"], (f"{package} {version(package)}" for package in ("numpy", "torch"))
    parts = (
        cpu.get("brand_raw") or facts["processor"],
        f"{cpu.get('count')} cores",
        f"Python {facts['python_version']}",
    )
    return ", ".join((*parts, *packages))


def kind_of(machine: str) -> str:
    """Processor and cores of a machine: its row in ratios.json, whatever versions it has."""
    return ", ".join(machine.split(", ")[:2])


def floor_of(known: Mapping[str, float], machine: str) -> float:
    """The floor on a machine, of what kinds of machines measured."""
    return _rounded(SHARE * known.get(kind_of(machine), min(known.values())))


def updated(stored: Mapping[str, Any], measured: Ratios, machine: str) -> dict[str, Any]:
    """The content of ratios.json with this run's ratios of this machine; tests that were not run are kept."""
    tests = dict(stored.get("tests", {}))
    for test, ratios in measured.items():
        before, own = tests.get(test, {}), kind_of(machine)
        known = {name: before.get(name, {}) | {own: _rounded(ratio)} for name, ratio in ratios.items()}
        tests[test] = {name: dict(sorted(found.items())) for name, found in known.items()}
    return {"share": SHARE, "tests": dict(sorted(tests.items()))}


def _rounded(value: float) -> float:
    return float(f"{value:.3g}")


def regressions(stored: Mapping[str, Any], measured: Ratios, machine: str) -> Iterator[str]:
    """One line for each floor that was not reached, or not measured."""
    for test, floors in stored.get("tests", {}).items():
        if test not in measured:
            yield f"{test}: not run or without a ratio; run the whole suite, or remove it from {FLOORS.name}"
            continue
        for name, known in floors.items():
            ratio, floor = measured[test].get(name), floor_of(known, machine)
            if ratio is None:
                yield f"{test}: measured no {name}; remove it from {FLOORS.name} if that is meant"
            elif not ratio >= floor:
                said = ", ".join(f"{value:g} on {kind}" for kind, value in known.items())
                yield f"{test}: {ratio:.3g} times {name}, under its floor {floor:g} ({said})"


def table(results: Mapping[str, Any], stored: Mapping[str, Any]) -> Iterator[str]:
    """One line a test with all facts it measured, each ratio beside its floor."""
    yield machine_of(results)
    for test in results["benchmarks"]:
        floors = stored.get("tests", {}).get(test["fullname"], {})
        facts = [_fact(name, value, floors, machine_of(results)) for name, value in test["extra_info"].items()]
        yield f"{test['name']}: {', '.join(facts)}"


def _fact(name: str, value: object, floors: Mapping[str, Mapping[str, float]], machine: str) -> str:
    text = f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
    if not name.startswith(PREFIX):
        return text
    known = floors.get(name.removeprefix(PREFIX))
    return f"{text} (floor {floor_of(known, machine):g})" if known else f"{text} (no floor yet)"


def main(arguments: list[str], floors: Path = FLOORS) -> int:
    """Prints, compares and, with --update, writes; returns the exit status."""
    parser = argparse.ArgumentParser(description="Ratios of the speed tests against their committed floors.")
    parser.add_argument("results", type=Path, help="JSON file of pytest-benchmark")
    parser.add_argument("--update", action="store_true", help="make this run's ratios those of its kind of machine")
    options = parser.parse_args(arguments)
    results = json.loads(options.results.read_text())
    stored = json.loads(floors.read_text()) if floors.is_file() else {}
    sys.stdout.writelines(f"{line}\n" for line in table(results, stored))
    measured = ratios_of(results)
    if options.update:
        floors.write_text(json.dumps(updated(stored, measured, machine_of(results)), indent=2) + "\n")
        return 0
    lines = list(regressions(stored, measured, machine_of(results)))
    sys.stdout.writelines(f"REGRESSION {line}\n" for line in lines)
    return int(bool(lines))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
