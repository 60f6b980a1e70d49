"""The CI files of docs/ci: they fit the published schemas, call commands that exist, and read exit codes as meant."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer
import yaml

from selip.cli.main import app

ROOT = Path(__file__).resolve().parents[1]
CI = ROOT / "docs" / "ci"
SCHEMAS = {
    "github-actions.yml": ["--builtin-schema", "vendor.github-workflows"],
    "gitlab-ci.yml": ["--builtin-schema", "vendor.gitlab-ci", "--data-transform", "gitlab-ci"],
    "leaderboard-repository.yml": ["--builtin-schema", "vendor.github-workflows"],
}

GATES = ("github-actions.yml", "gitlab-ci.yml")
CALLED = {**{name: {"run", "compare"} for name in GATES}, "leaderboard-repository.yml": {"verify", "leaderboard"}}


def scripts(name: str) -> list[str]:
    """The shell scripts of a CI file, one a step."""
    loaded = yaml.safe_load((CI / name).read_text())
    if name != "gitlab-ci.yml":
        return [step["run"] for job in loaded["jobs"].values() for step in job["steps"] if "run" in step]
    job = loaded["quality-gate"]
    return [line for part in ("before_script", "script", "after_script") for line in job[part]]


def commands(name: str) -> list[list[str]]:
    """Arguments of every call of selip, also of those in comments; a variable stays as it is."""
    lines = "\n".join([*scripts(name), *re.findall(r"^# +(selip .*)", (CI / name).read_text(), re.MULTILINE)])
    return [shlex.split(found.partition("||")[0])[1:] for found in re.findall(r"^\s*(selip .*)$", lines, re.MULTILINE)]


def misfit(path: Path, name: str) -> int:
    """Exit status of the schema's check of a file."""
    line = [sys.executable, "-m", "check_jsonschema", *SCHEMAS[name], str(path)]
    return subprocess.run(line, capture_output=True, check=False).returncode


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_file_fits_the_published_schema_and_a_broken_one_does_not(name, tmp_path):
    assert misfit(CI / name, name) == 0
    broken = tmp_path / name
    broken.write_text(
        re.sub(r"timeout-minutes: (\d+)", r"timeout: \1", (CI / name).read_text()).replace("exit_codes", "codes")
    )
    assert misfit(broken, name) == 1


@pytest.mark.parametrize("name", SCHEMAS)
def test_its_shell_scripts_parse(name):
    for script in scripts(name):
        subprocess.run(["bash", "-n"], input=script, text=True, check=True)


@pytest.mark.parametrize("name", SCHEMAS)
def test_it_calls_commands_and_options_that_exist(name, tmp_path, monkeypatch):
    (tmp_path / "runs").mkdir()
    for link, there in (("leaderboards", "leaderboards"), ("runs/quick", "leaderboards/records/quick")):
        (tmp_path / link).symlink_to(ROOT / there)
    monkeypatch.chdir(tmp_path)
    group = typer.main.get_command(app)
    found = commands(name)
    assert {arguments[0] for arguments in found} == CALLED[name]
    for arguments in found:
        with group.make_context("selip", list(arguments)) as context:
            _, command, rest = group.resolve_command(context, list(arguments))
            command.make_context(command.name, rest, parent=context)  # parses, runs nothing


@pytest.mark.parametrize("name", GATES)
def test_its_reference_is_committed_and_is_what_its_experiment_leaves(name):
    text = (CI / name).read_text()
    (reference,) = set(re.findall(r"REFERENCE: (\S+)", text))
    config = yaml.safe_load((ROOT / reference / "config.yaml").read_text())
    assert list((ROOT / reference / "records").glob("*.json"))
    assert ["run", config["name"], "--out", "runs/quick"] in commands(name)


@pytest.mark.parametrize(("verdict", "status"), [(0, 0), (1, 1), (2, 2), (3, 0)])
def test_the_step_of_github_fails_but_for_pass_and_inconclusive(verdict, status, tmp_path):
    (script,) = (script for script in scripts("github-actions.yml") if "selip compare" in script)
    stub = tmp_path / "bin" / "selip"
    stub.parent.mkdir()
    stub.write_text(f"#!/bin/sh\necho summary > gate.md\nexit {verdict}\n")
    stub.chmod(0o755)
    page = tmp_path / "page.md"
    environment = {
        "PATH": f"{stub.parent}:{os.environ['PATH']}", "REFERENCE": "x", "GITHUB_STEP_SUMMARY": str(page),
    }  # fmt: skip
    done = subprocess.run(["bash", "-e", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == status
    assert page.read_text() == "summary\n"
    assert ("::warning" in done.stdout) == (verdict == 3)


def test_gitlab_allows_inconclusive_alone():
    job = yaml.safe_load((CI / "gitlab-ci.yml").read_text())["quality-gate"]
    assert job["allow_failure"] == {"exit_codes": [3]}
    assert job["artifacts"]["reports"]["junit"] in " ".join(job["script"])
