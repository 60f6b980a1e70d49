"""The rooms of the design: data flows one way, and what is promised at the top level is there."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
STAGES = ("selip", "baselines", "benchmarks", "leaderboards")
COMPOSITION_ROOT = {
    "selip/cli/main.py",
    "selip/experiments/catalogue.py",
    "selip/cli/compare.py",
    "selip/experiments/experiment.py",
    "selip/cli/export.py",
    "selip/cli/sharing.py",
    "selip/__main__.py",
}
SOURCES = [path for stage in STAGES for path in sorted((ROOT / stage).rglob("*.py"))]


def imported(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.split(".")[0]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_module_imports_a_later_stage(path):
    name = path.relative_to(ROOT).as_posix()
    if name in COMPOSITION_ROOT:
        return
    own = STAGES.index(name.split("/")[0])
    allowed = {stage for number, stage in enumerate(STAGES) if number <= own}
    if own == STAGES.index("leaderboards"):
        assert "torch" not in set(imported(path))
    assert set(imported(path)) & set(STAGES) <= allowed


def test_every_third_party_import_is_declared():
    declared = (ROOT / "pyproject.toml").read_text().lower().replace("-", "_")
    names = {"sklearn": "scikit_learn", "yaml": "pyyaml"}
    own = {*STAGES, *sys.stdlib_module_names}
    used = {name for path in SOURCES for name in imported(path)} - own
    indirect = {"matplotlib"}  # seaborn's own drawing library
    missing = {name for name in used - indirect if names.get(name, name).lower() not in declared}
    assert not missing


def test_constraints_pin_a_matching_torch_pair():
    pins = dict(re.findall(r"^([\w.-]+)==([\w.+]+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE))
    assert pins["torch"].startswith("2.")
    assert pins["torchvision"].split(".")[1] == str(int(pins["torch"].split(".")[1]) + 14), "0.29 goes with 2.15"


def test_ci_runs_the_test_command_of_the_readme():
    command = "python -m pip install tox && python -m tox run -e py"
    assert command in (ROOT / "README.md").read_text()
    lines = [line for line in (ROOT / ".ci" / "run").read_text().splitlines() if line and line[0] not in "#sc"]
    assert lines == [command]


def test_commands_of_the_readme_exist(capsys, monkeypatch):
    from selip.cli.main import main

    readme = (ROOT / "README.md").read_text()
    commands = {tuple(match.split()) for match in re.findall(r"^selip (cohort \w+|\w+)", readme, re.MULTILINE)}
    assert len(commands) >= 9
    for command in sorted(commands):
        monkeypatch.setattr(sys, "argv", ["selip", *command, "--help"])
        with pytest.raises(SystemExit) as stop:
            main()
        assert stop.value.code == 0, command
        assert "Usage" in capsys.readouterr().out
