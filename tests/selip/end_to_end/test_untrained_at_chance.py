"""An untrained model on the whole quick cohort: no benchmark of retrieval, confidence or place finds anything in it."""

from __future__ import annotations

import pytest

from selip.experiments.catalogue import experiment_file
from selip.experiments.experiment import run_experiment
from selip.experiments.experiment_file import read_experiment
from selip.records.metric_key import MetricKey
from selip.records.record_files import read_records
from selip.system.progress import Report

CLINIC = (
    "calibration", "grounding", "report_retrieval_as_reporting", "robustness", "study_level", "subgroups",
    "text_sensitivity", "unseen",
)  # fmt: skip


@pytest.mark.slow
def test_the_interval_of_every_headline_holds_chance(tmp_path):
    asked = ["methods=random_init", "transfer=null", f"benchmarks={','.join(CLINIC)}", "evaluation.n_resamples=1000"]
    report = Report(line=lambda text: None, count=lambda name, done, total, detail: None)
    run_experiment(read_experiment(experiment_file("quick"), asked), tmp_path / "run", False, ["selip", "run"], report)
    records = {record.benchmark: record for record in read_records(tmp_path / "run" / "records")}
    assert {name: record.status for name, record in records.items()} == dict.fromkeys(CLINIC, "ok")
    beside = {}
    for name, record in records.items():
        for key, metric in record.metrics.items():
            if MetricKey.parse(key).matches(record.declared.headline[0]):
                beside[name, key] = metric.lower, record.metrics[f"{key}/chance"].value, metric.upper
    assert {name for name, _ in beside} == set(CLINIC)
    assert not {key: found for key, found in beside.items() if not found[0] <= found[1] <= found[2]}
