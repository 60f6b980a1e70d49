"""A plug-in is its file and its registry line: those of docs/pages/how-to/extend.md pass in a copy of the tree."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
COPIED = (
    "selip",
    "baselines",
    "benchmarks",
    "leaderboards",
    "tests",
    "README.md",
    "pyproject.toml",
    "constraints.txt",
    ".ci",
)
BLOCK = re.compile(r'```python title="([\w./]+)"\n(.*?)```', re.DOTALL)
PLUGINS = dict(BLOCK.findall((ROOT / "docs/pages/how-to/extend.md").read_text()))
LINES = ("__init__.py", "ablations.py")
"""Ends of the files that hold registry lines."""
CONTRACTS = (
    "tests/baselines/test_methods.py",
    "tests/baselines/test_ablations.py",
    "tests/benchmarks/tasks/test_every_benchmark.py",
    "tests/selip/cohorts/test_every_cohort.py",
    "tests/selip/models/encoders/test_every_encoder.py",
    "tests/selip/experiments/test_catalogue.py",
    "tests/test_architecture.py",
)
OURS = "margin_clip or margin_0 or contrast or shoebox or every_kind or catalogue or architecture"
REGISTRY = re.compile(r"^(METHODS|ABLATIONS|BENCHMARKS|COHORTS|ENCODERS)\b.* = \{$", re.MULTILINE)


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A copy of the tree with the plug-ins of the page."""
    copy = tmp_path_factory.mktemp("tree")
    for name in COPIED:
        source = ROOT / name
        leave = shutil.ignore_patterns("__pycache__", *(["records"] if name == "leaderboards" else []))
        shutil.copytree(source, copy / name, ignore=leave) if source.is_dir() else shutil.copy(source, copy / name)
    for file, code in PLUGINS.items():
        path = copy / file
        if path.exists():
            code, changed = REGISTRY.subn(lambda head, line=code: f"{head[0]}\n{line.rstrip()}", path.read_text())
            assert changed == 1, file
        path.write_text(code)
    return copy


def contracts(tree, chosen, *files):
    """Output of the contract tests of `tree` whose names have `chosen`, and whether all passed."""
    line = [sys.executable, "-m", "pytest", "-qx", "-p", "no:cacheprovider", "-k", chosen, *files]
    environment = os.environ | {"PYTHONPATH": str(tree)}
    done = subprocess.run(line, cwd=tree, env=environment, capture_output=True, text=True, check=False)
    return done.stdout[-3000:], done.returncode == 0


def test_the_page_has_a_file_and_a_line_of_each_kind_and_a_line_of_an_ablation():
    assert [file for file in PLUGINS if not file.endswith(LINES)] == [
        "baselines/margin_clip.py",
        "benchmarks/tasks/contrast.py",
        "selip/cohorts/shoebox.py",
        "selip/models/encoders/brightness.py",
    ]
    assert [len(code.splitlines()) for file, code in PLUGINS.items() if file.endswith(LINES)] == [1, 1, 1, 1, 1]


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_they_keep_every_contract(tree):
    said, passed = contracts(tree, OURS, *CONTRACTS)
    assert passed, said
    assert int(re.search(r"(\d+) passed", said)[1]) > 20


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(
    ("file", "good", "bad", "contract"),
    [
        ("baselines/margin_clip.py", r'summary=".*"', 'summary=""', CONTRACTS[0]),
        ("benchmarks/tasks/contrast.py", 'protocol_version="1"', 'protocol_version="new"', CONTRACTS[2]),
        ("benchmarks/tasks/contrast.py", r'\{"all/accuracy"', '{"accuracy"', CONTRACTS[2]),
        ("selip/cohorts/shoebox.py", r'licence=".*"', 'licence=""', CONTRACTS[3]),
        ("selip/cohorts/shoebox.py", r"_\{name.lower\(\)\}", "_{name}", CONTRACTS[3]),
    ],
)
def test_a_broken_one_fails_its_contract(tree, file, good, bad, contract):
    path = tree / file
    whole = path.read_text()
    try:
        broken, changed = re.subn(good, bad, whole)
        assert changed == 1
        path.write_text(broken)
        assert not contracts(tree, OURS, contract)[1]
    finally:
        path.write_text(whole)
