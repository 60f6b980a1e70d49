"""Runs that are killed, interrupted and starved lose nothing: they end with the records of an undisturbed run."""

from __future__ import annotations

import importlib.util
import os
import random
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")

FILE = Path(__file__).with_name("zygote.py")
spec = importlib.util.spec_from_file_location("zygote", FILE)
zygote_module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(zygote_module)

GRID = ("methods=selip,clip", "patients=24", "evaluation.segmentation.steps=4", "evaluation.segmentation.validations=2")
SECONDS_TO_END = 60.0


@pytest.fixture(scope="module")
def zygote():
    made = zygote_module.Zygote()
    yield made
    made.close()


@dataclass
class Disturbed:
    """A run directory whose `selip run` is disturbed again and again.

    Attributes:
        zygote: What becomes the command.
        out: The directory.
        overrides: Of the experiment.
        kept: Records that were there after a disturbance, which must stay as they are.
        hits: Last line that was said before each disturbance.
    """

    zygote: object
    out: Path
    overrides: list[str]
    kept: dict[str, bytes] = field(default_factory=dict)
    hits: list[str] = field(default_factory=list)

    @property
    def log(self) -> Path:
        return self.out.with_suffix(".log")

    def start(self) -> int:
        return self.zygote.start(["run", "quick", "--out", str(self.out), *self.overrides, "--resume"], self.log)

    def disturb(self, how: signal.Signals, delay: float, group: bool) -> int:
        """Exit code of a start that is sent a signal after `delay` seconds, if it has not ended by then."""
        pid = self.start()
        deadline = time.monotonic() + delay
        while time.monotonic() < deadline and not ended(pid):
            time.sleep(0.01)
        if not ended(pid):
            self.hits.append(self.said()[-1:] or ["nothing"])
            (os.killpg if group else os.kill)(pid, how)
        code = self.zygote.wait()
        wait_for_end_of_group(pid)
        for path in (self.out / "records").glob("*"):
            if not path.name.startswith("."):
                assert self.kept.setdefault(path.name, path.read_bytes()) == path.read_bytes(), path
        return code

    def said(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []

    def assert_whole(self, undisturbed: Path, same_records) -> None:
        """The records are those of the undisturbed run, none that was there is lost, and nothing is left behind."""
        same_records(undisturbed, self.out)
        for name, data in self.kept.items():
            assert (self.out / "records" / name).read_bytes() == data, name
        assert not list(self.out.rglob("*.partial"))
        assert not list(self.out.rglob("*.state.safetensors"))
        pages = {path.relative_to(undisturbed) for path in (undisturbed / "leaderboard").rglob("*")}
        assert pages == {path.relative_to(self.out) for path in (self.out / "leaderboard").rglob("*")}


def ended(pid: int) -> bool:
    """Whether the process has ended, though its parent may not know yet."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"


def wait_for_end_of_group(group: int) -> None:
    """Waits until no process of a group is left."""
    deadline = time.monotonic() + SECONDS_TO_END
    while time.monotonic() < deadline:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return
        time.sleep(0.02)
    pytest.fail("a process outlived its run")


@pytest.fixture(scope="module")
def undisturbed(zygote, tmp_path_factory, tiny_run):
    """Run directories that nobody disturbed, and the seconds they took, by their benchmarks."""
    made: dict[str, tuple[Path, float]] = {}

    def get(benchmarks: str) -> tuple[Path, float]:
        if benchmarks not in made:
            folder = tmp_path_factory.mktemp("undisturbed") / benchmarks
            began = time.monotonic()
            Disturbed(zygote, folder, overrides(tiny_run, benchmarks)).start()
            assert zygote.wait() == 0
            made[benchmarks] = folder, time.monotonic() - began
        return made[benchmarks]

    return get


def overrides(tiny_run, benchmarks: str, workers: int = 1) -> list[str]:
    return [*tiny_run, *GRID, f"benchmarks={benchmarks}", "--workers", str(workers)]


def test_a_run_that_is_killed_four_times_loses_nothing(zygote, undisturbed, tiny_run, tmp_path, same_records):
    expected, seconds = undisturbed("retrieval")
    draw = random.Random(0)
    run = Disturbed(zygote, tmp_path / "run", overrides(tiny_run, "retrieval"))
    for share in (0.1, 0.4, 0.3, 0.6):
        run.disturb(signal.SIGKILL, seconds * share * draw.uniform(0.5, 1), group=False)
    assert run.hits
    run.start()
    assert zygote.wait() == 0, run.said()[-1]
    run.assert_whole(expected, same_records)
