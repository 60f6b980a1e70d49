"""Timing of training steps, and the workloads that need one."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest
import torch

from selip.cohorts.phantom.generate import random_cohort
from selip.cohorts.phantom.profiles import PROFILES
from selip.data.findings import parse_findings_text
from selip.experiments import dry_run
from selip.experiments.catalogue import experiment_file, find_method
from selip.experiments.dry_run import StepTime, time_step, workloads
from selip.experiments.experiment_file import grid, read_experiment, with_overrides
from selip.similarity.text_similarity import TextTable
from selip.system.errors import InputError
from selip.training import trainer
from selip.training.batch_plan import plan_batches

PROFILE = replace(PROFILES["quick"], shape=(16, 16, 8))


@pytest.fixture
def config(tiny_run):
    return read_experiment(experiment_file("quick"), tiny_run).run


@pytest.fixture
def steps_taken(monkeypatch):
    """Steps that the trainer has taken, each of them 50 ms longer than it is."""
    taken, step = [], trainer._Loop._step

    def slow(self, number):
        taken.append(number)
        time.sleep(0.05)
        return step(self, number)

    monkeypatch.setattr(trainer._Loop, "_step", slow)
    return taken


def cells(config, *changes):
    return [(find_method("selip"), f"change {n}", 0, with_overrides(config, [one])) for n, one in enumerate(changes)]


def test_seeds_and_cheap_changes_share_a_workload(config):
    changes = ("methods.selip.kl_weight=0", "similarity.pooling=mean", "model.logit_scale=fixed", "augment.flip=none")
    same = cells(config, *changes)
    same += [(find_method("clip"), "", seed, config) for seed in range(3)]
    (members,) = workloads(same).values()
    assert members == same


def test_towers_batches_and_views_are_workloads_of_their_own(config):
    changed = cells(config, "training.batch_size=4", "model.pooling=average", "model.text_layers=2")
    local = replace(find_method("clip"), views=("pairs", "local"))
    sliced = replace(find_method("clip"), tower={"volume_tower": "open_clip_slices"})
    found = workloads([*changed, (find_method("clip"), "", 0, config), (local, "", 0, config), (sliced, "", 0, config)])
    assert [len(members) for members in found.values()] == [1] * 6
    labelled = replace(find_method("clip"), views=("pairs", "labels"))
    assert len(workloads([(find_method("clip"), "", 0, config), (labelled, "", 0, config)])) == 1


def test_what_is_not_trained_takes_no_time(config):
    assert workloads([(find_method("random_init"), "", 0, config)]) == {}


def test_every_training_run_of_an_experiment_is_in_one_workload():
    config = read_experiment(experiment_file("quick"), ["seeds=2", "ablations=lambda_0,batch_16"])
    planned = [(find_method(method), *rest) for method, *rest in grid(config)]
    found = [cell for members in workloads(planned).values() for cell in members]
    assert len(found) == len(planned) - 2, "all but random_init of two seeds"
    assert all(planned.count(cell) == found.count(cell) == 1 for cell in found)


@pytest.mark.parametrize("pairs", [2, 32])
def test_random_cohort_fills_every_batch_of_different_texts(pairs):
    cohort = random_cohort(PROFILE, pairs)
    texts = cohort.volumes["text"].tolist()
    assert len(set(texts)) == len(texts) == len(cohort.rows("train"))
    assert all(clause.location for text in texts for clause in parse_findings_text(text))
    assert set(cohort.volumes["study_id"]) <= set(cohort.studies["study_id"])
    assert set(cohort.volumes["contrast"]) <= set(PROFILE.contrasts)
    table = TextTable.of(texts)
    for flip in ("none", "random", "paired"):
        plan = plan_batches(
            table.ids(texts), table.twin, steps=50, batch_size=pairs, unique_texts=True, flip=flip, seed=0
        )
        assert all(len(set(batch)) == pairs for batch in plan.text_ids.tolist())
    voxels = cohort.read_volumes(range(3))
    assert (voxels.shape, voxels.dtype) == ((3, *PROFILE.shape), np.uint8)
    assert voxels.std() > 50


def test_time_of_a_step_is_that_of_the_trainer(config, steps_taken, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(trainer, "save_checkpoint", lambda *_: pytest.fail("a checkpoint was written"))
    timed = time_step(find_method("selip"), config, PROFILE, limit_s=60)
    assert steps_taken == [0, 1, 2, 3], "one to warm up and three that count"
    assert 0.05 < timed.seconds < 5
    assert timed.pairs_per_second == pytest.approx(8 / timed.seconds)
    assert not list(tmp_path.iterdir())


def test_memory_of_a_step_is_its_peak(config, monkeypatch):
    step = trainer._Loop._step

    def large(self, number):
        torch.ones(2**28, dtype=torch.uint8)
        return step(self, number)

    monkeypatch.setattr(trainer._Loop, "_step", large)
    assert 250 < time_step(find_method("clip"), config, PROFILE, limit_s=0).memory_mb < 2000


def test_without_time_one_step_counts(config, steps_taken):
    assert time_step(find_method("clip"), config, PROFILE, limit_s=0).seconds > 0.05
    assert steps_taken == [0, 1]


def test_a_large_batch_is_cut_on_a_cpu_and_its_time_scaled(config, monkeypatch):
    monkeypatch.setattr(dry_run.torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(dry_run, "MAX_CPU_VOXELS", 4 * 16 * 16 * 8)
    asked = []
    monkeypatch.setattr(
        dry_run, "_seconds_a_step", lambda method, short, *_: asked.append(short.training.batch_size) or 0.1
    )
    assert time_step(find_method("clip"), config, PROFILE, 1) == StepTime(pytest.approx(0.2), 8, 4)
    huge = replace(PROFILE, shape=(512, 512, 512))
    assert time_step(find_method("clip"), config, huge, 1).timed_pairs == 2
    small = with_overrides(config, ["training.batch_size=3"])
    assert time_step(find_method("clip"), small, PROFILE, 1) == StepTime(pytest.approx(0.1), 3, 3)
    assert asked == [4, 2, 3]


def test_a_batch_that_the_profile_cannot_fill_is_said(config):
    few = replace(PROFILE, n_patients=2)
    with pytest.raises(InputError, match="cannot fill"):
        time_step(find_method("clip"), config, few, 1)
