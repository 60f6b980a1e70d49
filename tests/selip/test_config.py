from __future__ import annotations

import pytest

from selip.config import RunConfig
from selip.errors import InputError
from selip.experiment import EXPERIMENTS, experiment_file, find_benchmark, find_method
from selip.settings import from_mapping, read_experiment, to_mapping


@pytest.mark.parametrize("path", sorted(EXPERIMENTS.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_packaged_experiment_is_valid(path):
    config = read_experiment(path)
    assert config.name == path.stem
    assert config.summary
    assert [find_method(name).name for name in config.methods] == list(config.methods)
    assert [find_benchmark(name).name for name in config.benchmarks] == list(config.benchmarks)


def test_overrides_reach_every_section():
    config = read_experiment(
        experiment_file("quick"),
        ["profile=hard", "seeds=3", "methods=clip,selip", "training.steps=7", "selip.kl=one_way",
         "model.pooled_shape=[1,2,3]",
         "evaluation.n_resamples=9", "training.learning_rate_volume=1e-4", "training.validations=1"],
    )  # fmt: skip
    assert (config.cohort.profile, config.seeds, config.methods) == ("hard", (0, 1, 2), ("clip", "selip"))
    assert (config.run.training.steps, config.run.selip.kl) == (7, "one_way")
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
        ("selip.kl=sideways", "symmetric"),
        ("steps", "key=value"),
        ("training.steps=[", "key=value"),
        ("training=3", "not a mapping"),
    ],
)
def test_wrong_overrides_are_one_clear_line(override, message):
    with pytest.raises(InputError, match=message) as caught:
        read_experiment(experiment_file("quick"), [override])
    assert "\n" not in str(caught.value)


def test_wrong_files_are_one_clear_line(tmp_path):
    for name, content in [("list.yaml", "- 1"), ("broken.yaml", "a: [")]:
        (tmp_path / name).write_text(content)
        with pytest.raises(InputError, match="allowed"):
            read_experiment(tmp_path / name)
    with pytest.raises(InputError, match=r"missing\.yaml"):
        read_experiment(tmp_path / "missing.yaml")
    with pytest.raises(InputError, match="did you mean 'quick'"):
        experiment_file("quik")
