"""Runs in several processes: the same records as one by one, and no process that outlives its parent."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from functools import partial
from pathlib import Path

import psutil
import pytest

from selip.experiments.executors.base import threads_of_a_run
from selip.experiments.executors.local import Local
from selip.system.errors import InputError
from selip.system.progress import Report


def note(folder: Path, number: int, report: Report) -> bool:
    report.line(f"run {number}")
    (folder / str(number)).write_text(str(os.getpid()))
    return number != 2


def die(folder: Path, number: int, report: Report) -> bool:
    if number == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    (folder / str(number)).touch()
    return True


def sleep(folder: Path, number: int, report: Report) -> bool:
    (folder / str(number)).write_text(str(os.getpid()))
    time.sleep(60)
    return True


@pytest.mark.parametrize("workers", [1, 2])
def test_results_come_in_the_order_of_the_numbers_and_lines_arrive(tmp_path, workers):
    lines: list[str] = []
    well = Local(workers)(partial(note, tmp_path), [0, 2, 5], Report(line=lines.append))
    assert well == [True, False, True]
    assert sorted(lines) == ["run 0", "run 2", "run 5"]
    pids = {(tmp_path / str(number)).read_text() for number in (0, 2, 5)}
    assert (pids == {str(os.getpid())}) == (workers == 1)


def test_only_the_run_whose_process_is_killed_is_lost_and_a_line_says_how_to_go_on(tmp_path):
    lines: list[str] = []
    lost, well = Local(2)(partial(die, tmp_path), [0, 1], Report(line=lines.append))
    assert "--resume and fewer --workers" in lost
    assert "\n" not in lost
    assert well is True
    assert any("1 side by side" in line for line in lines)
    assert any(line == f"run 1 was lost: {lost}" for line in lines)


@pytest.mark.parametrize(("asked", "workers", "threads"), [(0, 1, 16), (0, 4, 4), (0, 5, 3), (0, 40, 1), (2, 4, 2)])
def test_workers_on_a_gpu_share_the_threads(asked, workers, threads, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.get_num_threads", lambda: 16)
    assert threads_of_a_run(asked, workers) == threads


def test_numbers_below_zero_are_refused():
    with pytest.raises(InputError, match="got -1 workers"):
        Local(-1)


@pytest.mark.parametrize("how", [signal.SIGKILL, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
def test_workers_end_with_their_parent(tmp_path, how):
    code = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a background job ignores it
        "sys.path.insert(0, sys.argv[1]); from functools import partial; from pathlib import Path\n"
        "import test_local as t; from selip.system.progress import Report\n"
        "from selip.experiments.executors.base import ExecutorOptions\n"
        "from selip.experiments.executors.local import Local\n"
        "if __name__ == '__main__':\n"
        "    Local.of(ExecutorOptions(2))(partial(t.sleep, Path(sys.argv[2])), [0, 1], Report())\n"
    )
    script = tmp_path / "parent.py"
    script.write_text(code)
    folder = tmp_path / "pids"
    folder.mkdir()
    parent = subprocess.Popen(
        [sys.executable, str(script), str(Path(__file__).parent), str(folder)], stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 120
    while len(list(folder.iterdir())) < 2 and time.monotonic() < deadline:
        time.sleep(0.1)
    workers = [int(path.read_text()) for path in folder.iterdir()]
    assert len(workers) == 2
    family = psutil.Process(parent.pid).children(recursive=True)
    assert {*workers} < {one.pid for one in family}, "beside them the process that they were forked from"
    parent.send_signal(how)
    assert parent.wait(30) != 0
    assert not psutil.wait_procs(family, timeout=30)[1]


@pytest.mark.skipif(sys.platform != "linux", reason="workers are forked on Linux alone")
def test_the_process_that_loads_ends_with_its_parent_while_it_loads(tmp_path):
    code = (
        "import os, signal; from multiprocessing import forkserver\n"
        "from selip.experiments.executors.base import ExecutorOptions\n"
        "from selip.experiments.executors.local import Local\n"
        "Local.of(ExecutorOptions(2)); print(forkserver._forkserver._forkserver_pid, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    script = tmp_path / "parent.py"
    script.write_text(code)
    parent = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False)
    with suppress(psutil.NoSuchProcess):
        psutil.Process(int(parent.stdout)).wait(5)


KEPT = []


def keep_lock(folder: Path, number: int, report: Report) -> bool:
    """As tqdm does, in which sentence-transformers counts."""
    KEPT.append(multiprocessing.get_context("spawn").RLock())
    return True


def test_what_workers_leave_is_cleaned_up_without_a_word(tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(
        "import sys\n"
        "sys.path.insert(0, sys.argv[1])\n"
        "from functools import partial\n"
        "from pathlib import Path\n"
        "from selip.experiments.executors.local import Local\n"
        "from selip.system.progress import Report\n"
        "from test_local import keep_lock\n"
        "if __name__ == '__main__':\n"
        "    assert Local(2)(partial(keep_lock, Path()), [0, 1], Report()) == [True, True]\n"
    )
    command = [sys.executable, str(script), str(Path(__file__).parent)]
    run = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    assert "leaked" not in run.stderr


def is_loaded(folder: Path, number: int, report: Report) -> bool:
    return "selip.experiments.experiment" in sys.modules


def test_workers_begin_with_what_a_run_needs_where_a_command_line_asks_for_several(tmp_path):
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); from functools import partial\n"
        "import test_local as t; from selip.system.progress import Report\n"
        "from selip.experiments.executors.base import ExecutorOptions\n"
        "from selip.experiments.executors.local import Local\n"
        "if __name__ == '__main__': print(Local.of(ExecutorOptions(2))(partial(t.is_loaded, None), [0, 1], Report()))\n"
    )
    script = tmp_path / "parent.py"
    script.write_text(code)
    run = subprocess.run(
        [sys.executable, str(script), str(Path(__file__).parent)], capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == str([sys.platform == "linux"] * 2)
