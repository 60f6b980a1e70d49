"""Environment of a process: variables set before torch is loaded, versions of packages, the commit and the time."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

ENVIRONMENT = {
    # Threads that wait for each other by spinning make training several times slower on a machine with other work.
    "OMP_WAIT_POLICY": "PASSIVE",
    "OPENBLAS_NUM_THREADS": "1",  # numpy's and scipy's; it knows no passive waiting
    "CUBLAS_WORKSPACE_CONFIG": ":4096:8",  # deterministic matrix products on CUDA
    "TOKENIZERS_PARALLELISM": "false",
}


def launched_processes() -> int:
    """Number of processes that torchrun or `accelerate launch` started together; 1 without them."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_first_process() -> bool:
    """True for the one of them that speaks to the user."""
    return launched_processes() == 1 or os.environ.get("RANK", "0") == "0"


PACKAGES = (
    "selip-bench", "torch", "monai", "numpy", "pandas", "zarr", "nibabel", "transformers", "open-clip-torch",
    "accelerate",
)  # fmt: skip


def package_versions() -> dict[str, str]:
    """Versions of Python and of the packages that decide numbers."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def git_commit() -> str:
    """Commit of the source tree, "+dirty" when it differs from it, "" outside a checkout."""
    here = Path(__file__).resolve().parent.parent

    def git(*arguments: str) -> str:
        done = subprocess.run(["git", "-C", str(here), *arguments], capture_output=True, text=True, check=False)
        return done.stdout.strip() if done.returncode == 0 else ""

    commit = git("rev-parse", "HEAD")
    dirty = git("status", "--porcelain", "--untracked-files=no")
    return f"{commit}+dirty" if commit and dirty else commit


def now() -> str:
    """Time in UTC to the second, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")
