"""`selip` and `python -m selip`."""

from __future__ import annotations

import os

from selip.environment import ENVIRONMENT


def main() -> None:
    """Sets what must be set before torch is loaded, then runs the command line."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    from selip import cli

    cli.main()


if __name__ == "__main__":
    main()
