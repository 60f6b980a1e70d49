"""Embeddings that were computed before."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from selip.data.cohort import Cohort
from selip.experiments.catalogue import experiment_file
from selip.experiments.experiment import evaluate_checkpoint
from selip.experiments.experiment_file import read_experiment
from selip.experiments.search import search_cohort
from selip.models import embeddings
from selip.models.dual_encoder import CheckpointFacts, DualEncoder, load_checkpoint, save_checkpoint
from selip.models.embedding_cache import EmbeddingCache, encoder_identity
from selip.models.embeddings import embed_cohort
from selip.models.repeatable_kernels import repeat_exactly
from selip.training.device_setup import float32_products
from selip.training.training_data import initial_model, load_training_data

ABOUT = ["weights", "voxels", 3]


@pytest.fixture
def said():
    return []


@pytest.fixture
def cache(tmp_path, said):
    return EmbeddingCache(tmp_path / "embeddings", said.append)


def arrays(seed=0):
    rng = np.random.default_rng(seed)
    return {"volumes": rng.random((2, 3), np.float32), "features": rng.random((2, 1), np.float32)}


def must_not():
    pytest.fail("computed again")


def assert_equal(found, expected):
    assert found.keys() == expected.keys()
    for name in found:
        assert found[name].dtype == expected[name].dtype
        np.testing.assert_array_equal(found[name], expected[name])


def test_what_was_computed_is_recalled(cache, said):
    assert_equal(cache.recall(ABOUT, arrays), arrays())
    assert_equal(cache.recall(ABOUT, must_not), arrays())
    assert_equal(cache.recall([*ABOUT, "more"], lambda: arrays(1)), arrays(1))
    assert_equal(EmbeddingCache(cache.folder, said.append).recall(ABOUT, must_not), arrays())
    assert len(list(cache.folder.iterdir())) == 2
    assert not said


def test_no_flipped_byte_is_believed(cache, said):
    cache.recall(ABOUT, arrays)
    (entry,) = cache.folder.iterdir()
    whole = entry.read_bytes()
    for position in range(len(whole)):
        changed = whole[position] ^ 0x0F  # makes I of F: another type of the same size
        entry.write_bytes(bytes([*whole[:position], changed, *whole[position + 1 :]]))
        assert_equal(cache.recall(ABOUT, arrays), arrays())
    assert_equal(cache.recall(ABOUT, must_not), arrays())
    assert len(said) == len(whole)
    assert all("\n" not in line and "damaged" in line for line in said)


@pytest.mark.parametrize("keep", [0, 4, 100, -1])
def test_half_an_entry_is_computed_again(cache, said, keep):
    cache.recall(ABOUT, arrays)
    (entry,) = cache.folder.iterdir()
    entry.write_bytes(entry.read_bytes()[:keep])
    assert_equal(cache.recall(ABOUT, arrays), arrays())
    assert len(said) == 1


def test_an_entry_of_another_name_is_not_believed(cache, said):
    cache.recall(ABOUT, arrays)
    (one,) = cache.folder.iterdir()
    cache.recall(["other"], lambda: arrays(1))
    (other,) = set(cache.folder.iterdir()) - {one}
    shutil.copy(one, other)
    assert_equal(cache.recall(["other"], lambda: arrays(1)), arrays(1))
    assert len(said) == 1


def test_a_folder_that_cannot_be_written_is_no_cache(tmp_path, said):
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "embeddings"):
        cache = EmbeddingCache(folder, said.append)
        assert_equal(cache.recall(ABOUT, arrays), arrays())
        assert_equal(cache.recall(ABOUT, lambda: arrays(1)), arrays(1))
    assert not said


def test_the_cache_of_a_run_lies_in_its_directory(tmp_path, said):
    checkpoint = tmp_path / "checkpoints" / "one.safetensors"
    assert EmbeddingCache.beside(checkpoint, said.append).folder == tmp_path / "checkpoints" / "embeddings"
    (tmp_path / "config.yaml").write_text("")
    assert EmbeddingCache.beside(checkpoint, said.append).folder == tmp_path / "embeddings"
    assert EmbeddingCache.beside(tmp_path / "one.safetensors", said.append).folder == tmp_path / "embeddings"


@pytest.fixture(scope="module")
def model(small_cohort, tiny_run):
    repeat_exactly()  # which the key knows, and a score does
    data = load_training_data(small_cohort, torch.device("cpu"))
    return initial_model(read_experiment(experiment_file("quick"), tiny_run).run.model, small_cohort, data, 0)


@pytest.fixture
def checkpoint(model, small_cohort, tmp_path):
    info, path = small_cohort.info, tmp_path / "one" / "random.safetensors"
    texts = dict.fromkeys(small_cohort.volumes["text"].iloc[small_cohort.rows("train")], 1)
    facts = CheckpointFacts(
        "random_init", 0, 0, model.config, info.shape, info.spacing_mm, info.contrasts, info.content_hash,
        info.split_fingerprint, info.synthetic, texts, "r",
    )  # fmt: skip
    save_checkpoint(path, model, facts)
    return path


@pytest.fixture
def passes(monkeypatch):
    """What was encoded: "volumes" and "texts", one word a call."""
    made = []
    for owner, name in ((embeddings, "embed_volumes"), (DualEncoder, "encode_texts")):
        encode, word = getattr(owner, name), name.split("_")[1]

        def counted(*given, encode=encode, word=word, **named):
            made.append(word)
            return encode(*given, **named)

        monkeypatch.setattr(owner, name, counted)
    return made


def test_a_second_score_encodes_nothing(checkpoint, small_cohort_folder, passes):
    first, notes = evaluate_checkpoint(checkpoint, small_cohort_folder, "retrieval", "test")
    assert set(passes) == {"volumes", "texts"}
    passes.clear()
    second, notes_again = evaluate_checkpoint(checkpoint, small_cohort_folder, "retrieval", "test")
    assert not passes
    assert second.metrics == first.metrics
    assert second.per_item.equals(first.per_item)
    assert notes_again == notes


QUERY = "acute infarct in the left thalamus"


@pytest.mark.parametrize("command", [
    lambda checkpoint, cohort: evaluate_checkpoint(checkpoint, cohort, "retrieval", "test"),
    lambda checkpoint, cohort: search_cohort(checkpoint, cohort, "test", QUERY, None, None, 1),
])  # fmt: skip
def test_a_checkpoint_is_scored_by_the_kernels_of_training(command, checkpoint, small_cohort_folder):
    torch.use_deterministic_algorithms(False)
    command(checkpoint, small_cohort_folder)
    assert torch.are_deterministic_algorithms_enabled()


def test_a_damaged_entry_is_one_note_and_the_same_score(checkpoint, small_cohort_folder, passes):
    first, notes = evaluate_checkpoint(checkpoint, small_cohort_folder, "retrieval", "test")
    entry = max((checkpoint.parent / "embeddings").iterdir(), key=lambda path: path.stat().st_size)
    entry.write_bytes(entry.read_bytes()[:-1] + b"?")
    second, more = evaluate_checkpoint(checkpoint, small_cohort_folder, "retrieval", "test")
    assert second.metrics == first.metrics
    assert len(more) == len(notes) + 1
    assert entry.name in more[-1]


def test_search_encodes_a_gallery_once(checkpoint, small_cohort_folder, passes):
    ask = (checkpoint, small_cohort_folder, "all", "acute infarct in the left thalamus", None, None, 3)
    hits, _, _ = search_cohort(*ask)
    passes.clear()
    assert search_cohort(*ask)[0] == hits
    assert not passes


def test_a_cache_changes_no_bit(model, small_cohort, cache):
    texts = small_cohort.volumes["text"].tolist()[:9]
    plain = embed_cohort(model, small_cohort, "test", ())
    for _ in range(2):
        kept = embed_cohort(model, small_cohort, "test", (), cache)
        np.testing.assert_array_equal(kept.volumes, plain.volumes)
        np.testing.assert_array_equal(kept.features, plain.features)
        np.testing.assert_array_equal(kept.encode_text(texts), plain.encode_text(texts))
        np.testing.assert_array_equal(kept.encode_text(texts[::-1]), plain.encode_text(texts)[::-1])
        assert kept.items.equals(plain.items)


def test_split_cohort_and_contrasts_are_entries_of_their_own(model, small_cohort, cache, passes, monkeypatch):
    embed_cohort(model, small_cohort, "test", (), cache)
    embed_cohort(model, small_cohort, "test", ("text",), cache)
    assert passes == ["volumes"]
    embed_cohort(model, small_cohort, "val", (), cache)
    assert len(passes) == 2
    volumes = small_cohort.volumes.assign(contrast=small_cohort.volumes["contrast"].to_numpy()[::-1])
    embed_cohort(model, replace(small_cohort, volumes=volumes), "test", (), cache)
    assert len(passes) == 3
    read = Cohort.read_volumes
    monkeypatch.setattr(Cohort, "read_volumes", lambda self, rows: read(self, rows) ^ np.uint8(1))
    embed_cohort(model, small_cohort, "test", (), cache)
    assert len(passes) == 4, "one bit of the voxels counts, whatever the tables say"


def test_whatever_changes_an_embedding_changes_the_identity(checkpoint):
    same, _ = load_checkpoint(checkpoint)
    weights, _ = load_checkpoint(checkpoint)
    with torch.no_grad():
        weights.text_projection.weight[0, 0] += 1e-6
    reading, facts = load_checkpoint(checkpoint)
    reading.intensity.read_as(dict([facts.contrasts[:2]]))
    towers, _ = load_checkpoint(checkpoint)
    towers.config = replace(towers.config, stem_pool=not towers.config.stem_pool)
    identities = [encoder_identity(one) for one in (same, weights, reading, towers)]
    with float32_products("tf32"):
        identities.append(encoder_identity(same))
    assert len(set(identities)) == 5
    assert encoder_identity(load_checkpoint(checkpoint)[0].train()) == identities[0]
