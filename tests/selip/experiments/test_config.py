from __future__ import annotations

import re
from dataclasses import replace

import pytest
import yaml

from baselines import METHODS
from baselines.ablations import ABLATIONS
from selip.cohorts.phantom.profiles import resolve
from selip.experiments.catalogue import EXPERIMENTS, check_names, experiment_file, find_benchmark, find_method
from selip.experiments.experiment_file import grid, read_experiment
from selip.experiments.sweep import dosed
from selip.experiments.tuning import tuning_experiment
from selip.system.errors import InputError
from selip.system.mappings import from_mapping, to_mapping
from selip.training.settings import RunConfig

REPORTS = ("reports", "study", "sweep")
PACKAGED = sorted(EXPERIMENTS.glob("*.yaml"))
OVERLAYS = [(path, profile) for path in PACKAGED for profile in yaml.safe_load(path.read_text()).get("profiles", {})]


@pytest.mark.parametrize("path", PACKAGED, ids=lambda path: path.stem)
def test_every_packaged_experiment_is_valid(path):
    config = read_experiment(path)
    assert config.name == path.stem
    assert config.summary
    assert [find_method(name).name for name in config.methods] == list(config.methods)
    assert [find_benchmark(name).name for name in config.benchmarks] == list(config.benchmarks)
    assert len(list(grid(config))) == (len(config.methods) + len(config.ablations)) * len(config.seeds)


@pytest.mark.parametrize("path", PACKAGED, ids=lambda path: path.stem)
def test_every_packaged_experiment_names_hardware_command_and_cost(path):
    head = [line for line in path.read_text().splitlines() if line.startswith("#")]
    assert head[0].startswith("# Hardware: ")
    assert f"selip run {path.stem} --out runs/{path.stem}" in "".join(head)
    assert re.search("minute|hour|dry-run", "".join(head))


@pytest.mark.parametrize(("path", "profile"), OVERLAYS, ids=lambda value: getattr(value, "stem", value))
def test_settings_of_a_profile_are_those_of_its_own_experiment(path, profile):
    laid_over = read_experiment(path, [f"profile={profile}"])
    own = read_experiment(experiment_file({"hard": "full"}.get(profile, profile)))
    assert laid_over.run == own.run
    assert laid_over.cohort == own.cohort
    assert laid_over.methods == read_experiment(path).methods


def test_ablation_is_quick_with_every_ablation():
    config, quick = (read_experiment(experiment_file(name)) for name in ("ablation", "quick"))
    assert (config.run, config.cohort) == (quick.run, quick.cohort)
    assert config.ablations == tuple(ABLATIONS)
    assert config.methods == ("selip",)
    asked = "syntax_only,semantic_only,mean_mix,best_match,ontology,lambda_0"
    part = read_experiment(experiment_file("ablation"), ["profile=quick", f"ablations={asked}"])
    assert part == replace(config, ablations=tuple(asked.split(",")))


def test_standard_is_every_method_with_three_seeds():
    config = read_experiment(experiment_file("standard"))
    assert set(config.methods) == set(METHODS)
    assert config.methods[0] == "selip"
    assert config.seeds == (0, 1, 2)
    small = read_experiment(experiment_file("standard"), ["profile=quick", "seeds=3", "training.steps=7"])
    assert (small.seeds, small.run.training.steps, small.run.training.batch_size) == ((0, 1, 2), 7, 32)


def test_every_dose_of_the_packaged_sweep_can_be_built_and_none_is_run_twice():
    config = read_experiment(experiment_file("sweep"))
    found = dosed(config)
    built = [
        (resolve(one.cohort.profile, {**one.cohort.settings, "n_patients": one.cohort.patients}), one.run, one.seeds)
        for one in found.values()
    ]
    assert all(built.count(one) == 1 for one in built)
    assert all(values[0] != values[1] for values in config.doses.values())
    assert {*sum(config.contrasts, ())} == {*config.methods}
    assert "shuffled_selip" in config.methods
    assert found["positive_control"].cohort.seed == config.cohort.seed
    tuned_on = tuning_experiment(read_experiment(experiment_file("study")), 2, ()).cohort.seed
    assert len({config.cohort.seed, read_experiment(experiment_file("study")).cohort.seed, tuned_on, 0, 1}) == 5


def test_small_towers_of_reports_are_those_of_its_study_and_sweep():
    runs = [read_experiment(experiment_file(name), ["methods.selip.kl_weight=1"]).run for name in REPORTS]
    assert runs[0] == runs[1] == runs[2]


@pytest.mark.parametrize(
    ("override", "value"),
    [
        ("augment.flip=none", "none"),
        ("training.unique_texts=false", False),
        ("training.precision=no", "no"),
        ("methods.selip.kl_clamp=1e-3", 1e-3),
    ],
)
def test_words_that_yaml_may_read_otherwise(override, value):
    """YAML 1.1 reads no as false, and 1e-3 (without a point) as text."""
    *_, found = grid(read_experiment(experiment_file("quick"), [override]))[0]
    run = to_mapping(found)
    *sections, key = override.partition("=")[0].split(".")
    for section in sections:
        run = run[section]
    assert run[key] == value
    assert type(run[key]) is type(value)


@pytest.mark.parametrize("word", ["off", "no", "null"])
def test_a_flip_of_no_is_refused_and_not_taken_for_another(word):
    with pytest.raises(InputError, match=r"augment\.flip=.*'none'"):
        read_experiment(experiment_file("quick"), [f"augment.flip={word}"])


def test_overrides_reach_every_section():
    config = read_experiment(
        experiment_file("quick"),
        ["profile=hard", "seeds=3", "methods=clip,selip", "training.steps=7", "methods.selip.kl=one_way",
         "model.pooled_shape=[1,2,3]",
         "evaluation.n_resamples=9", "training.learning_rate_volume=1e-4", "training.validations=1"],
    )  # fmt: skip
    assert (config.cohort.profile, config.seeds, config.methods) == ("hard", (0, 1, 2), ("clip", "selip"))
    assert (config.run.training.steps, config.run.methods) == (7, {"selip": {"kl": "one_way"}})
    assert config.run.model.pooled_shape == (1, 2, 3)
    assert config.run.training.learning_rate_volume == 1e-4
    assert config.evaluation.n_resamples == 9


def test_mapping_round_trip():
    config = read_experiment(experiment_file("quick"), ["training.steps=77", "augment.flip=none"]).run
    assert from_mapping(RunConfig, to_mapping(config)) == config


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("training.stepz=3", "did you mean 'steps'"),
        ("trainin.steps=3", "did you mean 'training'|unknown key"),
        ("training.steps=many", "training.steps"),
        ("training.steps=0", "allowed: steps >= 1"),
        ("model.volume_tower=vgg", "resnet10"),
        ("steps", "key=value"),
        ("training.steps=[", "key=value"),
        ("training=3", "not a mapping"),
    ],
)
def test_wrong_overrides_are_one_clear_line(override, message):
    with pytest.raises(InputError, match=message) as caught:
        read_experiment(experiment_file("quick"), [override])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seeds: [0]\nseeds: [1]", "key 'seeds' twice"),
        ("run:\n  training: {steps: 3, steps: 4}", "key 'steps' twice"),
        ("run:\n  training: {stepz: 3}", "unknown key 'run.training.stepz'.*did you mean 'steps'"),
        ("profiles:\n  hard: {run: {trainin: {}}}", "unknown key 'profiles.hard.run.trainin'.*did you mean 'training'"),
        ("seeds: !!python/object/apply:os.system [touch made]", "could not determine a constructor"),
        ("seeds: " + "[" * 5000, "unreadable experiment"),
    ],
)
def test_a_file_that_says_too_much_is_refused_in_one_line(text, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.yaml").write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        read_experiment(tmp_path / "own.yaml")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "made").exists()


def test_wrong_files_are_one_clear_line(tmp_path):
    for name, content in [("list.yaml", "- 1"), ("broken.yaml", "a: [")]:
        (tmp_path / name).write_text(content)
        with pytest.raises(InputError, match=r"write key: value lines|name a YAML file"):
            read_experiment(tmp_path / name)
    with pytest.raises(InputError, match=r"missing\.yaml"):
        read_experiment(tmp_path / "missing.yaml")
    with pytest.raises(InputError, match="did you mean 'quick'"):
        experiment_file("quik")


def test_the_declared_contrasts_are_selip_with_clip_its_controls_and_sentence_targets():
    five = [("selip", name) for name in ("clip", "clip_x2", "label_smoothing", "shuffled_selip", "sentence_targets")]
    assert read_experiment(experiment_file("quick")).contrasts == tuple(five)
    own = read_experiment(experiment_file("quick"), ["contrasts=[[siglip, clip], [gloria, clip]]"])
    assert own.contrasts == (("siglip", "clip"), ("gloria", "clip"))
    check_names(own)


@pytest.mark.parametrize(
    ("contrasts", "message"),
    [
        ("[[clip, clip]]", "two methods in each"),
        ("[[selip, clip], [clip, selip]]", "no two of them twice"),
        ("[[selip, clop]]", "unknown method 'clop'.*did you mean 'clip'"),
        ("[[selip]]", "contrasts"),
        ("selip", "contrasts"),
    ],
)
def test_wrong_contrasts_are_one_clear_line(contrasts, message):
    with pytest.raises(InputError, match=message) as caught:
        check_names(read_experiment(experiment_file("quick"), [f"contrasts={contrasts}"]))
    assert "\n" not in str(caught.value)
