"""Sharing checkpoints: what goes out comes back, what is not ours is left alone, only safetensors are loaded."""

from __future__ import annotations

import hashlib
import json
import pickle
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import huggingface_hub
import pytest
import torch
from huggingface_hub.errors import RepositoryNotFoundError
from safetensors.torch import save_file

from benchmarks.tasks.retrieval import BENCHMARK
from selip.experiments import sharing
from selip.experiments.sharing import pull, push, records_of, shared_facts
from selip.experiments.sharing_places import Folder, Repository, place_of
from selip.models.dual_encoder import load_checkpoint, save_checkpoint
from selip.records.record import CohortFacts, Record, Training
from selip.records.record_files import write_record
from selip.system.errors import InputError
from selip.system.files import content_hash

OURS = {"model.safetensors", "config.json", "README.md"}


@pytest.fixture(scope="module")
def checkpoint(tiny_model, tmp_path_factory):
    path = tmp_path_factory.mktemp("run") / "checkpoints" / "clip-seed0.safetensors"
    save_checkpoint(path, *tiny_model())
    return path


@pytest.fixture
def share(checkpoint):
    """Pushes the checkpoint, and records, to a place."""

    def share_with(place, records=()):
        push(checkpoint, place, shared_facts(checkpoint, load_checkpoint(checkpoint)[1]), "# card\n", records)

    return share_with


@pytest.fixture
def shared(share, tmp_path):
    share(Folder(tmp_path / "shared"))
    return tmp_path / "shared"


def content(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_is_pushed_comes_back_as_it_was(shared, checkpoint, tmp_path):
    assert set(content(shared)) == OURS
    facts = pull(Folder(shared), tmp_path / "back" / "model.safetensors")
    assert (tmp_path / "back" / "model.safetensors").read_bytes() == checkpoint.read_bytes()
    assert facts == load_checkpoint(checkpoint)[1]


def test_the_facts_hold_the_checksum_and_no_training_text(shared, checkpoint):
    text = (shared / "config.json").read_text()
    said = json.loads(text)
    assert said["model_sha256"] == hashlib.sha256(checkpoint.read_bytes()).hexdigest()
    assert (said["train_texts"], said["facts"]["method"], said["facts"]["synthetic"]) == (2, "clip", True)
    assert "thalamus" not in text


COHORT = CohortFacts(
    name="phantom", profile="quick", content_hash="c" * 64, synthetic=True, n_patients=9, shape=(24, 28, 12),
    spacing_mm=(6, 6, 10),
)  # fmt: skip


def make_record(**changes):
    training = Training(steps=9, chosen_step=5, initial_weights_hash="", batch_order_hash="", parameters=1, init="i")
    about = {"run_id": "clip-seed0-retrieval-1", "status": "ok", "method": "clip", "benchmark": "retrieval"}
    about |= {"declared": BENCHMARK.declared, "protocol_version": "1", "seed": 0, "cohort": COHORT}
    about |= {"split_fingerprint": "f", "training": training, "settings": {"margin": 0.2}, "config_hash": ""}
    about |= {"config": {"run": {"model": {"init": "a.pt"}, "training": {"steps": 9}}}, "contrasts": (), "controls": ()}
    return Record(**(about | changes))


def test_records_of_another_run_or_step_are_not_its_own(tiny_model, checkpoint):
    own = make_record()
    started = {"model": {"init": own.training.init}, "training": {"steps": 9}}  # the hash of a.pt, not its path
    run = content_hash(["clip", {"margin": 0.2}, started, 0, "c" * 64, "f"])
    _, facts = tiny_model()
    facts = replace(facts, run=run)
    others = {
        "seed": {"seed": 1},
        "settings": {"settings": {"margin": 0.3}},
        "config": {"config": {"run": {"model": {"init": "a.pt"}, "training": {"steps": 8}}}},
        "split": {"split_fingerprint": "g"},
        "weights": {"training": own.training.model_copy(update={"init": "other"})},
        "step": {"training": own.training.model_copy(update={"chosen_step": 4})},
        "cohort": {"cohort": COHORT.model_copy(update={"content_hash": "d" * 64})},
        "failed": {"status": "failed", "reason": "no memory", "training": None},
    }
    folder = checkpoint.parent.parent / "records"
    for name, changes in others.items():
        write_record(folder, make_record(run_id=f"clip-seed0-{name}", **changes))
    assert records_of(checkpoint, facts) == []
    write_record(folder, own)
    scored_elsewhere = {"cohort": COHORT.model_copy(update={"content_hash": "e" * 64}), "trained_on": COHORT}
    write_record(folder, make_record(run_id="clip-seed0-elsewhere", **scored_elsewhere))
    assert [one.run_id for one in records_of(checkpoint, facts)] == ["clip-seed0-elsewhere", "clip-seed0-retrieval-1"]


def test_pushing_again_replaces_and_old_records_go(share, shared, checkpoint, tmp_path):
    record = make_record(run_id="clip-seed0-pushed")
    write_record(checkpoint.parent.parent / "records", record)
    (shared / "LICENSE").write_text("mine")
    share(Folder(shared), [record])
    assert set(content(shared)) == OURS | {"LICENSE", "records/clip-seed0-pushed.json"}
    share(Folder(shared))
    assert set(content(shared)) == OURS | {"LICENSE"}
    pull(Folder(shared), tmp_path / "again.safetensors")


class Trap:
    """Unpickling it leaves a file."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return Path.write_text, (self.mark, "ran")


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("notes.txt", b"mine", r"without model\.safetensors and config\.json"),
        ("weights.bin", b"", r"with weights\.bin, a pickle, which is never read"),
        ("Model.PT", b"", r"with Model\.PT, a pickle"),
    ],
)
def test_a_folder_that_is_not_ours_is_left_alone(name, data, said, share, tmp_path):
    (tmp_path / name).write_bytes(data)
    before = content(tmp_path)
    with pytest.raises(InputError, match=said):
        share(Folder(tmp_path))
    with pytest.raises(InputError, match=said):
        pull(Folder(tmp_path), tmp_path / "out.safetensors")
    assert content(tmp_path) == before


def test_another_projects_model_is_left_alone(share, shared):
    for text in ('{"model_type": "bert"}', "no JSON"):
        (shared / "config.json").write_text(text)
        before = content(shared)
        with pytest.raises(InputError, match=r"whose config\.json is of another kind of model"):
            share(Folder(shared))
        assert content(shared) == before
    with pytest.raises(InputError, match="which is a file"):
        share(Folder(shared / "config.json"))


def test_a_pickle_beside_a_sound_model_is_never_loaded(shared, tmp_path):
    mark = tmp_path / "mark"
    (shared / "pytorch_model.bin").write_bytes(pickle.dumps(Trap(mark)))
    with pytest.raises(InputError, match="a pickle, which is never read"):
        pull(Folder(shared), tmp_path / "out.safetensors")
    (shared / "pytorch_model.bin").rename(shared / "model.safetensors")
    with pytest.raises(InputError, match="sha256"):
        pull(Folder(shared), tmp_path / "out.safetensors")
    vouch(shared)
    with pytest.raises(InputError, match="no readable checkpoint"):
        pull(Folder(shared), tmp_path / "out.safetensors")
    assert not mark.exists()
    pickle.loads((shared / "model.safetensors").read_bytes())
    assert mark.read_text() == "ran", "the trap works"


def vouch(folder):
    """Writes the checksum of whatever the model is now."""
    said = json.loads((folder / "config.json").read_text())
    said["model_sha256"] = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    (folder / "config.json").write_text(json.dumps(said))


def test_a_damaged_model_is_refused(shared, tmp_path):
    path = shared / "model.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1  # in a weight: it would load without a word
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"got model\.safetensors of .* with sha256 .*, not .*; it was damaged"):
        pull(Folder(shared), tmp_path / "out.safetensors")
    assert not (tmp_path / "out.safetensors").exists()


def test_safetensors_that_are_no_checkpoint_are_refused(shared, tmp_path):
    save_file({"weight": torch.zeros(3)}, shared / "model.safetensors")
    vouch(shared)
    with pytest.raises(InputError, match=r"no readable checkpoint .*; name a \.safetensors file of 'selip train'"):
        pull(Folder(shared), tmp_path / "out.safetensors")
    assert not (tmp_path / "out.safetensors").exists()


def test_an_existing_or_misnamed_file_is_not_written(shared, tmp_path):
    (tmp_path / "there.safetensors").write_text("mine")
    for name in ("there.safetensors", "model.bin"):
        with pytest.raises(InputError, match=f"got --out .*{name}; name a new file"):
            pull(Folder(shared), tmp_path / name)
    assert (tmp_path / "there.safetensors").read_text() == "mine"


def test_places_are_told_apart(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    hub = {"hf:me/model": "me/model", "me/model": "me/model", "hf:runs/x": "runs/x"}
    assert {text: place_of(text).name for text in hub} == hub
    for text in ("runs/x", "./me/model", "/me/model", "../me", "model", "a/b/c", "me/mo del", ""):
        assert place_of(text) == Folder(Path(text)), text
    assert place_of("me/model", private=False) == Repository("me/model", private=False)
    for text in ("hf:", "hf:model", "hf:../x/y", "hf:a/b/c"):
        with pytest.raises(InputError, match="name hf:OWNER/NAME, or a folder"):
            place_of(text)


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """The functions of huggingface_hub that are called, on a folder of this machine, and their calls."""
    calls, files = [], {}

    class Api:
        def model_info(self, repo):
            if not files:
                raise RepositoryNotFoundError("404", response=SimpleNamespace(headers={}, request=None))
            names = [*files, ".gitattributes", "../../escaped.txt"]
            return SimpleNamespace(sha="5" * 40, siblings=[SimpleNamespace(rfilename=name) for name in names])

        def create_repo(self, repo, **options):
            calls.append(("create_repo", repo, options))

        def upload_folder(self, *, repo_id, folder_path, **options):
            calls.append(("upload_folder", repo_id, options))
            files.update(content(Path(folder_path)))

    def download(repo, name, revision):
        calls.append(("hf_hub_download", repo, {"name": name, "revision": revision}))
        (tmp_path / "cache").mkdir(exist_ok=True)
        (tmp_path / "cache" / name).write_bytes(files[name])
        return str(tmp_path / "cache" / name)

    monkeypatch.setattr(huggingface_hub, "HfApi", Api)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    return SimpleNamespace(calls=calls, files=files)


def test_the_hub_gets_one_commit_of_a_private_repository(share, hub):
    share(Repository("me/model"))
    assert set(hub.files) == OURS
    assert hub.calls == [
        ("create_repo", "me/model", {"private": True, "exist_ok": True}),
        ("upload_folder", "me/model", {"delete_patterns": "records/*", "commit_message": "selip push"}),
    ]


def test_two_files_of_one_commit_are_fetched_from_the_hub_whatever_else_lies_there(share, hub, checkpoint, tmp_path):
    share(Repository("me/model"))
    hub.calls.clear()
    pull(Repository("me/model"), tmp_path / "out" / "model.safetensors")
    assert [call[2] for call in hub.calls] == [
        {"name": name, "revision": "5" * 40} for name in ("config.json", "model.safetensors")
    ]
    assert (tmp_path / "out" / "model.safetensors").read_bytes() == checkpoint.read_bytes()
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"model.safetensors"}


def test_a_repository_of_another_model_is_left_alone(share, hub):
    hub.files["pytorch_model.bin"] = b""
    with pytest.raises(InputError, match=r"got hf:me/bert with pytorch_model\.bin, a pickle"):
        share(Repository("me/bert"))
    assert hub.calls == []


def test_a_repository_that_is_not_there_is_one_line(hub, tmp_path):
    with pytest.raises(InputError, match=r"got hf:me/model without model\.safetensors and config\.json"):
        pull(Repository("me/model"), tmp_path / "out.safetensors")


def test_without_a_network_it_is_one_line(share, tmp_path, monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    said = r"^got hf:me/model, which the hub does not give or take \(.*offline mode.*\); name one that is open[^\n]*$"
    with pytest.raises(InputError, match=said):
        share(Repository("me/model"))
    with pytest.raises(InputError, match=said):
        pull(Repository("me/model"), tmp_path / "out.safetensors")
    assert sharing.CARD not in content(tmp_path)
