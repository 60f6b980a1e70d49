"""benchmarks/first_gpu_run.sh with a stub in place of Python: parts, limits, and going on where it stopped."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "first_gpu_run.sh"
PARTS = ["environment", "tests", "speed", "run"]
STUB = """#!/bin/sh
echo "$*" >> "$CALLS"
case "$*" in
  *"not speed"*) eval "$OF_TESTS" ;;
esac
echo said
"""


@pytest.fixture
def script(tmp_path):
    """Runs the script; its exit code, its lines, and the commands that were called."""
    stub, calls = tmp_path / "python", tmp_path / "calls"
    stub.write_text(STUB)
    stub.chmod(0o755)

    def run(of_tests=":"):
        calls.write_text("")
        environment = os.environ | {"PYTHON": str(stub), "CALLS": str(calls), "OF_TESTS": of_tests, "LIMIT_TESTS": "1"}
        done = subprocess.run(
            ["bash", SCRIPT, tmp_path / "out"], env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        return done.returncode, done.stdout, calls.read_text().splitlines()

    return run


def test_each_part_is_run_once_and_leaves_its_log(script, tmp_path):
    code, said, called = script()
    assert code == 0
    assert [line.split(":")[0] for line in said.splitlines() if ": well" in line] == PARTS
    assert [(tmp_path / "out" / f"{name}.log").read_text() for name in PARTS] == ["said\n"] * 4
    assert [words.split()[1] for words in called] == ["selip", "pytest", "pytest", "selip"]
    code, said, called = script()
    assert (code, called) == (0, [])
    assert said.splitlines() == [f"{name}: done before" for name in PARTS]


@pytest.mark.parametrize(
    ("of_tests", "reason"), [("exit 3", "tests: failed with 3"), ("sleep 30", "tests: ended by its limit of 1 s")]
)
def test_a_part_that_fails_is_said_and_done_again_and_the_others_go_on(of_tests, reason, script):
    code, said, called = script(of_tests)
    assert code == 1
    assert reason in said.splitlines()
    assert len(called) == 4
    code, said, called = script()
    assert code == 0
    assert len(called) == 1, "the part that failed, alone"
