"""A process that has loaded everything and becomes a `selip` command at once, as often as it is asked.

Loading takes most of the time of a small run; without it the moments at which a test kills are moments of work. Each
line of standard input, after "ready" was said, is a JSON list of arguments, the file for what the command says, the
cores it may see and whether it writes pages; the answers are the command's process id at once, and its exit code (the
negative signal of a killed one) when it has ended.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from importlib import import_module
from pathlib import Path

LOADED = ("nilearn.datasets", "selip.cli.main", "selip.cohorts.phantom.generate", "selip.experiments.experiment")
ROOT = Path(__file__).resolve().parents[3]


class Zygote:
    """The test's side: one command at a time."""

    def __init__(self) -> None:
        environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        line = [sys.executable, __file__]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(line, stdin=pipe, stdout=pipe, env=environment, text=True)
        self.process.stdout.readline()

    def start(self, arguments: list[str], log: Path, cores: int = 1, pages: bool = False) -> int:
        """Process id of a `selip` command, which leads a process group of its own."""
        self.process.stdin.write(json.dumps([arguments, str(log), cores, pages]) + "\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def wait(self) -> int:
        """Exit code of the command that was started last."""
        return int(self.process.stdout.readline())

    def close(self) -> None:
        """Ends the process."""
        self.process.stdin.close()
        self.process.wait()


def become(arguments: list[str], log: str, cores: int, pages: bool) -> None:
    """Runs a `selip` command in this process, as its entry point does."""
    os.setsid()
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.environ["LOKY_MAX_CPU_COUNT"] = str(cores)
    import selip.experiments.experiment
    from selip.__main__ import main

    if not pages:
        selip.experiments.experiment.write_leaderboard = lambda *_: []
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.argv = ["selip", *arguments]
    main()


def serve() -> None:
    """Loads what runs need, then becomes what is asked for."""
    for module in LOADED:
        import_module(module)
    print("ready", flush=True)
    for line in sys.stdin:
        child = os.fork()
        if not child:
            become(*json.loads(line))
        print(child, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    serve()
