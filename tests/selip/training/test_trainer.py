from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from selip.data.cohort_declaration import DeclaredTask
from selip.experiments.catalogue import experiment_file, find_method
from selip.experiments.experiment import validation_score
from selip.experiments.experiment_file import read_experiment
from selip.models.dual_encoder import weights_hash
from selip.system.errors import InputError
from selip.training import trainer
from selip.training.augmentation import augment, draw, flip_left_right
from selip.training.batch_plan import plan_batches
from selip.training.objective import Loss
from selip.training.settings import AugmentConfig, TrainingConfig, learning_rate_factor
from selip.training.trainer import Run, train
from selip.training.training_data import load_training_data


@pytest.fixture
def configured(tiny_run):
    return lambda *overrides: read_experiment(experiment_file("quick"), [*tiny_run, *overrides]).run


@pytest.fixture
def config(configured):
    return configured()


def make(cohort, config, method="selip", seed=0, validate=validation_score, **more):
    return Run(find_method(method), cohort, config, seed, validate, **more)


def test_methods_of_a_seed_start_and_are_fed_alike(small_cohort, config, tmp_path):
    records = [train(make(small_cohort, config, name), tmp_path / name)[2] for name in ("selip", "clip", "random_init")]
    assert len({record.initial_weights_hash for record in records}) == 1
    assert len({record.batch_order_hash for record in records}) == 1
    other = train(make(small_cohort, config, "random_init", seed=1), tmp_path / "other")[2]
    assert other.initial_weights_hash != records[0].initial_weights_hash
    assert other.batch_order_hash != records[0].batch_order_hash


def test_random_init_is_the_initial_model(small_cohort, config, tmp_path):
    model, facts, training = train(make(small_cohort, config, "random_init"), tmp_path / "random")
    assert model.towers_hash == training.initial_weights_hash
    assert (facts.step, training.steps) == (0, 0)


def test_the_record_counts_the_pairs_whose_sides_cannot_be_swapped(small_cohort, config, tmp_path):
    rows = small_cohort.rows("train")
    volumes = small_cohort.volumes.copy()
    volumes.loc[rows[:3], "text"] = ["Right away: left mass.", "Zmiana w lewym płacie.", "左侧额叶占位"]
    doubtful = replace(small_cohort, volumes=volumes)
    counts = [
        train(make(cohort, config, "random_init"), tmp_path / str(number))[2].never_flipped
        for number, cohort in enumerate((small_cohort, doubtful))
    ]
    assert counts == [0, 2]


def test_a_head_whose_declared_class_a_flip_changes_is_mirrored_with_a_sided_text_alone(small_cohort, config):
    rows = small_cohort.rows("train")
    volumes = small_cohort.volumes.iloc[rows]
    named = volumes["text"].str.contains("left|right").to_numpy()
    hands = small_cohort.studies["study_id"].map(lambda study: "left" if study == volumes["study_id"].iloc[0] else "")
    hand = {"label:hand": DeclaredTask(classes=("left", "right"), mirrored={"left": "right", "right": "left"})}
    info = replace(small_cohort.info, tasks=hand)
    declared = replace(small_cohort, studies=small_cohort.studies.assign(**{"label:hand": hands}), info=info)
    data = load_training_data(declared, torch.device("cpu"))
    own = (volumes["study_id"] == volumes["study_id"].iloc[0]).to_numpy()
    assert data.changed.tolist() == own.tolist()
    assert data.can_flip.tolist() == (named | ~own).tolist()
    assert load_training_data(small_cohort, torch.device("cpu")).can_flip.all()
    never = ~data.can_flip
    assert never.any()
    for flip in ("random", "paired"):
        plan = plan_batches(
            data.text_ids, data.texts.twin, data.can_flip, steps=40, batch_size=4,
            unique_texts=False, flip=flip, seed=0,
        )  # fmt: skip
        assert not plan.flips[never[plan.rows]].any()
        assert plan.flips[~never[plan.rows]].any()


def test_same_seed_same_weights_and_resumed_the_same(small_cohort, config, tmp_path, monkeypatch):
    whole, _, said = train(make(small_cohort, config), tmp_path / "whole.safetensors")

    class Killed(BaseException):
        pass

    def kill(progress):
        if progress.step == 5:  # validations are at 2, 4 and 6
            raise Killed

    with pytest.raises(Killed):
        train(make(small_cohort, config, on_progress=kill), tmp_path / "resumed.safetensors")
    assert not (tmp_path / "resumed.safetensors").exists()
    first = []
    resumed, _, again = train(
        make(small_cohort, config, on_progress=lambda progress: first.append(progress.step)),
        tmp_path / "resumed.safetensors",
    )
    assert first[0] == 5, "it went on from the state of step 4"
    assert weights_hash(resumed) == weights_hash(whole)
    assert again == said


def test_a_state_of_another_run_is_not_continued(small_cohort, config, tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    train(make(small_cohort, config), path)
    steps = []
    train(make(small_cohort, config, seed=1, on_progress=lambda progress: steps.append(progress.step)), path)
    assert steps[0] == 1


def test_validation_alone_chooses_the_step(small_cohort, config, tmp_path):
    seen, scores = [], iter([0.2, 0.9, 0.9])

    def validate(embeddings):
        seen.extend(embeddings.items["volume_id"])
        return next(scores)

    _, facts, training = train(make(small_cohort, config, validate=validate), tmp_path / "chosen.safetensors")
    val = small_cohort.volumes.iloc[small_cohort.rows("val")]["volume_id"]
    assert set(seen) == set(val)
    assert facts.step == training.chosen_step == 4, "ties keep the earlier weights"
    assert [row["val_score"] for row in training.history] == [0.2, 0.9, 0.9]


def test_test_part_is_never_read_in_training(small_cohort, config, tmp_path, monkeypatch):
    test_rows = set(small_cohort.rows("test").tolist())
    read = type(small_cohort).read_volumes

    def watched(self, rows):
        assert not test_rows & {int(row) for row in rows}
        return read(self, rows)

    monkeypatch.setattr(type(small_cohort), "read_volumes", watched)
    train(make(small_cohort, config), tmp_path / "watched.safetensors")


def test_a_loss_that_is_not_finite_names_its_step(small_cohort, config, tmp_path, monkeypatch):
    step = trainer._Loop._step

    def poisoned(self, number):
        loss, norm = step(self, number)
        return (Loss(loss.value * math.nan), norm) if number == 3 else (loss, norm)

    monkeypatch.setattr(trainer._Loop, "_step", poisoned)
    with pytest.raises(InputError, match=r"not finite at step 4 of 6; lower training\.learning_rate"):
        train(make(small_cohort, config), tmp_path / "bad.safetensors")


def test_training_lowers_the_loss(small_cohort, configured, tmp_path):
    longer = configured("training.steps=60", "training.validations=2", "augment.noise=0")
    _, _, training = train(make(small_cohort, longer, "clip"), tmp_path / "longer.safetensors")
    first, last = (row["loss"] for row in training.history)
    assert last < first
    assert last < math.log(8)


@pytest.mark.parametrize("schedule", ["cosine", "polynomial"])
def test_learning_rate_warms_up_and_falls(schedule):
    config = TrainingConfig(steps=100, warmup_steps=10, schedule=schedule)
    rates = [learning_rate_factor(step, config) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == pytest.approx(1)
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert 0 < rates[-1] < 0.05
    assert TrainingConfig(steps=3, warmup_steps=10, validations=1).steps == 3


def test_flip_moves_left_to_right_and_is_an_involution():
    volumes = torch.zeros(2, 1, 8, 4, 4)
    volumes[:, :, 1] = 1
    flipped = flip_left_right(volumes, torch.tensor([True, False]))
    assert flipped[0, 0, 6].min() == 1
    assert torch.equal(flipped[1], volumes[1])
    assert torch.equal(flip_left_right(flipped, torch.tensor([True, False])), volumes)


def test_augmentation_is_a_function_of_its_draws():
    config = AugmentConfig(shift_voxels=2)
    volumes = torch.rand(3, 1, 8, 8, 4)
    draws = draw(config, volumes.shape, torch.Generator().manual_seed(0))
    again = draw(config, volumes.shape, torch.Generator().manual_seed(0))
    assert torch.equal(augment(volumes, draws, config), augment(volumes, again, config))
    off = AugmentConfig(flip="none", shift_voxels=0, gain=0, offset=0, noise=0)
    assert torch.equal(augment(volumes, draw(off, volumes.shape, torch.Generator()), off), volumes)
