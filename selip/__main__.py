"""`selip` and `python -m selip`."""

from __future__ import annotations

import os


def main() -> None:
    """Sets what must be set before torch is loaded, then runs the command line."""
    # Threads that wait for each other by spinning make training several times slower on a machine with other work.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # numpy's and scipy's; it knows no passive waiting
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # deterministic matrix products on CUDA
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    from selip import cli

    cli.main()


if __name__ == "__main__":
    main()
