"""Voxels that stay in the store, or in main memory, come to the same numbers as those on the device."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from selip.data import volume_batches
from selip.data.cohort import Cohort
from selip.data.volume_batches import StoredVolumes
from selip.experiments.catalogue import experiment_file, find_method
from selip.experiments.experiment_file import read_experiment
from selip.models import volume_towers
from selip.models.dual_encoder import weights_hash
from selip.models.volume_towers import Intensity
from selip.system.errors import InputError
from selip.training import trainer, training_data, voxel_loading
from selip.training.trainer import Run, train
from selip.training.voxel_loading import Prefetch, make_loader, place_volumes

CPU = torch.device("cpu")


@pytest.fixture
def rows(small_cohort):
    return small_cohort.rows("train")


@pytest.fixture
def volumes(small_cohort, rows):
    return torch.from_numpy(small_cohort.read_volumes(rows))


@pytest.fixture
def plan_rows(rows):
    return np.random.default_rng(0).integers(0, len(rows), (7, 6))


def test_stored_volumes_are_indexed_like_a_tensor(small_cohort, rows, volumes):
    stored = StoredVolumes(small_cohort, rows)
    assert len(stored) == len(volumes)
    assert stored.shape == volumes.shape
    for positions in ([5], [3, 1, 2], [0, 7, 7, 0], range(len(rows))):
        wanted = torch.tensor(list(positions))
        assert torch.equal(stored[wanted], volumes[wanted])


def test_what_does_not_fit_stays_in_the_store(small_cohort, rows, volumes, monkeypatch):
    assert isinstance(place_volumes(small_cohort, rows, CPU, 0), StoredVolumes)
    exactly = volumes.numel() / 2**30
    assert isinstance(place_volumes(small_cohort, rows, CPU, exactly * 0.999), StoredVolumes)
    assert torch.equal(place_volumes(small_cohort, rows, CPU, exactly), volumes)
    assert isinstance(place_volumes(small_cohort, rows, CPU, None), torch.Tensor)
    monkeypatch.setattr(volume_batches, "SHARE_OF_FREE_MEMORY", 1e-12)
    assert isinstance(place_volumes(small_cohort, rows, CPU, None), StoredVolumes)


@pytest.mark.parametrize("steps", [range(7), [4, 5, 6], [2, 2, 2], [6, 0, 3]])
def test_reading_ahead_gives_the_batches_of_the_plan(small_cohort, rows, volumes, plan_rows, steps):
    ahead = make_loader(StoredVolumes(small_cohort, rows), plan_rows, CPU)
    at_hand = make_loader(volumes, plan_rows, CPU)
    for step in steps:
        for part in (slice(0, 6), slice(0, 2), slice(2, 6)):
            expected = volumes[torch.from_numpy(plan_rows[step, part])]
            assert torch.equal(ahead(step, part), expected)
            assert torch.equal(at_hand(step, part), expected)


def test_each_batch_is_read_once_and_before_its_step(plan_rows):
    read = []

    class Watched:
        def __getitem__(self, positions):
            read.append(tuple(positions.tolist()))
            return positions

    ahead = Prefetch(Watched(), plan_rows, CPU)
    ahead(0, slice(0, 6))
    ahead.readers.shutdown(wait=True)  # those that were asked for
    assert sorted(read) == sorted(map(tuple, plan_rows[: voxel_loading.STEPS_AHEAD].tolist()))


def test_a_damaged_store_ends_in_a_line(small_cohort, rows, plan_rows, monkeypatch):
    monkeypatch.setattr(Cohort, "read", lambda self, array, rows: np.zeros((len(rows), 2, 2, 2), np.uint8))
    with pytest.raises(InputError, match="is damaged"):
        Prefetch(StoredVolumes(small_cohort, rows), plan_rows, CPU)(0, slice(0, 6))


@pytest.mark.parametrize("count", [5, 64, 130])
def test_statistics_by_slabs_are_those_of_the_whole_up_to_the_order_of_a_sum(count, monkeypatch):
    shape = (9, 13, 7)
    volumes = torch.randint(0, 256, (count, *shape), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    contrasts = torch.arange(count) % 2
    whole, slabs = Intensity("population_z", shape), Intensity("population_z", shape)
    whole.fit(volumes, contrasts)
    monkeypatch.setattr(volume_towers, "FIT_BYTES", 4 * count * 13 * 7)
    monkeypatch.setattr(volume_towers, "FIT_VOLUMES", 3)
    slabs.fit(volumes, contrasts)
    for one, other in zip(whole.buffers(), slabs.buffers(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-7)
    torch.testing.assert_close(whole.mean[1], volumes[1::2].double().mean(0).float() / 255)


def test_a_run_from_the_store_is_bit_for_bit_that_from_memory(small_cohort, tiny_run, tmp_path, monkeypatch):
    seen, weights, step = [], [], trainer._Loop._step

    def watched(loop, number):
        loss, norm = step(loop, number)
        seen.append((type(loop.differentiate.feed.data.volumes), loss.value.item(), norm.item()))
        return loss, norm

    monkeypatch.setattr(trainer._Loop, "_step", watched)
    monkeypatch.setattr(volume_towers, "FIT_BYTES", 2**20)
    for limit in (["training.resident_gib=0", "training.micro_batch=4"], ["training.micro_batch=4"]):
        monkeypatch.setattr(training_data, "_RESULTS", {})
        overrides = [*tiny_run, *limit, "training.steps=3", "training.validations=1", "augment.flip=paired"]
        config = read_experiment(experiment_file("quick"), overrides).run
        run = Run(find_method("selip"), small_cohort, config, 0, lambda embeddings: 0.0)
        weights.append(train(run, tmp_path / f"{len(seen)}.safetensors")[2].initial_weights_hash)
    stored, resident = seen[:3], seen[3:]
    assert {kind for kind, *_ in stored} == {StoredVolumes}
    assert {kind for kind, *_ in resident} == {torch.Tensor}
    assert [numbers for _, *numbers in stored] == [numbers for _, *numbers in resident]
    assert weights[0] == weights[1]


def test_voxels_of_a_run_are_read_once_and_statistics_computed_once_a_cohort(
    small_cohort, tiny_run, tmp_path, monkeypatch
):
    rows, fits, hashes, read, fit = [], [], [], Cohort.read_volumes, Intensity.fit
    monkeypatch.setattr(Cohort, "read_volumes", lambda self, wanted: rows.extend(wanted) or read(self, wanted))
    monkeypatch.setattr(Intensity, "fit", lambda *given: fits.append(1) or fit(*given))
    monkeypatch.setattr(training_data, "_RESULTS", {})
    for number, seed in enumerate((0, 0, 1, 0)):
        if number == 3:
            training_data._RESULTS.clear()
        rows.clear()
        config = read_experiment(experiment_file("quick"), list(tiny_run)).run
        run = Run(find_method("clip"), small_cohort, config, seed, lambda embeddings: float(embeddings.volumes[0, 0]))
        model, _, training = train(run, tmp_path / f"{number}.safetensors")
        assert sorted(rows) == sorted([*small_cohort.rows("train"), *small_cohort.rows("val")])
        hashes.append((training.initial_weights_hash, weights_hash(model)))
    assert len(fits) == 2, "and once more after what was known is forgotten"
    assert hashes[0] == hashes[1] == hashes[3]
    assert hashes[2][0] != hashes[0][0]
