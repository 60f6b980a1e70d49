"""`selip` and `python -m selip`."""

from __future__ import annotations

import os
import signal
import sys
import traceback

from selip.system.environment import ENVIRONMENT
from selip.system.errors import DEFECT, INTERRUPTED, INTERRUPTED_LINE
from selip.system.interrupts import note_interrupts, was_interrupted


def main() -> None:
    """Sets what must be set before torch is loaded, then runs the command line."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    note_interrupts()
    try:
        from selip.cli import main as cli

        cli.main()
    except (Exception, KeyboardInterrupt):  # while modules are loaded, or again while the first one is answered
        if was_interrupted():
            sys.stderr.write(f"selip: {INTERRUPTED_LINE}\n")
            sys.exit(INTERRUPTED)
        traceback.print_exc()  # a broken installation is no regression
        sys.exit(DEFECT)
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # what is left is the end of the process


if __name__ == "__main__":
    main()
