"""What the README shows a newcomer, run as it stands there."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import baselines
from selip.experiments.catalogue import experiment_file, find_method
from selip.experiments.experiment import validation_score
from selip.experiments.experiment_file import read_experiment
from selip.training.trainer import Run, train

README = (Path(__file__).resolve().parents[1] / "README.md").read_text()


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
