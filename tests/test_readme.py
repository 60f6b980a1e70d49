"""What the README shows a newcomer, run as it stands there."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest

import baselines
from selip.experiments.catalogue import experiment_file, find_method
from selip.experiments.experiment import validation_score
from selip.experiments.experiment_file import read_experiment
from selip.training.trainer import Run, train

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()
NOTEBOOK = ROOT / "docs" / "notebooks" / "first_steps.ipynb"


def test_the_interface_of_the_readme_is_ten_lines_that_run(small_cohort_folder, tiny_run, tmp_path, monkeypatch):
    (code,) = re.findall(
        r"```python\n(.*?)```", README.split("## From Python")[1].split("## Add a method")[0], re.DOTALL
    )
    assert len([line for line in code.splitlines() if line.strip()]) <= 10
    monkeypatch.chdir(tmp_path)
    code = code.replace('"my-cohort"', repr(str(small_cohort_folder))).replace('["training.steps=200"]', repr(tiny_run))
    exec(code, found := {})
    assert (tmp_path / "board" / "retrieval.md").is_file()
    assert set(found["results"]["method"]) == {"mine"}


def test_the_notebook_trains_scores_and_plots(small_cohort_folder, tmp_path, monkeypatch):
    """Its code cells in their order, as Jupyter would run them; it is committed without outputs."""
    cells = [one for one in json.loads(NOTEBOOK.read_text())["cells"] if one["cell_type"] == "code"]
    assert not any(one["outputs"] for one in cells)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "phantom").symlink_to(small_cohort_folder)
    names = {}
    for one in cells:
        exec("".join(one["source"]), names)
    assert set(names["shown"]["method"]) == {"clip", "coarse"}
    assert (tmp_path / "board" / "classification.md").is_file()


def test_the_method_of_the_readme_trains(small_cohort, tiny_run, tmp_path, monkeypatch):
    code, line = re.findall(r"```python\n(.*?)```", README.split("## Add a method")[1], re.DOTALL)
    assert len([line for line in code.splitlines() if line.strip()]) <= 20
    name, target = re.fullmatch(r'\s*"(\w+)": "([\w.:]+)",\s*', line).groups()
    module = target.split(":")[0]
    (tmp_path / f"{module.split('.')[1]}.py").write_text(code)
    monkeypatch.setattr(baselines, "__path__", [*baselines.__path__, str(tmp_path)])
    monkeypatch.setitem(baselines.METHODS, name, target)
    try:
        run = Run(
            find_method(name),
            small_cohort,
            read_experiment(experiment_file("quick"), [*tiny_run, f"methods.{name}.margin=0.2"]).run,
            0,
            validation_score,
        )
        assert run.method.settings_in(run.config) == run.method.settings(margin=0.2)
        _, facts, training = train(run, tmp_path / "checkpoint.safetensors")
    finally:
        sys.modules.pop(module, None)
    assert facts.method == name
    assert training.target_diagonal == 1


def test_the_wide_picture_is_drawn_from_a_phantom_and_the_quick_records(small_cohort, monkeypatch):
    """clip asks for its own text alone, selip for alike ones too; the differences are those of the page."""
    monkeypatch.syspath_prepend(ROOT / "docs")
    import pictures

    texts = pictures._texts(small_cohort)
    clip, selip = pictures.targets_of(texts)
    assert np.array_equal(clip, np.eye(len(texts)))
    assert selip.sum(1) == pytest.approx(np.ones(len(texts)))
    assert (np.diag(selip) < 1).any()
    figure = pictures.wide_picture(small_cohort, ROOT / "leaderboards" / "records" / "quick")
    assert figure.get_suptitle().startswith("SYNTHETIC")
    *_, last = figure.subfigs
    drawn = [line.get_xdata()[0] for line in last.axes[0].lines if line.get_marker() == "o"]
    page = (ROOT / "leaderboards" / "records" / "quick" / "leaderboard" / "retrieval.md").read_text()
    assert drawn
    assert all(f"{value:+.3f}" in page for value in drawn)
    assert "One run" in last.get_supxlabel()
