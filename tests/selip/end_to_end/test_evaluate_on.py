"""Pretraining on one cohort, evaluation on another: the model is that of the one, every number that of the other."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from safetensors import safe_open

from selip.cohorts.phantom.generate import build
from selip.data.cohort import Cohort
from selip.experiments import run as run_cell
from selip.experiments.catalogue import experiment_file
from selip.experiments.experiment import evaluate_checkpoint, run_experiment
from selip.experiments.experiment_file import read_experiment
from selip.experiments.run_directory import IMAGE_ONLY, RunDirectory
from selip.models.dual_encoder import load_checkpoint
from selip.models.embeddings import embed_cohort
from selip.records.record_files import read_records, write_record
from selip.system.errors import InputError
from selip.system.files import write_atomically
from selip.system.progress import Report

REPORT = Report(line=lambda text: None, count=lambda name, done, total, detail: None)


@pytest.fixture(scope="module")
def other_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("other") / "phantom"
    build("quick", 7, folder, workers=1, n_patients=160)  # so many that test has five normal patients
    return folder


@pytest.fixture(scope="module")
def other(other_folder):
    return Cohort.open(other_folder)


@pytest.fixture(scope="module")
def configure(small_cohort_folder, tiny_run):
    def made(*overrides):
        chosen = [f"cohort.path={small_cohort_folder}", "methods=selip", *tiny_run, *overrides]
        return read_experiment(experiment_file("quick"), chosen)

    return made


@pytest.fixture(scope="module")
def at_home(configure, tmp_path_factory):
    """A run that is scored on its own cohort."""
    out = tmp_path_factory.mktemp("home") / "run"
    run_experiment(configure(), out, False, ["selip"], REPORT)
    return out


@pytest.fixture(scope="module")
def abroad(configure, other_folder, tmp_path_factory):
    """The same training, scored on FLAIR of another cohort."""
    out = tmp_path_factory.mktemp("abroad") / "run"
    names = "benchmarks=retrieval,zero_shot,linear_probe"
    config = configure(names, f"evaluate_on.path={other_folder}", "evaluate_on.contrasts={DWI: null}")
    run_experiment(config, out, False, ["selip"], REPORT)
    return out


def contents(checkpoint):
    """Facts and bytes of every tensor; the file orders its header as it likes."""
    with safe_open(checkpoint, framework="np") as file:
        return file.metadata(), {name: file.get_tensor(name).tobytes() for name in file.keys()}  # noqa: SIM118


def records_of(folder):
    return {record.benchmark: record for record in read_records(folder / "records")}


def test_the_model_is_that_of_a_run_without_evaluate_on(at_home, abroad):
    home, away = (path / "checkpoints" / "selip-seed0.safetensors" for path in (at_home, abroad))
    assert contents(home) == contents(away)
    one, two = (records_of(path)["retrieval"].training for path in (at_home, abroad))
    assert one == two, "weights, batches, chosen step and validation history are those of the training cohort alone"


def test_records_name_both_cohorts_and_runs_have_ids_of_their_own(at_home, abroad, small_cohort, other):
    home, away = records_of(at_home)["retrieval"], records_of(abroad)["retrieval"]
    assert home.trained_on is None
    assert (away.cohort.content_hash, away.split_fingerprint) == (other.info.content_hash, other.info.split_fingerprint)
    assert away.trained_on == home.cohort
    assert away.trained_on_split_fingerprint == small_cohort.info.split_fingerprint == home.split_fingerprint
    assert away.run_id != home.run_id
    assert away.config["evaluate_on"] == {"contrasts": {"FLAIR": "FLAIR", "DWI": None}}
    assert away.synthetic


def test_only_the_kept_contrast_of_the_other_test_part_is_scored(abroad, other):
    for name in ("retrieval", "zero_shot", "linear_probe"):
        record = records_of(abroad)[name]
        assert record.status == "ok", record.reason
        items = pd.read_parquet(abroad / "records" / record.per_item)
        test = other.volumes.iloc[other.rows("test")]
        assert set(items["item_id"]) <= set(test.loc[test["contrast"] == "FLAIR", "volume_id"])
    assert not any("DWI" in key for key in records_of(abroad)["retrieval"].metrics)


def test_the_page_says_where_models_and_scores_come_from(abroad, small_cohort, other):
    text = (abroad / "leaderboard" / "retrieval.md").read_text()
    names = [f"SYNTHETIC cohort phantom-quick {one.info.content_hash[:8]}" for one in (small_cohort, other)]
    assert f"trained on {names[0]}, scored on {names[1]}" in text.splitlines()[0]
    assert "FLAIR read as trained; DWI left out" in text
    table = pd.read_csv(abroad / "leaderboard" / "retrieval.csv")
    assert table["cohort"].str.startswith("trained on phantom-quick").all()


def test_the_audit_looks_across(abroad):
    (crossing,) = json.loads((abroad / "audit.json").read_text())["crossings"]
    assert crossing["ids"] == "counters"
    assert crossing["shared_ids"]
    assert not crossing["identical_volumes"]
    page = (abroad / "leaderboard" / "audit.md").read_text()
    assert "No leakage found between train and val of phantom-quick" in page
    assert "the same id says nothing" in page


def test_a_contrast_under_another_name_is_embedded_alike(at_home, other):
    checkpoint = at_home / "checkpoints" / "selip-seed0.safetensors"
    alias = other.volumes["contrast"].replace("DWI", "T1c")
    own, _ = load_checkpoint(checkpoint)
    reader, _ = load_checkpoint(checkpoint)
    reader.intensity.read_as({"T1c": "DWI"})
    renamed = replace(other, volumes=other.volumes.assign(contrast=alias))
    expected = embed_cohort(own, other, "test", ()).volumes
    np.testing.assert_array_equal(embed_cohort(reader, renamed, "test", ()).volumes, expected)
    assert not np.array_equal(embed_cohort(own, renamed, "test", ()).volumes, expected)


def test_evaluate_repeats_the_record_when_told_the_same_contrasts(abroad, other_folder):
    checkpoint = abroad / "checkpoints" / "selip-seed0.safetensors"
    score, notes = evaluate_checkpoint(checkpoint, other_folder, "retrieval", "test", {"DWI": None})
    found = {key: metric.value for key, metric in records_of(abroad)["retrieval"].metrics.items()}
    assert {key: metric.value for key, metric in score.metrics.items()} == found
    assert "DWI is left out" in notes
    with pytest.raises(InputError, match="--contrasts to T1"):
        evaluate_checkpoint(checkpoint, other_folder, "retrieval", "test", {"DWI": "T1"})


def test_refused_before_anything_is_written(configure, small_cohort_folder, other_folder, tmp_path, reseal):
    renamed = tmp_path / "renamed"
    renamed.mkdir()
    for path in other_folder.iterdir():
        (renamed / path.name).symlink_to(path)
    table = (other_folder / "volumes.csv").read_text().replace(",DWI,", ",T1c,")
    write_atomically(renamed / "volumes.csv", table)
    reseal(renamed)
    with pytest.raises(InputError, match=r"got T1c volumes .*evaluate_on.contrasts={T1c: FLAIR}"):
        run_experiment(configure(f"evaluate_on.path={renamed}"), tmp_path / "a", False, ["selip"], REPORT)
    assert not (tmp_path / "a").exists()
    with pytest.raises(InputError, match="the cohort that is trained on"):
        run_experiment(configure(f"evaluate_on.path={small_cohort_folder}"), tmp_path / "b", False, ["selip"], REPORT)


def test_a_later_benchmark_is_scored_without_training_again(configure, at_home, monkeypatch):
    def trained(*arguments):
        raise AssertionError("it was trained again")

    monkeypatch.setattr(run_cell, "train", trained)
    before = records_of(at_home)["retrieval"]
    run_experiment(configure("benchmarks=retrieval,zero_shot"), at_home, True, ["selip"], REPORT)
    after = records_of(at_home)
    assert after["retrieval"] == before
    assert (after["zero_shot"].status, after["zero_shot"].training) == ("ok", before.training)
    assert after["zero_shot"].seconds["train"] == before.seconds["train"]


def test_only_a_method_without_a_text_tower_stays_skipped(at_home, tmp_path):
    record = records_of(at_home)["retrieval"]
    directory = RunDirectory(tmp_path)
    for reason, done in ((IMAGE_ONLY, True), ("got no weights", False)):
        skipped = record.model_copy(update={"status": "skipped", "reason": reason, "per_item": ""})
        write_record(directory.records, skipped)
        assert directory.is_done([record.run_id]) == done
