"""Settings of methods: reachable from the command line, refused in one line, and kept in step by controls."""

from __future__ import annotations

import re
import sys
from dataclasses import fields, replace

import pytest

from baselines import METHODS
from baselines.selip import SelipSettings, selip_settings
from selip.cli.main import main
from selip.experiments.catalogue import experiment_file, find_method
from selip.experiments.experiment_file import grid, read_experiment
from selip.system.errors import InputError
from selip.system.mappings import to_mapping
from selip.training.settings import RunConfig

KEYS = [(name, one.name) for name in METHODS for one in fields(find_method(name).settings)]
OTHERS = {"kl": "one_way", "rows": "softmax", "diagonal": "out", "bias": -3.5, "mask_voxels": 4}
"""Another value than the default, where 0.37 is not one."""


def run_of(*overrides: str) -> RunConfig:
    return grid(read_experiment(experiment_file("quick"), overrides))[0][-1]


def refusal(*overrides: str) -> str:
    with pytest.raises(InputError) as caught:
        grid(read_experiment(experiment_file("quick"), overrides))
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(("method", "key"), KEYS)
def test_every_key_of_every_method_is_set_on_the_command_line(method, key):
    value, found = OTHERS.get(key, 0.37), find_method(method)
    run = run_of(f"methods.{method}.{key}={value}")
    assert run.methods == {method: {key: value}}
    assert found.settings_in(run) == replace(found.settings(), **{key: value})
    assert found.settings_in(run) != found.settings_in(run_of())


@pytest.mark.parametrize(("method", "key"), KEYS)
def test_every_key_is_explained(method, key):
    assert re.search(rf"^        {key}: \S", find_method(method).settings.__doc__, re.MULTILINE)


@pytest.mark.parametrize(("method", "key"), KEYS)
def test_a_wrong_type_is_refused_in_one_line(method, key):
    said = refusal(f"methods.{method}.{key}=[]")
    assert said.startswith(f"got methods.{method}.{key}=[]; allowed: ")


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("methods.selip.kl_wait=1", "unknown key 'methods.selip.kl_wait'.*did you mean 'kl_weight'"),
        ("methods.clip.kl_weight=1", "unknown key 'methods.clip.kl_weight'; allowed: none"),
        ("methods.selpi.kl_weight=1", "unknown method 'selpi'.*did you mean 'selip'"),
        ("methods.selip=1", "methods.selip=1"),
        ("methods.selip.kl_weight=-1", "methods.selip.kl_weight=-1"),
        ("methods.siglip.scale=0", "methods.siglip.scale=0"),
        ("methods.siglip.scale=.inf", "methods.siglip.scale=inf"),
        ("methods.mae.masked_share=1", "methods.mae.masked_share=1"),
        ("methods.mae.mask_voxels=1.5", "methods.mae.mask_voxels=1.5"),
    ],
)
def test_wrong_keys_names_and_values_are_refused_in_one_line(override, message):
    assert re.search(message, refusal(override))


@pytest.mark.parametrize("dry", [["--dry-run"], []], ids=["dry", "real"])
def test_a_wrong_key_is_exit_2_before_anything_is_written(dry, tmp_path, monkeypatch, capsys):
    out = tmp_path / "run"
    monkeypatch.setattr(sys, "argv", ["selip", "run", "quick", "methods.selip.kl_wait=1", "--out", str(out), *dry])
    with pytest.raises(SystemExit) as stop:
        main()
    said = capsys.readouterr().err
    assert stop.value.code == 2
    assert "did you mean 'kl_weight'" in said
    assert said.count("\n") == 1
    assert not out.exists()


def test_a_value_is_one_however_it_is_written():
    runs = [run_of(f"methods.selip.kl_weight={text}") for text in ("2", "2.0", "2e0", "'2'")]
    assert {str(to_mapping(run)) for run in runs} == {str(to_mapping(runs[0]))}
    assert type(runs[0].methods["selip"]["kl_weight"]) is float


def test_files_hold_settings_under_run(tmp_path):
    path = tmp_path / "own.yaml"
    path.write_text("name: own\nrun: {methods: {selip: {kl_weight: 0.5}}}\n")
    config = read_experiment(path, ["methods=selip,clip", "methods.selip.rows=softmax"])
    assert config.methods == ("selip", "clip")
    assert selip_settings(config.run) == SelipSettings(kl_weight=0.5, rows="softmax")


def test_a_control_keeps_step_unless_it_has_its_own():
    control = find_method("shuffled_selip")
    run = run_of("methods.selip.kl_weight=0.5", "methods.selip.rows=softmax", "methods.shuffled_selip.rows=linear")
    assert control.settings_in(run) == SelipSettings(kl_weight=0.5, rows="linear")
    assert selip_settings(run) == SelipSettings(kl_weight=0.5, rows="softmax")
    assert selip_settings(run_of("methods.shuffled_selip.kl_weight=3")) == SelipSettings()


def test_the_defaults_of_selip_are_the_papers():
    paper = {"kl_weight": 1.0, "kl": "symmetric", "rows": "linear", "diagonal": "in", "kl_clamp": 0.0}
    assert to_mapping(SelipSettings()) == paper
    assert to_mapping(find_method("shuffled_selip").settings()) == paper
