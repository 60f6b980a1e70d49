"""The `selip doctor` and `selip profile` commands: what this installation is, and how fast it trains."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib import import_module
from typing import TYPE_CHECKING, Annotated

import typer

from selip.cli.options import AsJson, CohortOrNoise, Experiment, MethodName, Overrides
from selip.experiments.catalogue import experiment_file, find_method
from selip.experiments.experiment_file import cells_of, read_experiment
from selip.system.environment import git_commit, package_versions
from selip.system.errors import InputError

if TYPE_CHECKING:
    from rich.table import Table

    from selip.experiments.step_profile import StepProfile


def profile_command(
    method: MethodName,
    overrides: Overrides = None,
    cohort: CohortOrNoise = None,
    steps: Annotated[int, typer.Option(help="Steps to time.")] = 20,
    experiment: Experiment = "quick",
    as_json: AsJson = False,
) -> None:
    """Show where a training step's time goes, and how near it comes to what this machine can do.

    Without --cohort the volumes are noise on the grid of the experiment's phantom, with the texts of its patients: no
    operation is faster for a voxel's value, and texts have their true lengths and repetitions.
    """
    config = read_experiment(experiment_file(experiment), overrides or [])
    from rich.console import Console

    from selip.cohorts.phantom.generate import random_cohort
    from selip.data.cohort import Cohort
    from selip.experiments.dry_run import grid_profile
    from selip.experiments.step_profile import profile_step

    found = find_method(method)
    found.settings_in(config.run)  # a wrong one is refused before anything is loaded
    folder = cohort or config.cohort.path
    if folder:
        opened = Cohort.open(folder)
    else:
        phantom = grid_profile(config.cohort)
        if phantom is None:
            raise InputError(f"got cohort {config.cohort.name}, which is not built; name a folder with --cohort")
        opened = random_cohort(phantom, config.run.training.batch_size)
    profile = profile_step(found, config.run, opened, steps)
    if as_json:
        typer.echo(json.dumps(profile.to_mapping(), indent=1))
        return
    Console(highlight=False).print(as_table(profile))
    for line in as_lines(profile):
        typer.echo(line)


def as_table(profile: StepProfile) -> Table:
    """Median time of each part and its share of their sum."""
    from rich.table import Table

    title = f"{profile.method}: a step of {profile.batch_size} pairs on {profile.device}"
    table = Table("part", "ms", "share", title=title)
    total = sum(profile.seconds.values())
    for part, seconds in profile.seconds.items():
        table.add_row(part, f"{1e3 * seconds:.2f}", f"{seconds / total:.1%}")
    table.add_row("step", f"{1e3 * profile.step_seconds:.2f}", "")
    return table


def as_lines(profile: StepProfile) -> Iterator[str]:
    """Speed, memory, work and its share of the ceilings, a line each."""
    lower, middle, upper = profile.pairs_per_second
    counts, ceilings = profile.counts, profile.ceilings
    yield f"speed       {middle:.1f} pairs/s (quartiles {lower:.1f} to {upper:.1f}, {profile.steps} steps)"
    yield f"precision   {profile.precision}, {profile.threads} threads"
    yield f"memory      {profile.memory_mb:.0f} MiB at the peak, data and weights included"
    yield (
        f"operations  {counts.flops / 1e9:.2f} GFLOP a step, {profile.flops_share:.1%} of the matrix product's "
        f"{ceilings.flops_per_second / 1e9:.1f} GFLOP/s ({ceilings.dtype})"
    )
    yield (
        f"bytes       {counts.bytes / 1e9:.2f} GB a step, {profile.bytes_share:.1%} of the copy's "
        f"{ceilings.bytes_per_second / 1e9:.1f} GB/s (caches uncounted)"
    )
    waits = "none to count without CUDA" if counts.synchronisations is None else f"{counts.synchronisations} a step"
    yield f"host waits  {waits}"


def doctor_command(
    gpu: Annotated[bool, typer.Option("--gpu", help="Fail when no GPU can be used.")] = False,
    experiment: Annotated[str, typer.Option(help="One whose need of memory is measured: a step of each kind.")] = "",
) -> None:
    """Print versions, device, whether a GPU can be used, and whether the packaged weights are the official ones."""
    for name, value in diagnose().items():
        typer.echo(f"{name:22} {value}")
    if experiment:
        typer.echo(f"{'memory':22} {_memory(experiment)}")
    from selip.system.gpu import find_gpu, why_not_usable

    reason = why_not_usable(find_gpu())
    if gpu and reason:
        raise InputError(f"got no GPU that can be used: {reason}")


def diagnose() -> dict[str, str]:
    """Versions, device, whether a GPU can be used, and the parts that break most often."""
    import torch

    from selip.system.gpu import describe_gpu, find_gpu

    return {
        **package_versions(),
        "commit": git_commit() or "not a checkout",
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
        **describe_gpu(find_gpu()),
        "threads": str(torch.get_num_threads()),
        "torchvision": _imports("torchvision"),
        "open_clip": _imports("open_clip"),
        "minilm weights": _minilm(),
    }


def _memory(experiment: str) -> str:
    from selip.experiments.dry_run import grid_profile
    from selip.experiments.machine_limits import memory_line

    config = read_experiment(experiment_file(experiment), [])
    profile = grid_profile(config.cohort)
    return memory_line(cells_of(config), profile) if profile else "only building the cohort tells its grid"


def _imports(module: str) -> str:
    try:
        import_module(module)
    except (ImportError, RuntimeError) as error:
        return f"does not import: {error}; install with the constraints file"
    return "imports"


def _minilm() -> str:
    from selip.similarity.sentence_embeddings import minilm_folder

    try:
        return f"official ({minilm_folder()})"
    except (ImportError, InputError, OSError) as error:
        return str(error)
