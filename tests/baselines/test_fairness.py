"""Methods of a seed start from the same weights, see the same batches of the same split, and take the same steps."""

from __future__ import annotations

import pytest
import torch

from baselines import METHODS
from selip.experiments.catalogue import experiment_file
from selip.experiments.experiment_file import read_experiment
from selip.models.dual_encoder import weights_hash
from selip.system.registry import load
from selip.training.trainer import Run, train
from selip.training.training_data import initial_model, load_training_data, with_own_tower

STEPS = 2
LIGHT = ("model.width=4", "model.centre_projections=false", "model.slices.slices=2", "training.batch_size=4")


@pytest.fixture(scope="module")
def trained(small_cohort, tiny_run, tmp_path_factory):
    """Trains a method for a few steps; what is trained is not scored."""
    folder = tmp_path_factory.mktemp("fairness")

    def run(name, *overrides, file="", **more):
        config = read_experiment(experiment_file("quick"), [*tiny_run, *LIGHT, *overrides]).run
        one = Run(load(METHODS, "selip.methods", name), small_cohort, config, 0, lambda embeddings: 0.0, **more)
        return train(one, folder / f"{file or name}.safetensors")

    return run


@pytest.fixture(scope="module")
def short(trained):
    return lambda name: trained(name, f"training.steps={STEPS}", "training.validations=1")


@pytest.fixture(scope="module")
def reference(short):
    return short("clip")


@pytest.mark.parametrize("name", METHODS)
def test_every_method_has_the_same_start_batches_split_and_budget(name, short, reference, small_cohort):
    _, facts, training = short(name)
    _, _, clip = reference
    assert training.initial_weights_hash == clip.initial_weights_hash
    assert training.batch_order_hash == clip.batch_order_hash
    method = load(METHODS, "selip.methods", name)
    assert training.steps == facts.step == (STEPS if method.prepare else 0)
    assert bool(training.own_tower) == bool(method.tower)
    assert training.own_tower == method.tower.get("volume_tower", training.own_tower)
    if not training.own_tower:
        assert training.parameters == clip.parameters
    assert facts.split_fingerprint == small_cohort.info.split_fingerprint


def test_a_method_with_its_own_tower_keeps_the_common_text_side(small_cohort, tiny_run):
    config = read_experiment(experiment_file("quick"), [*tiny_run, *LIGHT]).run.model
    data = load_training_data(small_cohort, torch.device("cpu"))
    common = initial_model(config, small_cohort, data, 0)
    own = with_own_tower(common, load(METHODS, "selip.methods", "open_clip_slices").tower, small_cohort, data, 0)
    for part in ("text_tower", "text_projection"):
        assert weights_hash(getattr(own, part)) == weights_hash(getattr(common, part))
    assert weights_hash(own.volume_tower) != weights_hash(common.volume_tower)


def test_a_killed_run_with_layers_of_its_own_resumes_to_the_same_weights(trained):
    class Killed(BaseException):
        pass

    def kill(progress):
        if progress.step == 5:  # validations are at 2, 4 and 6
            raise Killed

    whole, _, said = trained("mae", file="whole")
    with pytest.raises(Killed):
        trained("mae", file="resumed", on_progress=kill)
    steps = []
    resumed, _, again = trained("mae", file="resumed", on_progress=lambda progress: steps.append(progress.step))
    assert steps[0] == 5, "it went on from the state of step 4"
    assert weights_hash(resumed) == weights_hash(whole) != said.initial_weights_hash
    assert again == said
