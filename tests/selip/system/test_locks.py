"""One process at a time in a folder, whoever died there before."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from selip.experiments.catalogue import experiment_file
from selip.experiments.experiment_file import read_experiment
from selip.experiments.run_directory import RunDirectory
from selip.system.errors import InputError
from selip.system.files import LOCK, held, is_held, partial_of, remove_leftovers, write_atomically

ROOT = Path(__file__).resolve().parents[3]
HOLD = "import sys, time\nfrom pathlib import Path\nfrom selip.system.files import held\n" + (
    "with held(Path(sys.argv[1]), lambda holder: None):\n    print('held', flush=True)\n    time.sleep(60)\n"
)
COUNT = "import sys\nfrom pathlib import Path\nfrom selip.system.files import held\nfolder = Path(sys.argv[1])\n" + (
    "for _ in range(200):\n    with held(folder / 'lock', lambda holder: None):\n"
    "        count = folder / 'count'\n        count.write_text(str(int(count.read_text()) + 1))\n"
)


def python(code: str, *arguments: Path) -> subprocess.Popen[str]:
    line = [sys.executable, "-c", code, *map(str, arguments)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen(line, stdout=subprocess.PIPE, env=environment, text=True)


def never(holder: str) -> None:
    pytest.fail(f"held by {holder}")


def refuse(holder: str) -> None:
    raise InputError(holder)


@pytest.fixture
def config():
    return read_experiment(experiment_file("quick"))


def test_a_lock_says_who_holds_it_and_is_free_when_its_process_is_killed(tmp_path):
    path = tmp_path / "lock"
    process = python(HOLD, path)
    assert process.stdout.readline() == "held\n"
    with pytest.raises(InputError, match=rf"^process {process.pid} on \S+ since 20\S+$"), held(path, refuse):
        pass
    process.send_signal(signal.SIGKILL)
    process.wait()
    with held(path, never):
        assert is_held(path)
    assert not is_held(path)


def test_processes_that_count_in_one_file_come_to_the_sum(tmp_path):
    (tmp_path / "count").write_text("0")
    for process in [python(COUNT, tmp_path) for _ in range(3)]:
        assert process.wait() == 0
    assert (tmp_path / "count").read_text() == "600"


def test_a_second_run_is_refused_in_one_line_and_changes_nothing(config, tmp_path):
    directory = RunDirectory(tmp_path / "run")
    with directory.claimed(config, False, print):
        before = {path: path.read_bytes() for path in directory.root.iterdir()}
        with (
            pytest.raises(InputError, match=rf"in use by process {os.getpid()} on .* since .*; wait") as caught,
            directory.claimed(config, True, print),
        ):
            pass
        assert "\n" not in str(caught.value)
        assert {path: path.read_bytes() for path in directory.root.iterdir()} == before
    with directory.claimed(config, True, print):
        pass


def test_a_folder_that_is_no_run_is_refused_untouched(config, tmp_path):
    (tmp_path / "letter").write_text("dear")
    with pytest.raises(InputError, match="no run"), RunDirectory(tmp_path).claimed(config, True, print):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["letter"]


def test_a_cell_waits_for_the_process_that_works_on_it_and_says_so(tmp_path):
    directory, lines, order = RunDirectory(tmp_path), [], []

    def other() -> None:
        with directory.cell("clip-seed0", lines.append):
            order.append("second")

    with directory.cell("clip-seed0", never), directory.cell("clip-seed1", never):
        thread = threading.Thread(target=other)
        thread.start()
        while not lines:
            time.sleep(0.01)
        order.append("first")
    thread.join(10)
    assert order == ["first", "second"]
    assert lines[0].startswith(f"clip-seed0: waiting for process {os.getpid()} on ")


def test_what_killed_processes_left_is_removed_and_what_living_ones_make_is_not(config, tmp_path):
    directory = RunDirectory(tmp_path / "run")
    with directory.claimed(config, False, print):
        pass
    dead = [partial_of(directory.records / "one.json"), partial_of(directory.root / "cohort")]
    write_atomically(dead[0], "half")
    write_atomically(dead[1] / LOCK, "")
    write_atomically(dead[1] / "volumes.csv", "half")
    made_here, kept = partial_of(directory.root / "transfer"), directory.root / ".transfer.import.partial"
    kept.mkdir()
    with ExitStack() as stack:
        stack.enter_context(held(made_here / LOCK, never))
        file = stack.enter_context(partial_of(directory.root / "log").open("xb"))
        stack.enter_context(held(Path(file.name), never))
        with directory.claimed(config, True, print):
            assert not any(path.exists() for path in dead)
            assert made_here.exists()
            assert Path(file.name).exists()
            assert kept.exists(), "pieces of an import are of use"
    remove_leftovers(directory.root, "*.partial")
    assert {path.name for path in directory.root.iterdir() if path.name.endswith(".partial")} == {kept.name}


def test_a_torn_line_of_the_log_does_not_spoil_the_next(tmp_path):
    directory = RunDirectory(tmp_path)
    directory.log(run="a")
    with (tmp_path / "log.jsonl").open("a") as file:
        file.write('{"time": "20')
    directory.log(run="b")
    directory.log(run="c")
    first, torn, second, third = (tmp_path / "log.jsonl").read_text().splitlines()
    assert torn == '{"time": "20'
    assert all(f'"run": "{name}"' in line for name, line in zip("abc", (first, second, third), strict=True))
