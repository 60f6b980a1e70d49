"""Memory that runs out: one line that says what to lower, a failed record, and the other runs go on."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest
import torch

from benchmarks import BENCHMARKS
from selip.experiments.catalogue import experiment_file, find_benchmark
from selip.experiments.config import CohortConfig
from selip.experiments.experiment import run_experiment
from selip.experiments.experiment_file import read_experiment
from selip.experiments.run import TRAINING_SIZES
from selip.records.record_files import read_records
from selip.system.errors import InputError
from selip.system.memory import within_memory
from selip.system.progress import Report
from selip.training.trainer import _Loop

CUDA = (
    "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 79.10 GiB of which 1.5 GiB is free."
)
STARVED = """
import resource, sys
import numpy as np
import torch
from selip.system.errors import InputError
from selip.system.memory import within_memory

torch.set_num_threads(1)
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 2**28, used + 2**28))
for ask in (
    lambda: torch.empty(2**32), lambda: np.empty(2**33), lambda: bytearray(2**33),
    lambda: torch.nn.functional.conv3d(torch.ones(4, 1, 128, 128, 128), torch.ones(64, 1, 3, 3, 3)),
):
    try:
        with within_memory(["training.batch_size"]):
            ask()
    except InputError as error:
        print(error)
"""


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError(CUDA), RuntimeError("CUDNN_STATUS_ALLOC_FAILED"), MemoryError()]
)
def test_running_out_of_memory_says_which_size_to_lower(error):
    sizes = ["training.batch_size", "model.width"]
    expected = (
        r"got too little memory.*lower training\.batch_size or model\.width in a new --out, or run again with --resume"
    )
    with pytest.raises(InputError, match=expected) as caught, within_memory(sizes):
        raise error
    assert "\n" not in str(caught.value)
    assert ("for 2.00 GiB" in str(caught.value)) == (CUDA in str(error))


def test_other_errors_pass():
    with pytest.raises(RuntimeError, match="shapes"), within_memory([]):
        raise RuntimeError("shapes do not match")


@pytest.mark.faults
@pytest.mark.skipif(sys.platform != "linux", reason="limits its address space")
def test_a_process_that_is_starved_says_so_whoever_asked_for_memory():
    done = subprocess.run([sys.executable, "-c", STARVED], capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert len(lines) == 4, done.stderr
    assert all(line.startswith("got too little memory") and "training.batch_size" in line for line in lines)


def test_every_size_that_is_named_is_a_setting():
    named = {size for name in BENCHMARKS for size in find_benchmark(name).sizes} | set(TRAINING_SIZES)
    assert len(named) >= 5
    read_experiment(experiment_file("quick"), [f"{size}=4" for size in named])


@pytest.mark.usefixtures("no_pages")
def test_a_run_without_memory_is_recorded_and_the_others_go_on(run_again, tmp_path, monkeypatch):
    step = _Loop._step

    def starved(self, number):
        if self.run.method.name == "clip" and number == 2:
            raise torch.OutOfMemoryError(CUDA)
        return step(self, number)

    monkeypatch.setattr(_Loop, "_step", starved)
    code, _, said = run_again(tmp_path / "run")
    assert code == 2
    assert "1 of 3 runs failed (clip-seed0)" in said.splitlines()[-1]
    records = {record.method: record for record in read_records(tmp_path / "run" / "records")}
    assert {name: record.status for name, record in records.items()} == {
        "selip": "ok", "clip": "failed", "random_init": "ok",
    }  # fmt: skip
    assert "2.00 GiB" in records["clip"].reason
    assert "training.batch_size or training.micro_batch or model.width" in records["clip"].reason


@pytest.mark.usefixtures("no_pages")
def test_a_run_whose_process_was_killed_is_recorded_and_tried_again(small_cohort_folder, tiny_run, tmp_path):
    config = read_experiment(experiment_file("quick"), ["methods=random_init,clip", *tiny_run])
    config = replace(config, cohort=CohortConfig(path=str(small_cohort_folder)))
    told = []

    def kills_the_first(job, numbers, report):
        told.append(list(numbers))
        return ["it was killed", *(job(number, report) for number in numbers[1:])]

    with pytest.raises(InputError, match=r"1 of 2 runs failed \(random_init-seed0\)"):
        run_experiment(config, tmp_path / "run", False, ["selip"], Report(), kills_the_first)
    clip, floor = read_records(tmp_path / "run" / "records")
    assert (clip.status, floor.status, floor.reason) == ("ok", "failed", "it was killed")
    run_experiment(config, tmp_path / "run", True, ["selip"], Report())
    assert told == [[0, 1]]
    assert read_records(tmp_path / "run" / "records")[1].status == "ok"
