"""Runs that are killed and interrupted at random moments lose nothing: they end as an undisturbed run does."""

from __future__ import annotations

import importlib.util
import os
import random
import shutil
import signal
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from selip.system.errors import INTERRUPTED, INTERRUPTED_LINE

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")

FILE = Path(__file__).with_name("zygote.py")
spec = importlib.util.spec_from_file_location("zygote", FILE)
zygote_module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(zygote_module)

GRID = ("methods=selip,clip", "patients=24", "evaluation.segmentation.steps=4", "evaluation.segmentation.validations=2")
SECONDS_TO_END = 60.0
FORMS = ((1, False, 0.5), (1, True, 1.0), (1, False, 0.3), (2, False, 4.0))
"""Workers, whether pages are written, and the longest wait for a disturbance in runs: workers have much to load."""
KILL, INTERRUPT = signal.SIGKILL, signal.SIGINT


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
        workers: Processes that train, and cores that the command sees.
        pages: Whether it writes the leaderboard.
        kept: Records that were there after a disturbance, which must stay as they are.
        hits: Last line that was said before each disturbance.
    """

    zygote: object
    out: Path
    overrides: list[str]
    workers: int = 1
    pages: bool = False
    kept: dict[str, bytes] = field(default_factory=dict)
    hits: list[str] = field(default_factory=list)

    @property
    def log(self) -> Path:
        return self.out.with_suffix(".log")

    def start(self) -> int:
        line = ["run", "quick", "--out", str(self.out), *self.overrides, "--workers", str(self.workers), "--resume"]
        return self.zygote.start(line, self.log, self.workers, self.pages)

    def disturb(self, how: signal.Signals, delay: float, group: bool, after: str = "") -> int:
        """Exit code of a start that is sent a signal `delay` seconds after it said `after`, if it has not ended."""
        pid, before = self.start(), len(self.said())
        while after and not any(after in line for line in self.said()[before:]) and not ended(pid):
            time.sleep(0.01)
        deadline = time.monotonic() + delay
        while time.monotonic() < deadline and not ended(pid):
            time.sleep(0.01)
        hit = not ended(pid)
        if hit:
            self.hits.append("".join(self.said()[before:][-1:]))
            (os.killpg if group else os.kill)(pid, how)
        code = self.zygote.wait()
        wait_for_end_of_group(pid)
        assert code in ((0, -KILL if how is KILL else INTERRUPTED) if hit else (0,)), self.said()[before:]
        if code == INTERRUPTED:
            assert self.said()[-1] == f"selip: {INTERRUPTED_LINE}"
        assert not any("Traceback" in line for line in self.said()[before:])
        self.look_at_records()
        return code

    def look_at_records(self) -> None:
        """A record that was there is there, and as it was."""
        found = {path.name: path.read_bytes() for path in (self.out / "records").glob("[!.]*")}
        assert {name: found.get(name) for name in self.kept} == self.kept
        self.kept |= {name: data for name, data in found.items() if name.endswith(".json")}

    def finish(self) -> None:
        """Runs it to its end."""
        self.start()
        assert self.zygote.wait() == 0, self.said()[-1]

    def said(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []

    def assert_whole(self, undisturbed: Path, same_records) -> None:
        """The records are those of the undisturbed run, none that was there is lost, and nothing is left behind."""
        same_records(undisturbed, self.out)
        self.look_at_records()
        assert not list(self.out.rglob("*.partial"))
        assert not list(self.out.rglob("*.state.safetensors"))
        assert names(self.out) <= names(undisturbed)
        assert not self.pages or names(self.out) == names(undisturbed)


def names(root: Path) -> set[Path]:
    """Every file of a run directory, less those named after a content that training decides."""
    return {path.relative_to(root) for path in root.rglob("*") if path.parent.name != "embeddings"}


def ended(pid: int) -> bool:
    """Whether the process has ended."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


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


@pytest.fixture
def run_undisturbed(zygote, tmp_path, tiny_run):
    """Runs an experiment with nobody disturbing it: its directory, and the seconds it took."""

    def run(benchmarks: str) -> tuple[Disturbed, float]:
        made = Disturbed(zygote, tmp_path / "undisturbed", [*tiny_run, *GRID, f"benchmarks={benchmarks}"])
        began = time.monotonic()
        made.finish()
        return made, time.monotonic() - began

    return run


def test_a_run_that_is_killed_and_interrupted_loses_nothing(zygote, run_undisturbed, tmp_path, same_records):
    expected, _ = run_undisturbed("retrieval")
    draw = random.Random(0)
    run = Disturbed(zygote, tmp_path / "run", expected.overrides)
    for how, after in ((KILL, "] selip-seed0"), (INTERRUPT, "selip-seed0: retrieval"), (KILL, "] clip-seed0")):
        run.disturb(how, draw.uniform(0, 0.2), how is INTERRUPT, after)
    assert len(run.hits) == 3
    run.finish()
    run.assert_whole(expected.out, same_records)


@pytest.mark.faults
@pytest.mark.timeout(5400)
@pytest.mark.parametrize(("how", "faults"), [(KILL, 50), (INTERRUPT, 20)])
def test_runs_that_are_disturbed_at_many_moments_lose_nothing(
    how, faults, zygote, run_undisturbed, tmp_path, same_records, capsys
):
    expected, seconds = run_undisturbed("retrieval,segmentation")
    expected.pages = True
    expected.finish()
    draw, hits, runs = random.Random(0), [], 0
    while len(hits) < faults:
        workers, pages, longest = FORMS[runs % len(FORMS)]
        runs += 1
        run = Disturbed(zygote, tmp_path / f"run{runs}", expected.overrides, workers, pages)
        while len(hits) + len(run.hits) < faults:
            group = how is INTERRUPT or draw.random() < 0.5
            if run.disturb(how, seconds * draw.uniform(0.02, longest), group) == 0:
                break
        run.finish()
        run.assert_whole(expected.out, same_records)
        hits += run.hits
        shutil.rmtree(run.out)
    with capsys.disabled():
        moments = Counter(" ".join(hit.split()[:2]).split("-seed")[0] for hit in hits)
        print(f"\n{len(hits)} times {how.name} in {runs} runs, 0 records lost; when: {dict(moments)}")
