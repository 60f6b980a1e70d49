"""Clocks jump: nothing is decided by the time of day."""

from __future__ import annotations

import os
import random
import time
from datetime import UTC, datetime, timedelta

import pytest

import selip.system.environment
from selip.training.trainer import _Loop

DAY = 86_400


@pytest.fixture
def jumping_clock(monkeypatch):
    """The time of day goes back, or on by days, whenever somebody asks."""
    draw = random.Random(0)

    class Jumping(datetime):
        @classmethod
        def now(cls, zone=None):
            return datetime(2000, 1, 1, tzinfo=UTC) + timedelta(days=draw.uniform(-400, 400))

    monkeypatch.setattr(selip.system.environment, "datetime", Jumping)
    for name, unit in (("time", 1), ("time_ns", 10**9)):
        monkeypatch.setattr(time, name, lambda unit=unit: unit * int(10**9 + DAY * draw.uniform(-400, 400)))


@pytest.mark.usefixtures("jumping_clock", "no_pages")
def test_a_run_under_a_jumping_clock_is_resumed_to_the_same_records(
    run_again, finished_run, same_records, tmp_path, monkeypatch
):
    out, draw = tmp_path / "run", random.Random(1)
    step = _Loop._step

    def interrupted(self, number):
        if number == 3 and self.run.method.name == "clip":
            raise KeyboardInterrupt
        return step(self, number)

    with monkeypatch.context() as patch:
        patch.setattr(_Loop, "_step", interrupted)
        assert run_again(out)[0] == 130
    assert list(out.glob("checkpoints/clip-*.state.safetensors"))
    for path in out.rglob("*"):
        moment = 10**9 + DAY * draw.uniform(-400, 400)
        os.utime(path, (moment, moment))
    code, _, said = run_again(out, "--resume")
    assert code == 0
    assert "1 of 3 runs to do" in said
    same_records(finished_run, out)
    times = [line.split('"')[3] for line in (out / "log.jsonl").read_text().splitlines()]
    assert times != sorted(times), "the clock did jump"
