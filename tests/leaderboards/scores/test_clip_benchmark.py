"""Results in CLIP_benchmark's layout: every number against the record or scikit-learn, and no number that is not."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, top_k_accuracy_score

from benchmarks.retrieval.hard_negatives import EDITS
from leaderboards.scores.clip_benchmark import results_of, write_results
from selip.records.record_files import read_per_item, read_records
from selip.system.errors import InputError

QUICK = Path(__file__).resolve().parents[3] / "leaderboards" / "records" / "quick"
FIELDS = ["dataset", "model", "pretrained", "task", "metrics", "language"]  # of cli.py there, in its order
RECALLS = {f"{way}_retrieval_recall@{k}" for way in ("image", "text") for k in (1, 5, 10)}


@pytest.fixture(scope="module")
def results():
    return results_of(QUICK)


@pytest.fixture(scope="module")
def records():
    return {record.run_id: record for record in read_records(QUICK / "records")}


def test_every_counterpart_is_there_and_nothing_else(results, records):
    assert all(list(one)[: len(FIELDS)] == FIELDS for one in results)
    assert {one["task"] for one in results} == {"zeroshot_retrieval", "zeroshot_classification", "linear_probe"}
    pools = {(one["run_id"], one["dataset"].rpartition("/")[2]) for one in results}
    assert len(pools) == len(results)
    for record in records.values():
        own = {key.split("/")[0] for key in record.metrics} - {"macro", *EDITS}
        expected = set() if record.benchmark == "segmentation" else own
        assert {pool for run_id, pool in pools if run_id == record.run_id} == expected
    assert {one["model"] for one in results} == {"resnet10"}
    assert {one["pretrained"] for one in results} == {f"{record.method}-seed0" for record in records.values()}
    assert all(one["synthetic"] for one in results)


def test_recall_is_the_mean_over_items(results, records):
    for one in (one for one in results if one["task"] == "zeroshot_retrieval"):
        assert set(one["metrics"]) == RECALLS
        table = read_per_item(QUICK / "records", records[one["run_id"]])
        rows = table[table["pool"] == one["dataset"].rpartition("/")[2]]
        for k in (1, 5, 10):
            assert one["metrics"][f"text_retrieval_recall@{k}"] == pytest.approx(rows[f"image_to_text_R@{k}"].mean())
            assert one["metrics"][f"image_retrieval_recall@{k}"] == pytest.approx(rows[f"text_to_image_R@{k}"].mean())


@pytest.mark.parametrize(
    ("task", "model", "prefix"), [("zeroshot_classification", "", ""), ("linear_probe", "embeddings_linear_", "lp_")]
)
def test_accuracies_are_those_of_scikit_learn(task, model, prefix, results, records):
    found = [one for one in results if one["task"] == task]
    assert len({one["dataset"] for one in found}) == 5
    for one in found:
        table = read_per_item(QUICK / "records", records[one["run_id"]])
        rows = table[table["pool"] == one["dataset"].rpartition("/")[2]].dropna(axis=1, how="all")
        truth, predicted = rows["truth"], rows[f"{model}predicted"]
        expected = {"acc1": accuracy_score(truth, predicted)}
        expected["mean_per_class_recall"] = balanced_accuracy_score(truth, predicted)
        names = [column.partition(":")[2] for column in rows if column.startswith("truth:")]
        if len(names) >= 5:
            scores = rows[[f"{model}score:{name}" for name in names]]
            expected["acc5"] = top_k_accuracy_score(truth, scores, k=5, labels=range(len(names)))
        assert one["metrics"] == pytest.approx({f"{prefix}{name}": value for name, value in expected.items()})


def test_the_second_cohort_is_named_where_its_volumes_were_scored(results):
    cohorts = {one["dataset"] for one in results if one["dataset"].endswith("/glioma_grade")}
    assert cohorts == {"phantom_glioma-quick/glioma_grade"}
    assert "phantom-quick/lesion_type" in {one["dataset"] for one in results}


def built(folder):
    """The rows that `clip_benchmark build FOLDER` would write (main_build of its cli.py), as texts."""
    rows = {}
    for path in folder.glob("*.json"):
        data = json.loads(path.read_text())
        row = data.pop("metrics") | data | {"model_fullname": f"{data['model']} {data['pretrained']}"}
        rows[row["run_id"], row["dataset"]] = {key: str(value) for key, value in row.items()}
    return rows


def test_the_three_forms_hold_the_same(results, tmp_path):
    write_results(results, tmp_path / "all.json")
    assert json.loads((tmp_path / "all.json").read_text()) == results
    paths = write_results(results, tmp_path / "each")
    assert len(set(paths)) == len(results)
    assert tmp_path / "each" / "phantom-quick_abnormal_clip-seed0_resnet10_en_zeroshot_retrieval.json" in paths
    write_results(results, tmp_path / "all.csv")
    with (tmp_path / "all.csv").open(newline="") as file:
        rows = [{key: value for key, value in row.items() if value} for row in csv.DictReader(file)]
    assert {(row["run_id"], row["dataset"]): row for row in rows} == built(tmp_path / "each")


def test_a_language_is_passed_on(results):
    assert {one["language"] for one in results} == {"en"}
    assert {one["language"] for one in results_of(QUICK, "zh")} == {"zh"}


def test_what_cannot_be_exported_is_one_line(factory, results, tmp_path):
    factory.add_family_run(tmp_path, "segmentation", "clip")
    with pytest.raises(InputError, match=r"without a scored record of retrieval, zero_shot or linear_probe; allowed:"):
        results_of(tmp_path)
    with pytest.raises(InputError, match=r"got --out .*results\.xlsx; allowed: a \.json or \.csv file"):
        write_results(results, tmp_path / "results.xlsx")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="got --out"):
        write_results(results, tmp_path / "file")


def test_failed_and_skipped_records_give_no_result(factory, tmp_path):
    factory.add_run(tmp_path, "clip")
    factory.add_hole(tmp_path, "selip")
    assert {one["pretrained"] for one in results_of(tmp_path)} == {"clip-seed0"}
