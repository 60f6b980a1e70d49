"""Progress on a terminal, elsewhere, and not at all; the terminal is a pseudo-terminal."""

from __future__ import annotations

import io
import os
import pty
import re

import pytest
from rich.console import Console

from selip.system import progress
from selip.system.progress import RUNS, progress_display


def on_terminal(*counts):
    """The characters that a terminal of 100 columns gets."""
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w") as terminal:
        console = Console(file=terminal, width=100, force_terminal=True)
        with progress_display(console) as show:
            for count in counts:
                show(*count)
        terminal.flush()
        text = os.read(ours, 100_000).decode()
    os.close(ours)
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text)


def test_a_terminal_shows_a_bar_a_run_and_how_many_are_done_and_running():
    text = on_terminal((RUNS, 0, 3, ""), ("selip, seed 0", 10, 100, "loss 2.000"), ("clip, seed 0", 100, 100, ""))
    assert re.search(r"runs .*0/3.*1 running", text)
    assert re.search(r"selip, seed 0 .*10/100.*loss 2.000", text)


@pytest.mark.parametrize(("seconds", "lines"), [(10.0, 1), (0.0, 3)])
def test_elsewhere_lines_are_plain_and_as_frequent_as_asked(seconds, lines, monkeypatch):
    monkeypatch.setattr(progress, "seconds_between_lines", seconds)
    file = io.StringIO()
    with progress_display(Console(file=file)) as show:
        for done in (1, 2, 3):
            show("studies", done, 3, "")
    assert len(file.getvalue().splitlines()) == lines
    assert "studies: 3/3" in file.getvalue()
    assert "\x1b" not in file.getvalue()


def test_quiet_shows_nothing(monkeypatch):
    monkeypatch.setattr(progress, "seconds_between_lines", float("inf"))
    file = io.StringIO()
    with progress_display(Console(file=file, force_terminal=True)) as show:
        show("studies", 1, 1, "")
    assert file.getvalue() == ""
