"""Environment variables: those to set before torch is loaded in every process that trains, and a launcher's."""

from __future__ import annotations

import os

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
    """Whether this one of them speaks to the user."""
    return launched_processes() == 1 or os.environ.get("RANK", "0") == "0"
