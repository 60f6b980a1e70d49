"""Finds Chromium for the browser tests; on Debian, as root, installs it where there is none.

    python tests/browser/chromium.py        prints its path; exit 2 with one line that says what to install

SELIP_CHROMIUM names another executable.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ADVICE = (
    "got no Chromium on the path; allowed: Chromium or Chrome, or SELIP_CHROMIUM=/path/to/it; "
    "install it, on Debian or Ubuntu with 'apt-get install chromium'"
)


def find_chromium() -> str | None:
    """Path of the executable, None where there is none."""
    named = os.environ.get("SELIP_CHROMIUM")
    return named or next((path for name in NAMES if (path := shutil.which(name))), None)


def install_chromium() -> None:
    """Installs Debian's package where that can be done without a question; else does nothing."""
    if os.getuid() or not shutil.which("apt-get"):
        return
    for step in ("update", "install -y --no-install-recommends chromium"):
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run(["apt-get", "-q", *step.split()], check=False, env=quiet)


def main() -> int:
    """Exit code 0 when there is a browser, 2 when there is none."""
    if not find_chromium():
        install_chromium()
    found = find_chromium()
    print(found or ADVICE, file=sys.stdout if found else sys.stderr)
    return 0 if found else 2


if __name__ == "__main__":
    sys.exit(main())
