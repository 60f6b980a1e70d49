"""Ctrl-C is remembered, whatever a library makes of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest
from pydantic_core import SchemaError

from selip.cli.main import end
from selip.system.errors import InputError
from selip.system.interrupts import note_interrupts, was_interrupted

ECHO = """
import os, signal, sys
import selip.cli.main as cli
from selip.__main__ import main

def app(**_):
    try:
        os.kill(os.getpid(), signal.SIGINT)
    except KeyboardInterrupt as error:
        raise {error} from error

cli.app = app
signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever runs the tests in the background is deaf to it
main()
"""


@pytest.fixture
def noted():
    before = signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    note_interrupts()
    yield
    signal.signal(signal.SIGINT, signal.default_int_handler)
    note_interrupts()  # forgets
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_is_raised_and_remembered(noted):
    assert not was_interrupted()
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)
    assert was_interrupted()


@pytest.mark.parametrize(
    "echo", [SchemaError("KeyboardInterrupt"), RuntimeError("x"), OSError(5, "y"), InputError("z")]
)
def test_an_error_after_ctrl_c_is_its_echo(echo, noted, capsys):
    assert end(echo) != 130
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)
    capsys.readouterr()
    assert end(echo) == 130
    assert capsys.readouterr().err == "selip: interrupted; the same command with --resume continues\n"


def test_a_process_that_is_deaf_to_ctrl_c_stays_so(noted):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    note_interrupts()
    os.kill(os.getpid(), signal.SIGINT)
    assert not was_interrupted()


@pytest.mark.parametrize("error", ["ValueError('KeyboardInterrupt')", "ImportError('KeyboardInterrupt')"])
def test_a_command_ends_as_interrupted_whatever_a_library_raises(error):
    ended = subprocess.run([sys.executable, "-c", ECHO.format(error=error)], capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (
        130,
        "selip: interrupted; the same command with --resume continues\n",
    )
