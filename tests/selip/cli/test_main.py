"""The commands as a user types them, on a small cohort."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from selip.experiments import machine_limits
from selip.experiments.config import DECLARED_CONTRASTS
from selip.experiments.dry_run import StepTime
from selip.records.record_files import read_record, read_records
from selip.system.gpu import Gpu


def run_arguments(cohort, tiny_run, methods="selip,clip,random_init"):
    return ["run", "quick", f"cohort.path={cohort}", f"methods={methods}", *tiny_run, "--workers", "1"]


@pytest.fixture
def finished(finished_run):
    return finished_run


@pytest.fixture
def checkpoint(finished):
    return finished / "checkpoints" / "selip-seed0.safetensors"


def test_run_leaves_what_the_design_promises(finished):
    assert (finished / "config.yaml").is_file()
    assert len((finished / "log.jsonl").read_text().splitlines()) == 3
    names = {path.name for path in (finished / "leaderboard").iterdir()}
    assert {"retrieval.md", "retrieval.csv", "index.html"} <= names
    assert list((finished / "leaderboard" / "examples").glob("selip-*.png"))
    assert not list(finished.rglob("*.partial"))
    assert not list(finished.rglob("*.state.safetensors"))
    records = read_records(finished / "records")
    assert [record.method for record in records] == ["clip", "random_init", "selip"]
    assert {record.status for record in records} == {"ok"}
    for record in records:
        assert record.cohort.synthetic
        assert record.metrics["abnormal/image_to_text_R@10"].lower is not None
        assert "abnormal/image_to_text_R@10/chance" in record.metrics
        assert record.command.startswith("selip run quick")
        assert record.versions["torch"]
        assert record.contrasts == DECLARED_CONTRASTS
        assert record.controls == ("clip_x2", "label_smoothing", "shuffled_selip")
    own = {record.method: record.settings for record in records}
    paper = {"kl_weight": 1.0, "kl": "symmetric", "rows": "linear", "diagonal": "in", "kl_clamp": 0.0}
    assert own == {"selip": paper, "clip": {}, "random_init": {}}


def test_records_of_a_seed_are_fair(finished):
    records = read_records(finished / "records")
    for fact in ("initial_weights_hash", "batch_order_hash"):
        assert len({getattr(record.training, fact) for record in records}) == 1
    assert len({record.split_fingerprint for record in records}) == 1
    assert {record.training.steps for record in records if record.method != "random_init"} == {6}


@pytest.mark.slow
def test_killed_and_resumed_gives_the_same_records_when_tracked(
    finished, small_cohort_folder, tiny_run, tmp_path, command, same_records
):
    out = tmp_path / "killed"
    arguments = [*run_arguments(small_cohort_folder, tiny_run), "--out", str(out), "--resume", "--track", "tensorboard"]
    line = [sys.executable, "-m", "selip", *arguments, "--workers", "2"]
    process = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    deadline = time.monotonic() + 120
    while not list(out.glob("checkpoints/*.state.safetensors")) and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not (out / "leaderboard").exists(), "it was killed in the middle"
    code, _, said = command(*arguments, "--workers", "1", "--most", "1")
    assert code == 0
    assert re.search("1 of 3 runs to do, [12] left for later", said), "random_init was first, and may be done"
    assert command(*arguments, "--workers", "1")[0] == 0
    same_records(finished, out)
    assert (out / "config.yaml").read_text() == (finished / "config.yaml").read_text()
    for method in ("selip", "clip"):
        events = EventAccumulator(str(out / "tracking" / f"{method}-seed0"))
        events.Reload()
        assert [one.step for one in events.Scalars("loss")] == [2, 4, 6]
    assert not (out / "tracking" / "random_init-seed0").exists()


def test_done_is_skipped_and_another_experiment_refused(finished, small_cohort_folder, tiny_run, command):
    before = {path: path.stat().st_mtime_ns for path in (finished / "records").iterdir()}
    arguments = [*run_arguments(small_cohort_folder, tiny_run), "--out", finished]
    code, _, said = command(*arguments, "--resume")
    assert code == 0
    assert "0 of 3 runs to do" in said
    assert {path: path.stat().st_mtime_ns for path in (finished / "records").iterdir()} == before
    code, _, said = command(*arguments)
    assert (code, said.count("\n")) == (2, 1)
    assert "--resume" in said
    for override, changed in {
        "training.steps=7": "run",
        "methods.selip.kl_weight=0.5": "run",
        "contrasts=[[selip, clip]]": "contrasts",
    }.items():
        code, _, said = command(*arguments, override, "--resume")
        assert (code, said.count("\n")) == (2, 1)
        assert f"another {changed} than" in said


def test_a_failed_run_is_recorded_and_the_rest_goes_on(small_cohort_folder, tiny_run, tmp_path, command):
    out = tmp_path / "failing"
    arguments = [*run_arguments(small_cohort_folder, tiny_run, "clip,random_init"), "training.learning_rate_text=1e30"]
    code, _, said = command(*arguments, "--out", out)
    assert code == 2
    assert "1 of 2 runs failed (clip-seed0)" in said.splitlines()[-1]
    failed, floor = read_records(out / "records")
    assert (failed.status, floor.status) == ("failed", "ok")
    assert "not finite at step" in failed.reason
    assert "failed" in (out / "leaderboard" / "retrieval.md").read_text()


def test_dry_run_writes_nothing(tmp_path, command, tiny_run):
    code, out, _ = command("run", "quick", "--out", tmp_path / "dry", "--dry-run", "seeds=2", *tiny_run)
    assert code == 0
    assert "8 runs x 1 benchmarks" in out
    assert "of training steps for all runs" in out
    assert not (tmp_path / "dry").exists()


def test_a_dry_run_says_what_folds_cost(tmp_path, command, tiny_run, small_cohort_folder):
    asked = ["run", "quick", "--out", tmp_path / "dry", "--dry-run", *tiny_run]
    _, out, _ = command(*asked, "folds=5")
    assert out.splitlines()[-1] == "this for each of 5 folds"
    _, out, _ = command(*asked, "folds=3", f"evaluate_on.path={small_cohort_folder}", "benchmarks=linear_probe")
    assert out.splitlines()[-1] == "trained once, scored in each of 3 folds"


def test_similarity_says_why(command):
    texts = ("at left insula shows high signal", "at left insula shows low signal")
    code, out, _ = command("similarity", *texts, "--json")
    assert code == 0
    found = json.loads(out)
    assert found["similarity"] == pytest.approx(0.5 * 6 / 8)
    code, out, _ = command("similarity", *texts)
    assert (code, "S = 0.375" in out) == (0, True)
    code, _, said = command("similarity", "a", "b", "semantic=feilds")
    assert (code, "did you mean 'fields'" in said) == (2, True)


def test_evaluate_repeats_the_record(finished, checkpoint, small_cohort_folder, command):
    code, out, _ = command("evaluate", checkpoint, "--cohort", small_cohort_folder, "--json")
    assert code == 0
    record = next(record for record in read_records(finished / "records") if record.method == "selip")
    key = "abnormal/image_to_text_MRR"
    assert json.loads(out)[key]["value"] == record.metrics[key].value
    code, out, _ = command("evaluate", checkpoint, "--cohort", small_cohort_folder)
    assert code == 0
    assert "abnormal/image_to_text_R@10" in out


def test_search_by_text_names_unseen_words(checkpoint, small_cohort_folder, command):
    text = "zebra shows signal"
    code, out, said = command("search", checkpoint, "--cohort", small_cohort_folder, "--text", text, "-k", "3")
    assert code == 0
    assert "zebra" in said
    assert out.count("p0") == 3


def test_search_reads_places_out_of_plain_words(checkpoint, small_cohort_folder, command):
    text = "an acute infarct in the left frontal lobe"
    code, out, said = command("search", checkpoint, "--cohort", small_cohort_folder, "--text", text, "-k", "3")
    assert code == 0
    assert "read as left frontal lobe" in said
    assert out.count("p0") == 3


def test_search_by_volume(checkpoint, small_cohort_folder, tmp_path, command):
    from selip.data.cohort import Cohort

    cohort = Cohort.open(small_cohort_folder)
    path = tmp_path / "volume.nii.gz"
    image = nib.Nifti1Image(cohort.read_volumes([0])[0].astype(np.float32), np.diag([*cohort.info.spacing_mm, 1]))
    image.header.set_xyzt_units("mm")
    nib.save(image, path)
    code, out, _ = command(
        "search", checkpoint, "--cohort", small_cohort_folder, "--volume", path, "--contrast", "flair"
    )
    assert code == 0
    assert "shows" in out


def test_a_checkpoint_is_shared_with_its_own_records(finished, checkpoint, tmp_path, command):
    code, out, said = command("push", checkpoint, tmp_path / "shared", "--records")
    assert (code, "records in its card: 1" in out, "texts of training volumes" in said) == (0, True, True)
    (path,) = (tmp_path / "shared" / "records").glob("*.json")
    assert path.read_bytes() == (finished / "records" / path.name).read_bytes()
    assert path.with_suffix(".parquet").is_file()
    record = read_record(path)
    metric = record.metrics["abnormal/image_to_text_R@10"]
    card = (tmp_path / "shared" / "README.md").read_text()
    assert record.method == "selip"
    assert f"{metric.value:.3f} [{metric.lower:.3f}, {metric.upper:.3f}]" in card
    assert f"    {record.command}\n" in card
    code, out, _ = command("pull", tmp_path / "shared", "--out", tmp_path / "model.safetensors")
    assert (code, "selip, seed 0" in out) == (0, True)
    assert (tmp_path / "model.safetensors").read_bytes() == checkpoint.read_bytes()


def test_towers_and_results_are_exported(finished, checkpoint, tmp_path, command):
    code, out, _ = command("export", "tower", checkpoint, "--out", tmp_path / "tower")
    assert code == 0
    assert {Path(line).name for line in out.split()} == {"tower.safetensors", "tower.json", "load_tower.py"}
    code, out, _ = command("export", "results", finished, "--out", tmp_path / "results.json")
    assert code == 0
    record = next(record for record in read_records(finished / "records") if record.method == "selip")
    results = [one for one in json.loads((tmp_path / "results.json").read_text()) if one["run_id"] == record.run_id]
    recalls = {one["dataset"]: one["metrics"]["text_retrieval_recall@5"] for one in results}
    assert recalls["phantom-quick/abnormal"] == record.metrics["abnormal/image_to_text_R@5"].value


def test_train_leaves_a_checkpoint_and_records(small_cohort_folder, tiny_run, tmp_path, command):
    out = tmp_path / "trained"
    code, said, _ = command("train", "clip_x2", "--cohort", small_cohort_folder, "--seed", "3", "--out", out, *tiny_run)
    assert code == 0
    assert Path(said.strip()).is_file()
    (record,) = read_records(out / "records")
    assert (record.method, record.seed) == ("clip_x2", 3)


def test_lists(command):
    for what, expected in [("methods", "shuffled_selip"), ("benchmarks", "retrieval"), ("cohorts", "phantom")]:
        code, out, _ = command("list", what, "--json")
        assert code == 0
        rows = {row["name"]: row for row in json.loads(out)}
        assert rows[expected]["summary"]
        assert rows[expected]["source"]
        assert expected in command("list", what)[1]
    assert "quick" in command("list", "experiments")[1]


def test_cohort_commands(small_cohort_folder, tmp_path, command):
    code, out, _ = command("cohort", "check", small_cohort_folder)
    assert code == 0
    assert f"{small_cohort_folder}: sound\n" in out
    assert "near-identical to one of train" in out
    code, out, _ = command("cohort", "show", small_cohort_folder)
    assert code == 0
    assert "FLAIR" in out
    code, _, _ = command("cohort", "build", "phantom", "--patients", "4", "--workers", "1", "--out", tmp_path / "made")
    assert code == 0
    assert command("cohort", "check", tmp_path / "made")[0] == 0


def test_doctor(command):
    code, out, _ = command("doctor")
    assert code == 0
    assert "minilm weights         official" in out
    assert out.count("\ngpu path ") == 1


@pytest.mark.parametrize(("gib", "advice"), [(5.0, ""), (5.5, "; lower training.batch_size or training.micro_batch")])
def test_a_doctor_holds_the_memory_of_an_experiment_against_what_is_free(gib, advice, command, monkeypatch):
    needed = iter([1.0, gib, 2.0])

    def timed(method, *_, **limit):
        return StepTime(1.0, 32, 32, memory_mb=1024 * next(needed, 0.5))

    monkeypatch.setattr(machine_limits, "time_step", timed)
    monkeypatch.setattr(machine_limits, "free_bytes", lambda device: 10 * 2**30)
    code, out, _ = command("doctor", "--experiment", "standard")
    assert code == 0
    line = f"a step needs up to {gib:.1f} GiB beside the training voxels, 10.0 GiB are free{advice}"
    assert out.splitlines()[-1].split(maxsplit=1) == ["memory", line]


def test_a_doctor_asked_for_a_gpu_refuses_a_machine_without(command, monkeypatch):
    monkeypatch.setattr("selip.system.gpu.find_gpu", lambda: Gpu(runtime=(13, 2)))
    code, _, said = command("doctor", "--gpu")
    assert code == 2
    assert said.startswith("selip: got no GPU that can be used: no NVIDIA driver answers; install one")
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "quik", "--out", "x"], "did you mean 'quick'"),
        (["run", "quick", "--out", "x", "methods=clap"], "did you mean 'clip'"),
        (["train", "selip", "--cohort", "nowhere", "--out", "x"], "no cohort.json"),
        (["evaluate", "nothing.safetensors", "--cohort", "nowhere"], "no cohort.json"),
        (["leaderboard", "nowhere"], "nowhere"),
        (["cohort", "build", "phantom", "--profile", "easy", "--out", "x"], "quick, standard, hard"),
        (["cohort", "build", "phantom", "--device", "cuda:99", "--out", "x"], "got device 'cuda:99'; allowed: cpu"),
        (["cohort", "build", "table", "--out", "x"], "cohort import table"),
        (["cohort", "import", "phantom", ".", "--out", "x"], "cohort build phantom"),
        (["cohort", "import", "table", ".", "--out", "x", "--shape", "a,b"], "three positive numbers"),
        (["cohort", "import", "table", "scans.tar.gz", "--out", "x"], "unpack it first"),
        (["cohort", "check", "nowhere"], "no cohort.json"),
        (["run", "quick", "--out", "x", "seeds=[]"], "at least one"),
        (["run", "quick", "--out", "x", "seeds=-1"], "at least one"),
        (["run", "quick", "--out", "x", "methods=clip,clip"], "each once"),
        (["run", "quick", "--out", "x", "model.width=0"], "greater than 0"),
        (["run", "quick", "--out", "x", "training.learning_rate_volume=.nan"], "finite number"),
        (["run", "quick", "--out", "x", "--dry-run", "methods=foo"], "unknown method"),
        (["run", "quick", "--out", "/proc/none/x"], "can be written"),
        (["run", "quick", "--out", "x", "--track", "tensorbord"], "did you mean 'tensorboard'"),
        (["push", "nothing.safetensors", "x"], "no readable checkpoint"),
        (["pull", "me/model", "--out", "x.safetensors"], "the hub does not give"),
        (["pull", "nowhere", "--out", "x.safetensors"], "without model.safetensors"),
        (["export", "results", "nowhere", "--out", "x"], "nowhere"),
        (["export", "tower", "nothing.safetensors", "--out", "x"], "no readable checkpoint"),
        (["frobnicate"], "frobnicate"),
        (["run", "quick"], "--out"),
    ],
)
def test_wrong_input_is_one_line_and_exit_2(arguments, message, command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, _, said = command(*arguments)
    assert code == 2
    assert message in said
    assert said.count("\n") == 1, said
    assert not (tmp_path / "x").exists(), "nothing half-written"


def test_interrupt_is_130(monkeypatch, command):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("selip.experiments.catalogue.listing", interrupted)
    code, _, said = command("list", "methods")
    assert code == 130
    assert "--resume" in said


def test_broken_record_is_named(finished, tmp_path):
    path = tmp_path / "broken.json"
    path.write_text((next((finished / "records").glob("*.json"))).read_text()[:-20])
    with pytest.raises(Exception, match=r"broken\.json"):
        read_record(path)
