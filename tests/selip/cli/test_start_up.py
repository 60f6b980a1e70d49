"""What a command imports before it is known what it has to do: no torch, no tables, no plug-in."""

from __future__ import annotations

import ast
import subprocess
import sys

import pytest

from selip import __version__
from selip.experiments.catalogue import REGISTRIES

SHOWN_BY_HELP = {"annotated_doc", "attr", "click", "markdown_it", "mdurl", "pygments", "rich", "shellingham", "typer"}
READ_SETTINGS = {"annotated_types", "pydantic", "pydantic_core", "typing_extensions", "typing_inspection", "yaml"}
WRITE_FILES = {"filelock", "safetensors"}
OURS = {"selip", "baselines", "benchmarks"}
TABLES = {"numpy"}  # of a module of the cohort's, which is asked whether a folder is one
CODE = """
import sys
before, sys.argv = {*sys.modules}, %r
from selip.__main__ import main
try:
    main()
except SystemExit as stop:
    print(["\\n", stop.code, *sorted({*sys.modules} - before)])
"""


@pytest.fixture
def start(tmp_path):
    """Runs a command in a process of its own: its exit code, what it said, and the modules that it imported."""

    def call(*arguments):
        code = CODE % ["selip", *arguments]
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=True
        )
        said, _, last = done.stdout.rpartition("['\\n', ")
        status, *modules = ast.literal_eval(f"[{last}")
        return status, said + done.stderr, modules

    return call


def strangers(modules):
    """Packages that are neither ours, nor Python's, nor those that help and settings need."""
    packages = {name.split(".")[0] for name in modules if not name.startswith(("_", "cython"))}
    return packages - sys.stdlib_module_names - OURS - SHOWN_BY_HELP - READ_SETTINGS - WRITE_FILES


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["cohort", "import", "--help"]])
def test_help_imports_what_shows_it_and_the_settings(arguments, start):
    code, said, modules = start(*arguments)
    assert (code, "Usage" in said) == (0, True)
    assert not strangers(modules)


def test_version_is_printed(start):
    code, said, modules = start("--version")
    assert (code, said) == (0, f"{__version__}\n")
    assert not strangers(modules)


@pytest.mark.parametrize("what", ["methods", "benchmarks", "cohorts", "experiments", "ablations"])
def test_a_list_imports_no_plug_in(what, start):
    code, said, modules = start("list", what)
    assert (code, what in said) == (0, True)
    assert not strangers(modules)
    plugins = {target.partition(":")[0] for registry, _ in REGISTRIES.values() for target in registry.values()}
    assert not plugins & {*modules}


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "quik", "--out", "x"],
        ["run", "nowhere.yaml", "--out", "x"],
        ["run", "quick", "methods=clap", "--out", "x"],
        ["run", "quick", "benchmarks=retrival", "--out", "x"],
        ["run", "quick", "cohort.path=nowhere", "--out", "x"],
        ["run", "quick", "--out", "."],
        ["train", "selp", "--cohort", ".", "--out", "x"],
        ["train", "selip", "--cohort", "nowhere", "--out", "x"],
        ["evaluate", "nothing.safetensors", "--cohort", "."],
        ["search", "nothing.safetensors", "--cohort", ".", "--text", "a"],
        ["leaderboard", "nowhere"],
        ["compare", "nowhere", "."],
        ["push", "nothing.safetensors", "x"],
        ["pull", "nowhere", "--out", "x.safetensors"],
        ["cohort", "build", "phantm", "--out", "x"],
        ["cohort", "import", "brats2020", "nowhere", "--out", "x"],
        ["cohort", "check", "nowhere"],
        ["profile", "selp"],
    ],
    ids=" ".join,
)
def test_wrong_names_and_paths_are_answered_before_anything_heavy_is_imported(arguments, start, tmp_path):
    (tmp_path / "mine.txt").touch()
    code, said, modules = start(*arguments)
    assert (code, said.count("\n")) == (2, 1), said
    assert strangers(modules) <= TABLES
