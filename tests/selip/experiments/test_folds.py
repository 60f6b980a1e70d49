"""An experiment in folds: trained and scored a fold at a time, pooled once, resumed within a fold."""

from __future__ import annotations

import json

import numpy as np
import pytest

from leaderboards.scores.headlines import headline_of
from selip.cohorts.importing.study_texts import UNDESCRIBED
from selip.data.states import ABNORMAL
from selip.experiments.catalogue import experiment_file
from selip.experiments.config import ExperimentConfig
from selip.experiments.executors.local import ONE_BY_ONE
from selip.experiments.experiment import run_experiment
from selip.experiments.experiment_file import read_experiment
from selip.experiments.folds import run_folds
from selip.experiments.search import worked_examples
from selip.models.dual_encoder import load_checkpoint
from selip.models.embeddings import Embeddings
from selip.models.scored_model import mismatches
from selip.records.record_files import read_per_item, read_records
from selip.system.errors import InputError
from selip.system.progress import DONE, LEFT, RUNNING, Report

BENCHMARKS = "benchmarks=linear_probe,retrieval"


def run(out, cohort, tiny_run, *overrides, resume=False, most=None, mark=lambda *_: None):
    said = []
    options = [f"cohort.path={cohort}", "transfer=null", "methods=clip", "folds=2", BENCHMARKS, *overrides]
    config = read_experiment(experiment_file("quick"), [*tiny_run, *options])
    pages = run_folds(config, out, resume, ["selip", "run"], Report(line=said.append, mark=mark), ONE_BY_ONE, most)
    return pages, said


@pytest.fixture(scope="module")
def finished(tmp_path_factory, small_cohort_folder, tiny_run):
    out, marks = tmp_path_factory.mktemp("folds") / "run", []
    pages, _ = run(out, small_cohort_folder, tiny_run, mark=lambda *one: marks.append(one))
    return out, pages, marks


def test_a_benchmark_is_left_then_running_then_has_the_number_of_its_record(finished):
    out, _, marks = finished
    for record in read_records(out / "folds" / "2" / "records"):
        own = [scored for _, benchmark, scored in marks if benchmark == record.benchmark]
        assert [one.state for one in own] == [LEFT, RUNNING, DONE] * 2
        assert own[-1].value == record.metrics[headline_of([record]).key].value


def test_each_patient_has_a_score_and_the_record_says_that_it_is_pooled(finished, small_cohort):
    out, pages, _ = finished
    records = {record.benchmark: record for record in read_records(out / "records")}
    assert {record.fold for record in records.values()} == {"2 pooled"}
    table = read_per_item(out / "records", records["retrieval"])
    every = table[table["pool"] == "all"]
    assert sorted(every["item_id"]) == sorted(small_cohort.volumes["volume_id"])
    probe = records["linear_probe"].metrics["abnormal/features_linear_macro_auroc"]
    assert probe.n_patients == small_cohort.studies["patient_id"].nunique()
    assert "abnormal/features_linear_macro_auroc/metadata" in records["linear_probe"].metrics
    folds = [read_records(out / "folds" / name / "records") for name in "12"]
    steps = ", ".join(str(some[0].training.chosen_step) for some in folds)
    assert records["retrieval"].notes["trainings"].startswith(f"one a fold; chosen steps {steps}; ")
    one, two = (load_checkpoint(out / "folds" / name / "checkpoints" / "clip-seed0.safetensors")[1] for name in "12")
    assert one.run != two.run, "no checkpoint of one fold passes for that of another"
    assert "no test score" in mismatches(one, small_cohort, "test")[0]
    assert {record.fold for some in folds for record in some} == {"1 of 2", "2 of 2"}
    audit = json.loads((out / "audit.json").read_text())
    assert [one["name"] for one in audit["cohorts"]] == ["phantom-quick, fold 1 of 2", "phantom-quick, fold 2 of 2"]
    assert any(page.name == "index.html" for page in pages)


def test_pictures_of_the_last_fold_stand_on_the_page_of_all(finished):
    out, _, _ = finished
    shown, drawn = (folder / "leaderboard" / "examples" for folder in (out, out / "folds" / "2"))
    assert {path.name for path in shown.iterdir()} == {"clip-image_to_text.png", "clip-text_to_image.png"}
    assert shown.samefile(drawn)
    assert "data:image/webp" in (out / "leaderboard" / "index.html").read_text()


def test_no_example_is_of_a_text_that_nobody_wrote(small_cohort):
    items = small_cohort.volumes.assign(text=UNDESCRIBED, state=ABNORMAL)
    embeddings = Embeddings(items, np.eye(len(items)), np.eye(len(items)), lambda texts: np.eye(len(texts)), {}, [])
    assert worked_examples(embeddings, small_cohort, "clip") == {}


def test_what_is_done_in_a_fold_is_not_done_again(finished, small_cohort_folder, tiny_run):
    out, _, _ = finished
    before = {path: path.stat().st_mtime_ns for path in out.glob("folds/*/checkpoints/*.safetensors")}
    gone = next((out / "folds" / "2" / "records").glob("*retrieval*.json"))
    gone.unlink()
    _, said = run(out, small_cohort_folder, tiny_run, resume=True)
    assert "0 of 1 runs to do" in said
    assert "1 of 1 runs to do" in said
    assert gone.is_file()
    assert before == {path: path.stat().st_mtime_ns for path in before}


def test_a_cohort_that_is_evaluated_on_is_scored_out_of_fold_by_one_training(
    tmp_path, small_cohort_folder, tiny_run, make_other_cohort
):
    other = make_other_cohort(tmp_path / "other")
    out = tmp_path / "run"
    run(out, small_cohort_folder, tiny_run, f"evaluate_on.path={other.root}", "benchmarks=linear_probe")
    (record,) = read_records(out / "records")
    assert record.trained_on is not None
    assert record.cohort.content_hash == other.info.content_hash
    assert len({path.resolve() for path in out.glob("folds/*/checkpoints/*.safetensors")}) == 1
    hashes = [read_records(out / "folds" / name / "records")[0].training.batch_order_hash for name in "12"]
    assert hashes[0] == hashes[1]
    first = read_records(out / "folds" / "1" / "records")[0]
    assert record.seconds["train"] == first.seconds["train"], "one training, counted once"
    assert "trainings" not in record.notes


def test_checkpoints_of_another_experiment_are_scored_and_not_trained_again(
    tmp_path, small_cohort_folder, tiny_run, make_other_cohort, monkeypatch
):
    elsewhere = tmp_path / "elsewhere"
    plain = [*tiny_run, f"cohort.path={small_cohort_folder}", "methods=clip"]
    run_experiment(read_experiment(experiment_file("quick"), plain), elsewhere, False, ["selip"], Report())
    other = make_other_cohort(tmp_path / "other")
    monkeypatch.setattr("selip.experiments.run.train", None)
    options = [f"evaluate_on.path={other.root}", "benchmarks=linear_probe", f"trained_in={elsewhere}"]
    _, said = run(tmp_path / "run", small_cohort_folder, tiny_run, *options)
    assert said.count(f"clip-seed0: as {elsewhere} trained it") == 2
    (record,) = read_records(tmp_path / "run" / "records")
    (known,) = read_records(elsewhere / "records")
    assert (record.status, record.training) == ("ok", known.training)
    monkeypatch.undo()
    _, said = run(tmp_path / "longer", small_cohort_folder, tiny_run, *options, "training.steps=7")
    assert not any("trained it" in line for line in said)
    with pytest.raises(InputError, match="holds no run"):
        run(tmp_path / "none", small_cohort_folder, tiny_run, f"trained_in={tmp_path}")


@pytest.fixture
def make_other_cohort():
    from selip.cohorts.phantom.generate import build

    def make(folder):
        return build("quick", 5, folder, workers=1, n_patients=44)

    return make


@pytest.mark.parametrize("values", [{"folds": 1}, {"folds": 2, "fold": 3}, {"folds": 2, "doses": {"patients": (24,)}}])
def test_folds_that_are_none_are_refused(values):
    with pytest.raises(InputError, match="folds"):
        ExperimentConfig("x", **values)


def test_the_most_runs_to_do_are_counted_over_all_folds(tmp_path, small_cohort_folder, tiny_run):
    cheap = "benchmarks=retrieval"
    pages, said = run(tmp_path, small_cohort_folder, tiny_run, cheap, most=1)
    assert not pages
    assert [line for line in said if "runs to do" in line] == [
        "1 of 1 runs to do",
        "0 of 1 runs to do, 1 left for later",
    ]
    pages, said = run(tmp_path, small_cohort_folder, tiny_run, cheap, resume=True, most=1)
    assert pages
    assert [line for line in said if "runs to do" in line] == ["0 of 1 runs to do", "1 of 1 runs to do"]
