"""Progress on a terminal, elsewhere, and not at all; the terminal is a pseudo-terminal."""

from __future__ import annotations

import io
import math
import os
import pty
import re
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from rich.console import Console

from selip.system import progress
from selip.system.progress import DONE, LEFT, RUNNING, RUNS, SKIPPED, LiveTable, Scored, progress_display


def _bytes(terminal):
    """Read from a terminal, nothing after its other side was closed: it comes in pieces, on a busy machine late."""
    try:
        return os.read(terminal, 100_000)
    except OSError:
        return b""


def on_terminal(*calls):
    """The characters that a terminal of 100 columns gets; a call is a count, or a mark of a run."""
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w") as terminal, ThreadPoolExecutor(1) as reader:
        read = reader.submit(lambda: b"".join(iter(partial(_bytes, ours), b"")).decode())
        console = Console(file=terminal, width=100, force_terminal=True)
        with progress_display(console) as (show, mark):
            for call in calls:
                (show if len(call) == 4 else mark)(*call)
        terminal.close()
        text = read.result()
    os.close(ours)
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text)


def test_a_terminal_shows_runs_by_benchmarks_what_is_left_and_the_best_so_far():
    text = on_terminal(
        (RUNS, 0, 4, ""),
        *((run, name, Scored(LEFT)) for run in ("selip, seed 0", "clip, seed 0") for name in ("retrieval", "distance")),
        ("selip, seed 0", 10, 100, "loss 2.000"),
        ("clip, seed 0", 100, 100, ""),
        ("clip, seed 0", "retrieval", Scored(DONE, 0.641)),
        ("clip, seed 0", "distance", Scored(DONE, 2.5, higher_is_better=False)),
        ("mae, seed 0", "retrieval", Scored(SKIPPED)),
        ("mae, seed 0", "distance", Scored(DONE, 1.5, higher_is_better=False)),
        ("selip, seed 0", "retrieval", Scored(RUNNING)),
    )
    last = text[text.rindex("training") :]
    assert re.search(r"selip, seed 0 +10/100 loss 2.000 +… +·", last)
    assert re.search(r"clip, seed 0 +✓ +0.641 +2.500", last)
    assert re.search(r"mae, seed 0 +– +1.500", last)
    assert re.search(r"best so far +0.641 clip, seed 0 +1.500 mae, seed 0", last)
    assert re.search(r"runs: 2 of 4 done, 1 running, 1 left, about \d+ min", last)


def test_a_terminal_shows_anything_else_as_a_bar():
    assert re.search(r"studies .*2/3.*half", on_terminal(("studies", 2, 3, "half")))


def test_a_table_has_no_more_rows_than_the_terminal():
    table = LiveTable(height=20)
    for run in range(50):
        table.mark(f"run {run}", "retrieval", Scored(RUNNING if run == 7 else DONE, math.nan))
    console = Console(file=io.StringIO(), width=100)
    console.print(table)
    assert len(console.file.getvalue().splitlines()) <= 20
    assert "run 7 " in console.file.getvalue(), "what runs is shown rather than what is done"


@pytest.mark.parametrize(("seconds", "lines"), [(10.0, 1), (0.0, 3)])
def test_elsewhere_lines_are_plain_and_as_frequent_as_asked(seconds, lines, monkeypatch):
    monkeypatch.setattr(progress, "seconds_between_lines", seconds)
    file = io.StringIO()
    with progress_display(Console(file=file)) as (show, _):
        for done in (1, 2, 3):
            show("studies", done, 3, "")
    assert len(file.getvalue().splitlines()) == lines
    assert "studies: 3/3" in file.getvalue()
    assert "\x1b" not in file.getvalue()


def test_quiet_shows_nothing(monkeypatch):
    monkeypatch.setattr(progress, "seconds_between_lines", float("inf"))
    file = io.StringIO()
    with progress_display(Console(file=file, force_terminal=True)) as (show, mark):
        show("studies", 1, 1, "")
        mark("selip, seed 0", "retrieval", Scored(DONE))
    assert file.getvalue() == ""
