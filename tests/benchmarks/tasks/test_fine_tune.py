from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.benchmark import ScoreOptions
from benchmarks.settings import ProbeConfig
from benchmarks.tasks import fine_tune
from benchmarks.tasks.fine_tune import (
    BENCHMARK,
    Classifier,
    Scans,
    batches,
    classify,
    fit,
    rate_factor,
    validation_loss,
)
from selip.models.dual_encoder import DualEncoder, weights_hash
from selip.models.settings import ModelConfig
from selip.models.text_towers import Tokens
from selip.system.errors import InputError

spec = importlib.util.spec_from_file_location("toy_subject", Path(__file__).parents[1] / "toy_subject.py")
toys = importlib.util.module_from_spec(spec)
spec.loader.exec_module(toys)

TINY = ModelConfig(
    volume_tower="resnet10", width=8, stages=2, stem_kernel=3, stem_pool=False, pooled_shape=(3, 1, 1),
    intensity="minmax", text_width=32, text_layers=1, embedding_size=16,
)  # fmt: skip
CONFIG = ProbeConfig(fine_tune_steps=30, fine_tune_batch_size=16, fine_tune_learning_rate=3e-3)
OPTIONS = ScoreOptions(n_resamples=50, probe=CONFIG)


def tiny_model():
    torch.manual_seed(0)
    return DualEncoder(TINY, toys.SHAPE, Tokens.trained_on(["at left thalamus shows high signal"])).eval()


def tiny_subject(**cohorts):
    return replace(toys.toy_subject("random", **cohorts), model=tiny_model())


def scans(n=48, seed=0):
    """Two classes that differ in one bright block."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, n)
    voxels = rng.integers(0, 60, (n, *toys.SHAPE), dtype=np.uint8)
    voxels[labels == 1, :3] = 255
    return Scans(torch.from_numpy(voxels), torch.zeros(n, dtype=torch.long)), torch.from_numpy(labels)


@pytest.fixture(scope="module")
def tuned():
    subject = tiny_subject(transfer=toys.glioma_cohort())
    before = weights_hash(subject.model)
    return subject, before, BENCHMARK.score(subject, OPTIONS)


def test_it_learns_what_the_voxels_show(tuned):
    _, _, score = tuned
    for task in ("lesion_type", "glioma_grade"):
        metric = score.metrics[f"{task}/balanced_accuracy"]
        assert metric.value > 0.9, task
        assert score.metrics[f"{task}/balanced_accuracy/metadata"].value < metric.value
    assert set(score.per_item["pool"]) == {"lesion_type", "glioma_grade"}


def test_the_model_stays_as_it_was(tuned):
    subject, before, _ = tuned
    assert weights_hash(subject.model) == before
    assert not subject.model.training


def test_labels_of_test_change_no_step_and_no_answer_and_a_run_repeats_itself(tuned):
    subject, _, clean = tuned
    dirty = BENCHMARK.score(toys.poisoned(subject), OPTIONS)
    names = [f"chosen {task}" for task in ("lesion_type", "glioma_grade")]
    assert [clean.notes[name] for name in names] == [dirty.notes[name] for name in names]
    a, b = (one.per_item.set_index(["pool", "item_id"]) for one in (clean, dirty))
    shared = a.index.intersection(b.index)
    for name in [name for name in a if name.startswith(("predicted", "score:"))]:
        assert a.loc[shared, name].to_numpy() == pytest.approx(b.loc[shared, name].to_numpy(), abs=1e-5, nan_ok=True)
    assert len(shared) > len(a) / 2
    assert (a.loc[shared, "truth"] != b.loc[shared, "truth"]).any()


def test_the_step_is_that_of_the_lowest_loss_on_val(monkeypatch):
    seen = []

    def recorded(classifier, *val):
        seen.append(validation_loss(classifier, *val))
        return seen[-1]

    monkeypatch.setattr(fine_tune, "validation_loss", recorded)
    classifier, val = Classifier(tiny_model(), 2), scans(24, 1)
    step = fit(classifier, scans(), val, replace(CONFIG, fine_tune_steps=10), np.random.default_rng(0))
    assert len(seen) == 5
    assert step == 2 * (1 + int(np.argmin(seen)))
    assert validation_loss(classifier, *val) == pytest.approx(min(seen))
    assert not classifier.training


def test_worse_labels_of_val_choose_an_earlier_step():
    config = replace(CONFIG, fine_tune_steps=20)
    steps = []
    for flip in (False, True):
        volumes, labels = scans(24, 1)
        val = (volumes, 1 - labels if flip else labels)
        steps.append(fit(Classifier(tiny_model(), 2), scans(), val, config, np.random.default_rng(0)))
    assert steps[1] < steps[0]


def test_the_head_starts_at_zero_and_draws_nothing():
    model = tiny_model()
    state = torch.get_rng_state()
    found = classify(Classifier(model, 3), scans(70)[0])
    assert torch.equal(torch.get_rng_state(), state)
    assert found == pytest.approx(np.full((70, 3), 1 / 3))


def test_the_rate_rises_over_a_tenth_and_falls_to_zero():
    factors = [rate_factor(step, 200) for step in range(201)]
    assert factors[0] == pytest.approx(1 / 20)
    assert max(factors) == factors[20] == 1
    assert all(np.diff(factors[:20]) > 0)
    assert all(np.diff(factors[20:]) < 0)
    assert factors[200] == pytest.approx(0)
    assert rate_factor(0, 1) == 1


def test_every_volume_is_seen_once_a_round():
    config = replace(CONFIG, fine_tune_steps=9, fine_tune_batch_size=4)
    order = batches(12, config, np.random.default_rng(0))
    assert order.shape == (9, 4)
    for start in (0, 3, 6):
        assert sorted(order[start : start + 3].flatten().tolist()) == list(range(12))
    assert batches(3, config, np.random.default_rng(0)).shape == (9, 3)


def test_a_diverging_run_is_an_error():
    config = replace(CONFIG, fine_tune_steps=5, fine_tune_learning_rate=1e30)
    with pytest.raises(InputError, match="val loss"):
        fit(Classifier(tiny_model(), 2), scans(), scans(24, 1), config, np.random.default_rng(0))


def test_volumes_of_another_grid_are_refused():
    other = replace(tiny_subject(), model=DualEncoder(TINY, (8, 8, 8), tiny_model().tokens))
    with pytest.raises(InputError, match="voxels for a model of"):
        BENCHMARK.score(other, OPTIONS)


def test_only_test_is_scored():
    with pytest.raises(InputError, match="fitted on train and val"):
        BENCHMARK.score(replace(tiny_subject(), split="all"), OPTIONS)
