"""Where a step's time goes: the marks, the counts, and the command."""

from __future__ import annotations

import json
import sys
import time
import warnings
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from selip.cli.main import main
from selip.cohorts.phantom.generate import random_cohort
from selip.cohorts.phantom.profiles import PROFILES
from selip.experiments import step_profile
from selip.experiments.catalogue import experiment_file, find_method
from selip.experiments.experiment_file import read_experiment, with_overrides
from selip.experiments.machine_limits import Ceilings, Stopwatch, attached
from selip.experiments.step_profile import (
    BACKWARD,
    DATA,
    PARTS,
    TEXTS,
    VOLUMES,
    count_synchronisations,
    count_work,
)
from selip.system.errors import InputError

PROFILE = replace(PROFILES["quick"], shape=(16, 16, 8))
CPU = torch.device("cpu")
CEILINGS = Ceilings("float32", 1e10, 1e9)


@pytest.fixture
def config(tiny_run):
    return read_experiment(experiment_file("quick"), tiny_run).run


@pytest.fixture
def known_ceilings(monkeypatch):
    monkeypatch.setattr(step_profile, "measure_ceilings", lambda device, dtype: CEILINGS)


@pytest.fixture
def clock(monkeypatch):
    """A clock that `sleep` moves on."""
    now = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    return lambda seconds: now.__setitem__(0, now[0] + seconds)


def profile(name, config, *overrides, steps=3):
    cohort = random_cohort(PROFILE, config.training.batch_size)
    return step_profile.profile_step(find_method(name), with_overrides(config, overrides), cohort, steps)


def test_an_inner_part_stops_the_outer_one(clock):
    watch = Stopwatch(CPU)
    with watch.lap("rest"):
        clock(1)
        with watch.part("outer"):
            clock(2)
            with watch.part("inner"):
                clock(4)
            clock(8)
        clock(16)
    with watch.lap("rest"):
        clock(32)
    assert watch.laps() == [{"rest": 17, "outer": 10, "inner": 4}, {"rest": 32}]


def test_a_part_ends_with_an_error_too(clock):
    watch = Stopwatch(CPU)

    def fail():
        clock(1)
        raise KeyError

    with watch.lap("rest"):
        with pytest.raises(KeyError):
            watch.timed("inner", fail)()
        clock(2)
    assert watch.laps() == [{"inner": 1, "rest": 2}]


def test_events_are_read_after_the_last_lap(monkeypatch):
    log = []

    class Event:
        def __init__(self, enable_timing):
            assert enable_timing

        def record(self):
            self.at = len(log)
            log.append("record")

        def elapsed_time(self, end):
            log.append("read")
            return 1000.0 * (end.at - self.at)

    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda device: log.append("wait"))
    watch = Stopwatch(torch.device("cuda"))
    with watch.lap("rest"), watch.part("inner"):
        pass
    assert log == ["record"] * 4
    assert watch.laps() == [{"rest": 2.0, "inner": 1.0}]
    assert log[4:] == ["wait"] + ["read"] * 3


def test_attached_methods_are_timed_and_given_back(clock):
    class Tower:
        def forward(self, seconds):
            clock(seconds)
            return seconds

    tower, watch = Tower(), Stopwatch(CPU)
    tower.own = own = lambda: clock(2)
    with attached(watch, [(tower, "forward", "a"), (tower, "own", "b"), (tower, "missing", "c")]):
        tower.forward(64)
        with watch.lap("rest"):
            assert tower.forward(1) == 1
            tower.own()
    assert watch.laps() == [{"rest": 0, "a": 1, "b": 2}]
    assert vars(tower) == {"own": own}


def test_work_of_a_product_and_its_backward():
    a, b = torch.ones(4, 8, requires_grad=True), torch.ones(8, 2)
    flops, traffic = count_work(lambda: torch.autograd.backward((a @ b).T, torch.ones(2, 4)))
    assert flops == 2 * 2 * 4 * 8 * 2, "the product, and the gradient of one factor"
    product, ones, gradient = 4 * (32 + 16 + 8), 4 * 8, 4 * (8 + 16 + 32)
    assert product + gradient <= traffic <= product + ones + gradient + 2 * 4 * 32, "views cost nothing"


def test_bytes_are_those_that_are_there_and_those_that_are_looked_up():
    bank, rows = torch.zeros(1000), torch.arange(2)
    windows = bank.unfold(0, 100, 1)
    found = {
        "window": count_work(lambda: windows.sum())[1],
        "row": count_work(lambda: bank.view(10, 100)[rows])[1],
    }
    assert found == {"window": 4 * 1000 + 4, "row": 800 + 8 * 2 + 800}


def test_waits_are_counted(monkeypatch):
    modes = [0]
    monkeypatch.setattr(torch.cuda, "get_sync_debug_mode", lambda: modes[-1])
    monkeypatch.setattr(torch.cuda, "set_sync_debug_mode", modes.append)

    def step():
        for text in (
            "called a synchronizing CUDA operation",
            "something else",
            "called a synchronizing CUDA operation",
        ):
            warnings.warn(text, stacklevel=1)

    assert count_synchronisations(lambda: (step(), step())) == 4
    assert modes == [0, "warn", 0]
    with pytest.raises(KeyError):
        count_synchronisations(lambda: {}["an error inside"])
    assert modes[-1] == 0


@pytest.mark.parametrize(("name", "more"), [("selip", []), ("gloria", ["training.micro_batch=3"])])
def test_parts_of_a_real_step(name, more, config, known_ceilings):
    before = torch.autograd.backward
    found = profile(name, config, *more)
    assert torch.autograd.backward is before
    assert tuple(found.seconds) == PARTS
    assert all(seconds > 0 for seconds in found.seconds.values())
    assert found.seconds[BACKWARD] > found.seconds[DATA] / 20
    lower, middle, upper = found.pairs_per_second
    assert lower <= middle <= upper
    assert middle == pytest.approx(config.training.batch_size / found.step_seconds)
    assert found.flops_share == pytest.approx(found.counts.flops / found.step_seconds / 1e10)
    assert found.memory_mb >= 0  # in a process that ran other tests more may be freed than a tiny step takes
    assert found.counts.synchronisations is None


def test_what_a_method_does_not_use_takes_no_time(config, known_ceilings):
    found = profile("simclr", config, steps=1)
    assert found.seconds[TEXTS] == 0
    assert found.seconds[VOLUMES] > 0


def test_chunks_cost_another_forward(config, known_ceilings):
    whole, chunked = (profile("clip", config, *more, steps=1).counts for more in ((), ("training.micro_batch=2",)))
    assert 1.2 * whole.flops < chunked.flops < 1.6 * whole.flops


def test_nothing_to_time(config):
    with pytest.raises(InputError, match="--steps 0"):
        profile("clip", config, steps=0)
    with pytest.raises(InputError, match="random_init, which is not trained"):
        profile("random_init", config)


@pytest.fixture
def command(monkeypatch, capsys):
    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["selip", "profile", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            main()
        return SimpleNamespace(code=stop.value.code, **capsys.readouterr()._asdict())

    return run


def test_command_on_a_cohort(command, small_cohort_folder, tiny_run, known_ceilings):
    said = command("clip", *tiny_run, "--cohort", small_cohort_folder, "--steps", 2, "--json")
    assert said.code == 0
    found = json.loads(said.out)
    assert found["steps"] == 2
    assert sum(found["seconds"].values()) == pytest.approx(found["step_seconds"], rel=0.5)
    assert found["bytes_share"] > 0


def test_command_without_a_cohort(command, tiny_run, known_ceilings):
    said = command("clip", *tiny_run, "training.batch_size=4", "--steps", 1)
    assert said.code == 0
    assert all(part in said.out for part in (*PARTS, "pairs/s", "MiB", "GFLOP", "GB", "host waits"))


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["nothing"], "got unknown method 'nothing'"),
        (["clip", "--steps", "0"], "got --steps 0"),
        (["random_init"], "got random_init, which is not trained"),
        (["clip", "training.batch_size=1"], "batch_size=1"),
        (["clip", "--cohort", "nowhere"], "holds no cohort.json"),
        (["clip", "cohort.name=table"], "which is not built"),
    ],
)
def test_bad_input_is_one_line(command, arguments, reason):
    said = command(*arguments)
    assert said.code == 2
    assert reason in said.err
    assert said.err.count("\n") == 1
