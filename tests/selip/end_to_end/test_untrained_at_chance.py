"""An untrained model on the whole quick cohort: no benchmark of retrieval, confidence or place finds anything in it."""

from __future__ import annotations

import pytest

from leaderboards.scores.headlines import headline_of
from selip.experiments.catalogue import experiment_file
from selip.experiments.experiment import run_experiment
from selip.experiments.experiment_file import read_experiment
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
    outside = {}
    for name, record in records.items():
        key = headline_of([record]).key
        found, chance = record.metrics[key], record.metrics[f"{key}/chance"].value
        is_lowest = name == "subgroups"  # of many groups the lowest may well be under chance
        if not (found.lower <= chance and (is_lowest or chance <= found.upper)):
            outside[key] = found.lower, chance, found.upper
    assert not outside
