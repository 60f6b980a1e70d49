"""The rooms of the design: data flows one way, no file or folder is too long, and what is promised is there."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections import Counter
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("selip", "baselines", "benchmarks", "leaderboards")
ORDER = """
selip
selip.system
selip.data
selip.reports
selip.similarity
selip.cohorts
selip.records
selip.models
selip.training
baselines
benchmarks
benchmarks.settings
benchmarks.benchmark
benchmarks.metrics
benchmarks.statistics
benchmarks.classification benchmarks.retrieval benchmarks.segmentation
benchmarks.tasks
leaderboards
leaderboards.scores
leaderboards.tables
leaderboards.figures
leaderboards.pages
leaderboards.site leaderboards.gate
selip.experiments
selip.cli
selip.__main__
"""
FLOOR = {room: number for number, line in enumerate(ORDER.splitlines()) for room in line.split()}
"""Room to its floor, from the ground up. A module imports its own room and those of lower floors, none beside it."""
PLUGINS = {"selip/cohorts", "baselines", "benchmarks/tasks", "selip/models/encoders"}
"""Folders with one file a plug-in, which may hold more than MAX_FILES."""
MAX_FILES, MAX_LINES = 20, 250
NO_ROOM = ("simulated_device", "browser", "speed", "selip/end_to_end")
"""Folders of tests that are of all rooms."""
SOURCES = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
NAMES = {path: ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for path in SOURCES}
MODULES = {*NAMES.values()}


def imported(tree):
    """Modules that a piece of Python text imports, also inside functions and for types; `a.b` for `from a import b`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def own(names):
    """The modules of ours among imported names."""
    return {part for name in names for part in (name, name.rpartition(".")[0]) if part in MODULES}


TREES = {NAMES[path]: ast.parse(path.read_text()) for path in SOURCES}
IMPORTS = {name: {*imported(tree)} for name, tree in TREES.items()}
GRAPH = {name: own(names) - {name} for name, names in IMPORTS.items()}


def room_of(module):
    return max((room for room in FLOOR if module == room or module.startswith(f"{room}.")), key=len)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_module_imports_a_later_room_or_one_beside_it(path):
    room = room_of(NAMES[path])
    for other in GRAPH[NAMES[path]]:
        assert room_of(other) == room or FLOOR[room_of(other)] < FLOOR[room], f"{NAMES[path]} imports {other}"


def test_no_circle_of_imports():
    packages = {NAMES[path] for path in SOURCES if path.name == "__init__.py"}
    try:
        TopologicalSorter({name: others - packages for name, others in GRAPH.items()}).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def test_every_module_stands_in_a_room():
    files = {path.name for path in (ROOT / "selip").iterdir() if path.is_file()}
    assert files == {"__init__.py", "__init__.pyi", "__main__.py", "py.typed"}
    assert {path.name for path in (ROOT / "leaderboards").glob("*.py")} == {"__init__.py"}
    folders = {f"selip.{path.parent.name}" for path in (ROOT / "selip").glob("*/__init__.py")}
    assert folders == {room for room in FLOOR if room.startswith("selip.")} - {"selip.__main__"}


def test_no_folder_holds_too_many_files_and_no_file_too_many_lines():
    folders = Counter(path.parent.relative_to(ROOT).as_posix() for path in SOURCES if path.name != "__init__.py")
    assert not {folder for folder, count in folders.items() if count > MAX_FILES and folder not in PLUGINS}
    lengths = {name: len(path.read_text().splitlines()) for path, name in NAMES.items()}
    assert not {name: lines for name, lines in lengths.items() if lines > MAX_LINES}


def test_leaderboards_never_import_torch():
    named = {name for name in MODULES if name.split(".")[0] == "leaderboards"}
    assert not {name for name in named if "torch" in {one.split(".")[0] for one in IMPORTS[name]}}
    code = f"import sys, {', '.join(sorted(named))}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_tests_mirror_the_tree():
    tested = {path.parent.relative_to(ROOT / "tests") for path in (ROOT / "tests").rglob("test_*.py")}
    tested -= {Path(), *map(Path, NO_ROOM)}
    assert not {path for path in tested if not (ROOT / path / "__init__.py").is_file()}


def test_every_third_party_import_is_declared():
    declared = (ROOT / "pyproject.toml").read_text().lower().replace("-", "_")
    names = {"sklearn": "scikit_learn", "yaml": "pyyaml"}
    known = {*PACKAGES, *sys.stdlib_module_names}
    used = {name.split(".")[0] for names in IMPORTS.values() for name in names} - known
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
