"""One small run on every benchmark, with a second cohort: what is scored, what is skipped, what a failure leaves."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from benchmarks import BENCHMARKS
from selip.experiments import run as run_cell
from selip.experiments.catalogue import experiment_file, find_benchmark, find_method
from selip.experiments.experiment import run_experiment
from selip.experiments.experiment_file import read_experiment
from selip.records.record_files import read_records
from selip.system.errors import InputError
from selip.system.progress import Report

SMALL = (
    "evaluation.segmentation.steps=2", "evaluation.segmentation.validations=1", "evaluation.segmentation.arms=[frozen]",
    "evaluation.probe.fine_tune_steps=2", "evaluation.probe.shots=[1]", "evaluation.probe.draws=2",
    "transfer.name=phantom_glioma", "transfer.patients=160",
)  # fmt: skip
REPORT = Report(line=lambda text: None, count=lambda name, done, total, detail: None)


@pytest.fixture(scope="module")
def config(small_cohort_folder, tiny_run):
    overrides = [one for one in tiny_run if not one.startswith(("transfer", "benchmarks"))]
    names = f"benchmarks={','.join(BENCHMARKS)}"
    chosen = [f"cohort.path={small_cohort_folder}", names, "methods=selip,mae", *overrides, *SMALL]
    return read_experiment(experiment_file("quick"), chosen)


@pytest.fixture(scope="module")
def folder(config, tmp_path_factory):
    out = tmp_path_factory.mktemp("every") / "run"
    run_experiment(config, out, False, ["selip", "run"], REPORT)
    return out


def test_every_benchmark_has_a_record_and_image_only_methods_skip_text(folder):
    found = {(record.method, record.benchmark): record for record in read_records(folder / "records")}
    assert {name for _, name in found} == set(BENCHMARKS)
    of_text = {("mae", name) for name in BENCHMARKS if find_benchmark(name).needs_text}
    of_real = {(method, name) for method in ("selip", "mae") for name in ("attribute_retrieval", "value_probe")}
    assert {cell for cell, record in found.items() if record.status == "skipped"} == of_text | of_real
    assert found["mae", "retrieval"].reason == run_cell.IMAGE_ONLY
    assert found["mae", "linear_probe"].notes["mae"] == find_method("mae").caveat
    assert f" | {find_method('mae').caveat}" in (folder / "leaderboard" / "classification.md").read_text()
    assert "mae" not in found["selip", "linear_probe"].notes
    assert any(key.startswith("glioma_grade/") for key in found["mae", "linear_probe"].metrics)


def test_the_leaderboard_has_a_page_for_each_family_and_the_audit_its_facts(folder):
    pages = {path.name for path in (folder / "leaderboard").iterdir()}
    for family in ("retrieval", "classification", "segmentation"):
        assert {f"{family}.md", f"{family}.csv", f"{family}.tex"} <= pages
    assert {"overall.md", "audit.md", "index.html"} <= pages
    assert list((folder / "leaderboard" / "examples").glob("segmentation-selip-*.png"))
    cohorts = json.loads((folder / "audit.json").read_text())["cohorts"]
    assert [one["name"] for one in cohorts] == ["phantom-quick", "phantom_glioma-quick"]


def test_a_benchmark_that_fails_leaves_the_others_and_is_done_again(config, tmp_path, monkeypatch):
    scored = []
    real = run_cell._score

    def broken(cell, method, setting, facts, name, *rest):
        scored.append(name)
        if scored == ["retrieval", "few_shot"]:  # the first method's
            return run_cell._leave(cell, setting, facts, [name], InputError("broken on purpose"))
        return real(cell, method, setting, facts, name, *rest)

    monkeypatch.setattr(run_cell, "_score", broken)
    monkeypatch.setattr("selip.experiments.experiment.write_leaderboard", lambda *arguments: [])
    few = replace(config, benchmarks=("retrieval", "few_shot"), transfer=None)
    with pytest.raises(InputError, match="1 of 2 runs failed"):
        run_experiment(few, tmp_path / "run", False, ["selip"], REPORT)
    status = {(one.method, one.benchmark): one.status for one in read_records(tmp_path / "run" / "records")}
    assert status["selip", "retrieval"] == "ok"
    assert (status["selip", "few_shot"], status["mae", "few_shot"]) == ("failed", "ok")
    first = list(scored)
    repeats = []

    def again(*arguments):
        scored.append(arguments[4])
        repeats.append(torch.are_deterministic_algorithms_enabled())
        return real(*arguments)

    monkeypatch.setattr(run_cell, "_score", again)
    torch.use_deterministic_algorithms(False)
    run_experiment(few, tmp_path / "run", True, ["selip"], REPORT)
    assert scored[len(first) :] == ["few_shot"], "what was scored is not scored again"
    assert repeats == [True], "kernels are those of training, though none was trained"


def test_a_second_cohort_on_another_grid_is_refused_before_anything_is_trained(config, tmp_path):
    other = replace(config, transfer=replace(config.transfer, profile="standard", patients=12))
    with pytest.raises(InputError, match=r"second cohort .* one grid"):
        run_experiment(other, tmp_path / "run", False, ["selip"], REPORT)
    assert not (tmp_path / "run" / "records").exists()


def test_records_name_the_second_cohort(folder):
    found = read_records(folder / "records")
    assert {record.transfer.name for record in found} == {"phantom_glioma"}
    assert len({record.transfer_split_fingerprint for record in found}) == 1
