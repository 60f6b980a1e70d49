"""Runs as tasks of a Ray cluster (https://docs.ray.io), on as many machines as it has.

Every machine has this package installed and sees the run directory and the cohorts under the same path. A run whose
machine is lost is started again on another, where it resumes from the state that it had left in the run directory.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from selip.experiments.executors.base import CORES_BESIDE_A_GPU, ExecutorOptions, Job, RunOutcome, lost, run_elsewhere
from selip.system.environment import ENVIRONMENT
from selip.system.errors import InputError
from selip.system.progress import Report

HERE = "local"


@dataclass(frozen=True)
class RayCluster:
    """Runs on a Ray cluster, a GPU each where it has any.

    Attributes:
        address: Of the cluster, as "auto" or "10.0.0.1:6379"; "local" starts one of this machine's cores.
        threads: Threads, and cores, of a run; 0: one, beside a GPU its share of the cores.
        retries: How often a run whose machine was lost is started again.
    """

    address: str = "auto"
    threads: int = 0
    retries: int = 3

    @classmethod
    def of(cls, options: ExecutorOptions) -> RayCluster:
        """The executor that a command line asks for."""
        return cls(options.address, options.threads)

    def __call__(self, job: Job, numbers: Sequence[int], report: Report) -> list[RunOutcome]:
        """Executes the runs `numbers`; the outcome of each.

        Raises:
            InputError: When Ray is not installed, or no cluster answers.
        """
        ray, ours = _connect(self.address)
        try:
            cores, gpus = share_of(ray.cluster_resources())
            task = ray.remote(num_cpus=self.threads or cores, num_gpus=gpus, max_retries=self.retries)(run_elsewhere)
            waiting = {task.remote(job, number, self.threads, os.getcwd()): number for number in numbers}
            done: dict[int, RunOutcome] = {}
            while waiting:
                (reference, *_), _ = ray.wait(list(waiting), num_returns=1)
                number = waiting.pop(reference)
                done[number] = _result(ray, reference, number, report)
                report.count("runs", len(done), len(numbers), "")
        finally:
            if ours:
                ray.shutdown()
        return [done[number] for number in numbers]


def share_of(resources: Mapping[str, float]) -> tuple[int, int]:
    """Cores and GPUs of a run on a cluster of these resources, such that no GPU waits for cores."""
    gpus = int(resources.get("GPU", 0))
    if not gpus:
        return 1, 0
    return max(1, min(CORES_BESIDE_A_GPU, int(resources.get("CPU", 1)) // gpus)), 1


def _connect(address: str) -> tuple[ModuleType, bool]:
    """Ray, connected to a cluster, and whether the connection is ours to close."""
    try:
        import ray
    except ImportError as error:
        raise InputError("got --executor ray without Ray; pip install 'selip-bench[ray]'") from error
    if ray.is_initialized():
        return ray, False
    try:
        ray.init(
            address=None if address == HERE else address, include_dashboard=False if address == HERE else None,
            logging_level=logging.WARNING, runtime_env={"env_vars": ENVIRONMENT},
        )  # fmt: skip
    except (ConnectionError, RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"got --address {address}, where no Ray cluster answers ({reason}); allowed: auto, HOST:PORT or {HERE}; "
            "start one with 'ray start --head'"
        ) from error
    return ray, True


def _result(ray: ModuleType, reference: Any, number: int, report: Report) -> RunOutcome:  # noqa: ANN401
    try:
        return bool(ray.get(reference))
    except ray.exceptions.RayError as error:
        return lost(number, error, report)
