"""Runs as an array of jobs of a SLURM cluster, submitted and watched by submitit."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from selip.experiments.executors.base import CORES_BESIDE_A_GPU, ExecutorOptions, Job, RunOutcome, lost, run_elsewhere
from selip.system.errors import InputError, one_line
from selip.system.progress import Report

MINUTES = 24 * 60


@dataclass(frozen=True)
class Slurm:
    """Runs as jobs of SLURM; every node sees the run directory under the same path.

    Attributes:
        folder: Where submitit keeps submissions and logs; on a disk that all nodes see.
        threads: Threads, and cores, of a run; 0: one, or CORES_BESIDE_A_GPU for a job that asks for a GPU.
        parameters: What submitit's `update_parameters` takes, as {"slurm_partition": "gpu", "gpus_per_node": 1}.
        cluster: "slurm", or "local" for processes of this machine.
    """

    folder: Path
    threads: int = 0
    parameters: Mapping[str, Any] = field(default_factory=dict)
    cluster: str = "slurm"

    @classmethod
    def of(cls, options: ExecutorOptions) -> Slurm:
        """The executor that a command line asks for."""
        return cls(options.folder, options.threads, options.parameters)

    @property
    def settings(self) -> dict[str, Any]:
        """Settings of a job for submitit: enough cores beside a GPU, whatever SLURM calls that it asks for one."""
        beside_gpu = any("gpu" in name or "gres" in name for name in self.parameters)
        cores = self.threads or (CORES_BESIDE_A_GPU if beside_gpu else 1)
        return {"name": "selip", "timeout_min": MINUTES, "cpus_per_task": cores, **self.parameters}

    def __call__(self, job: Job, numbers: Sequence[int], report: Report) -> list[RunOutcome]:
        """Executes the runs `numbers`; the outcome of each. Interrupted, it cancels them.

        Raises:
            InputError: When submitit is not installed, there is no SLURM, or it does not know a parameter.
        """
        submitted = self._submit(job, numbers)
        report.line(f"{len(numbers)} jobs submitted, their logs are in {self.folder}")
        try:
            return self._wait(submitted, numbers, report)
        except BaseException:
            for one in submitted:
                one.cancel(check=False)
            raise

    def _submit(self, job: Job, numbers: Sequence[int]) -> list[Any]:
        try:
            import submitit
        except ImportError as error:
            raise InputError("got --executor slurm without submitit; pip install 'selip-bench[slurm]'") from error
        try:
            executor = submitit.AutoExecutor(self.folder, cluster=self.cluster)
            executor.update_parameters(**self.settings)
            count = len(numbers)
            return executor.map_array(
                run_elsewhere, [job] * count, numbers, [self.threads] * count, [os.getcwd()] * count
            )
        except (RuntimeError, NameError, TypeError, ValueError, submitit.core.utils.FailedJobError) as error:
            raise InputError(f"got a submission that failed ({one_line(error)}); mend --submit") from error

    def _wait(self, submitted: Sequence[Any], numbers: Sequence[int], report: Report) -> list[RunOutcome]:
        from submitit.helpers import as_completed

        done: dict[int, RunOutcome] = {}
        of_job = dict(zip((one.job_id for one in submitted), numbers, strict=True))
        for one in as_completed(submitted):
            number = of_job[one.job_id]
            error = one.exception()
            done[number] = lost(number, error, report) if error else bool(one.result())
            report.count("runs", len(done), len(numbers), "")
        return [done[number] for number in numbers]
