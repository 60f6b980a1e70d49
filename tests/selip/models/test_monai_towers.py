"""A method is trained in a tower of MONAI, and from weights that are given to all methods alike."""

from __future__ import annotations

from types import SimpleNamespace

import torch

from selip.experiments.catalogue import experiment_file, find_method
from selip.experiments.experiment_file import plan, read_experiment
from selip.models.dual_encoder import load_checkpoint
from selip.system.files import file_hash
from selip.training.trainer import Run, train

TOWER = ("model.volume_tower=monai:SegResNet", "model.tower_arguments=[init_filters=8, 'blocks_down=[1, 1]']")


def trained(cohort, tiny_run, out, method, *overrides):
    config = read_experiment(
        experiment_file("quick"), [*tiny_run, "training.steps=3", "training.validations=1", *overrides]
    )
    return train(Run(find_method(method), cohort, config.run, 0, lambda embeddings: 0.0), out / f"{method}.safetensors")


def test_methods_are_trained_from_the_same_given_weights(small_cohort, tiny_run, tmp_path):
    start, facts, random = trained(small_cohort, tiny_run, tmp_path, "random_init", *TOWER)
    state = {f"module.{key}": value + 0.5 for key, value in start.volume_tower.net.state_dict().items()}
    torch.save(state, tmp_path / "given.pt")
    given = f"model.init={tmp_path / 'given.pt'}"
    kept, _, untrained = trained(small_cohort, tiny_run, tmp_path, "random_init", *TOWER, given)
    _, _, training = trained(small_cohort, tiny_run, tmp_path, "clip", *TOWER, given)
    for key, value in kept.volume_tower.net.state_dict().items():
        torch.testing.assert_close(value, state[f"module.{key}"])
    assert untrained.initial_weights_hash == training.initial_weights_hash != random.initial_weights_hash
    assert untrained.init == training.init == file_hash(str(tmp_path / "given.pt"))
    assert random.init == ""
    (tmp_path / "given.pt").unlink()
    again, _ = load_checkpoint(tmp_path / "clip.safetensors")
    assert again.volume_tower.features == facts.model.pooled_shape[0] * facts.model.pooled_shape[1] * 16


def test_another_file_under_the_same_path_is_another_run(small_cohort, tmp_path):
    """Resuming takes neither a checkpoint nor a record of the weights that lay there before."""
    given = tmp_path / "given.pt"
    config = read_experiment(experiment_file("quick"), [f"model.init={given}", "methods=clip"])
    cohorts = SimpleNamespace(hashes=(small_cohort.info.content_hash,))
    found = []
    for content in (b"first", b"second", b"first"):
        given.write_bytes(content)
        run = Run(find_method("clip"), small_cohort, config.run, 0, lambda embeddings: 0.0)
        found.append((run.id, *(one.record_ids["retrieval"] for one in plan(config, cohorts)[:1])))
    first, second, third = found
    assert first == third
    assert all(one != other for one, other in zip(first, second, strict=True))


def test_a_missing_start_is_refused_before_anything_is_written(command, small_cohort_folder, tmp_path):
    code, _, said = command(
        "train", "clip", "--cohort", small_cohort_folder, "--out", tmp_path / "run", "model.init=absent.pt"
    )
    assert code == 2
    assert "model.init=absent.pt" in said
    assert not (tmp_path / "run").exists()
    code, _, said = command(
        "train", "clip", "--cohort", small_cohort_folder, "--out", tmp_path / "run", "model.volume_tower=resnet"
    )
    assert code == 2
    assert "volume_tower" in said
