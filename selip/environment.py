"""Environment variables that must be set before torch is loaded, in every process that trains."""

from __future__ import annotations

ENVIRONMENT = {
    # Threads that wait for each other by spinning make training several times slower on a machine with other work.
    "OMP_WAIT_POLICY": "PASSIVE",
    "OPENBLAS_NUM_THREADS": "1",  # numpy's and scipy's; it knows no passive waiting
    "CUBLAS_WORKSPACE_CONFIG": ":4096:8",  # deterministic matrix products on CUDA
    "TOKENIZERS_PARALLELISM": "false",
}
