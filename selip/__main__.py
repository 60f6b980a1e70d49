"""`selip` and `python -m selip`."""

from __future__ import annotations

import os
import signal
import sys
import traceback

from selip.system.environment import ENVIRONMENT
from selip.system.errors import DEFECT, INTERRUPTED, INTERRUPTED_LINE


def main() -> None:
    """Sets what must be set before torch is loaded, then runs the command line."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    try:
        from selip.cli import main as cli

        cli.main()
    except KeyboardInterrupt:  # while modules are loaded, or again while the first one is answered
        sys.stderr.write(f"selip: {INTERRUPTED_LINE}\n")
        sys.exit(INTERRUPTED)
    except ImportError:  # a broken installation is no regression
        traceback.print_exc()
        sys.exit(DEFECT)
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # what is left is the end of the process


if __name__ == "__main__":
    main()
