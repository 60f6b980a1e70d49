"""What is registered is listed as its plug-in says, without being imported; `all` stands for its names."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from selip.experiments.catalogue import REGISTRIES, experiment_file, find_ablation, listing, registered_names
from selip.experiments.experiment_file import read_experiment
from selip.system import registry
from selip.system.errors import InputError
from selip.system.mappings import from_mapping, to_mapping
from selip.system.registry import declared, described, load, registered

SAID = ("name", "summary", "source", "licence")


@pytest.mark.parametrize("what", REGISTRIES)
def test_what_is_read_from_a_file_is_what_its_plug_in_says(what):
    known, group = REGISTRIES[what]
    for said in described(known, group):
        plugin = load(known, group, said["name"])
        assert {key: said.get(key, "") for key in SAID} == {key: getattr(plugin, key, "") for key in SAID}


def test_a_cohort_is_listed_with_its_terms():
    sources = {row["name"]: row["source"] for row in listing("cohorts")}
    assert sources["ixi"] == "https://brain-development.org/ixi-dataset/ (CC BY-SA 3.0)"


def test_a_plug_in_that_computes_what_it_says_is_imported(tmp_path, monkeypatch):
    (tmp_path / "computed.py").write_text(
        "from types import SimpleNamespace\n"
        "METHOD = SimpleNamespace(name='computed', summary='a'.upper(), source=f'{1 + 1}')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert declared("computed:METHOD") == {"name": "computed"}
    assert list(described({"computed": "computed:METHOD"}, "selip.none")) == [
        {"name": "computed", "summary": "A", "source": "2", "licence": ""}
    ]


def test_entry_points_come_last_and_replace_nothing(monkeypatch):
    points = [SimpleNamespace(name="clip", value="theirs:CLIP"), SimpleNamespace(name="new", value="theirs:NEW")]
    monkeypatch.setattr(registry, "entry_points", lambda group: points if group == "selip.methods" else [])
    assert registered({"clip": "ours:CLIP"}, "selip.methods") == {"clip": "ours:CLIP", "new": "theirs:NEW"}
    assert registered_names("methods")[-1] == "new"


@pytest.mark.parametrize("key", ["methods", "benchmarks", "ablations"])
def test_all_is_every_registered_name_and_a_run_keeps_the_names(key):
    config = read_experiment(experiment_file("quick"), [f"{key}=all"])
    names = registered_names(key)
    if key == "ablations":
        names = [name for name in names if find_ablation(name).method in config.methods]
    written = to_mapping(config)
    assert written[key] == [*getattr(config, key)] == names
    assert from_mapping(type(config), written) == config


def test_all_is_no_name_beside_others():
    config = read_experiment(experiment_file("quick"), ["methods=all,clip"])
    with pytest.raises(InputError, match="unknown method 'all'"):
        load(*REGISTRIES["methods"], config.methods[0])
