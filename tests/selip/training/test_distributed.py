"""Two processes on one batch come to the numbers of one."""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from selip.cohorts.phantom.generate import build
from selip.data.cohort import Cohort
from selip.models.dual_encoder import load_checkpoint
from selip.records.record_files import read_records
from selip.training import distributed

FILE = Path(__file__).with_name("shared_batch.py")
spec = importlib.util.spec_from_file_location("shared_batch", FILE)
shared = importlib.util.module_from_spec(spec)
spec.loader.exec_module(shared)

ROOT = FILE.parents[3]


@pytest.fixture(scope="module")
def cohort_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cohort") / "phantom"
    build("quick", 0, folder, workers=1, n_patients=30)
    return folder


@pytest.fixture(scope="module")
def cohort(cohort_folder):
    return Cohort.open(cohort_folder)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("two")


@pytest.fixture(scope="module")
def launched(cohort_folder, cohort, folder):
    """Two processes under torchrun, which begin with what one process left."""
    shared.killed(cohort, folder / "by_one.safetensors")
    for name in ("whole", "resumed"):
        shutil.copy(folder / "by_one.state.safetensors", folder / f"{name}.state.safetensors")
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    with (folder / "log").open("w") as log:
        yield subprocess.Popen([*launcher, str(FILE), cohort_folder, folder], env=environment, stdout=log, stderr=log)


@pytest.fixture(scope="module")
def whole(launched, cohort, folder):
    """The model and facts that one process comes to from the state that the two begin with."""
    assert shared.finished(cohort, folder / "whole.safetensors") == [3, 4]
    return load_checkpoint(folder / "whole.safetensors")


@pytest.fixture(scope="module")
def alone(launched, cohort):
    """What one process comes to, while the two are at work.

    Of two threads, which share a batch as the two processes do: one thread alone adds up in another order, and comes to
    gradients of mae that differ by 3.7e-5 from those of two.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with shared.prepared_once():
            return {name: shared.three_steps(name, cohort, shared.config(*shared.BARE)) for name in shared.TRAINED}
    finally:
        torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def two(launched, alone, folder):
    assert launched.wait(timeout=280) == 0, (folder / "log").read_text()
    return [torch.load(folder / f"rank{rank}.pt") for rank in range(2)]


@pytest.mark.parametrize("name", shared.TRAINED)
def test_loss_gradients_and_weights_are_those_of_one_process(name, alone, two):
    for found in two:
        shared.assert_same_course(found["methods"][name], alone[name])
    assert any(gradient.abs().max() > 1e-3 for gradient in alone[name]["gradients"].values())


def test_both_processes_hold_the_same_weights(two):
    for name in shared.TRAINED:
        first, second = (found["methods"][name]["weights"] for found in two)
        assert all(torch.equal(first[part], second[part]) for part in first), name


def test_chunks_over_two_processes_are_one_batch(two, cohort):
    with shared.norms_in_eval_mode():
        whole = shared.three_steps("gloria", cohort, shared.config(*shared.BARE))
    shared.assert_same_course(two[0]["chunked"], whole)


def test_a_run_of_one_process_goes_on_in_two(two, whole, folder):
    assert two[0]["resumed"] == [3, 4], "from the state after step 2"
    (found, facts), (expected, told) = load_checkpoint(folder / "by_one.safetensors"), whole
    assert (facts, found.config) == (told, expected.config)
    shared.assert_same_weights(found, expected)


def test_a_run_of_two_processes_goes_on_in_one(two, whole, cohort, folder):
    assert shared.finished(cohort, folder / "by_two.safetensors") == [3, 4]
    shared.assert_same_weights(load_checkpoint(folder / "by_two.safetensors")[0], whole[0])


def test_a_batch_that_cannot_be_shared_is_one_line_and_leaves_no_folder(two, folder):
    (code, said), (other, silence) = (found["refused"] for found in two)
    assert (code, other, silence) == (2, 2, "")
    assert said.count("\n") == 1
    assert said.startswith("selip: got training.batch_size=7 for 2 processes, not a multiple of 2;")
    assert not (folder / "refused").exists()


def test_the_main_process_alone_speaks_and_writes(two, folder):
    (code, said), (other, silence) = (found["trained"] for found in two)
    assert (code, other, silence) == (0, 0, "")
    assert said.endswith("clip-seed0.safetensors\n")
    assert len(list((folder / "trained" / "records").glob("*.json"))) == 1
    assert len((folder / "trained" / "log.jsonl").read_text().splitlines()) == 1
    assert len(list((folder / "trained" / "tracking" / "clip-seed0").glob("events.*"))) == 1


@pytest.mark.timeout(600)
@pytest.mark.slow
@pytest.mark.parametrize("which", [0, 1])
def test_one_without_memory_ends_those_that_wait_for_it_without_a_launcher(which, cohort_folder, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    environment = os.environ | {"PYTHONPATH": str(ROOT), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    both = [
        subprocess.Popen(
            [sys.executable, str(FILE), cohort_folder, tmp_path / "out", str(which)], stderr=subprocess.PIPE, text=True,
            env=environment | {"WORLD_SIZE": "2", "RANK": str(rank), "LOCAL_RANK": str(rank)},
        )
        for rank in range(2)
    ]  # fmt: skip
    try:
        said = [one.communicate(timeout=280)[1] for one in both]
    finally:
        for one in both:
            one.kill()
    assert [one.returncode for one in both] == [2, 2], said
    line = "clip-seed0 failed: got too little memory for 3.00 GiB; lower training.batch_size"
    assert [line in text for text in said] == [True, False]
    (record,) = read_records(tmp_path / "out" / "records")
    assert record.reason.startswith("got too little memory for 3.00 GiB")


def test_work_and_errors_of_the_main_process_are_shared(two):
    assert [found["on_main"] for found in two] == [0, 0]
    assert [found["denied"] for found in two] == ["only the main process saw this"] * 2
    line = "got too little memory for 3.00 GiB; "
    assert two[0]["memory"].startswith(f"{line}lower model.width in a new --out, or run again")
    assert two[1]["memory"].startswith(f"{line}run again"), "no process waits for one whose memory ran out"
    assert two[0]["defect"] == "'missing'"
    assert two[1]["defect"] == "process 0 ended by KeyError: 'missing'"
    assert [found["same"] for found in two] == ["", ""]
    assert two[0]["differ"] == ""
    assert "process 1 than in process 0" in two[1]["differ"]


def test_one_process_passes_through():
    part = torch.ones(2, 3)
    layer = nn.Linear(2, 1)
    layer(torch.ones(1, 2)).sum().backward()
    before = layer.weight.grad
    distributed.average_gradients(layer)
    assert distributed.gathered(part) is part
    assert layer.weight.grad is before
    assert distributed.own_rows(6) == slice(0, 6)
    assert distributed.on_main(lambda: 3) == 3
    assert distributed.is_main()


def test_two_launchers_at_once_are_refused(monkeypatch, tmp_path):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "0")
    code, said = shared.command("run", "quick", "--out", str(tmp_path / "out"), "--workers", "2")
    assert (code, said.count("\n")) == (2, 1)
    assert "allowed there: local with one worker" in said
