"""The `selip doctor` command: what this installation is, and whether its parts fit together."""

from __future__ import annotations

from importlib import import_module
from typing import Annotated

import typer

from selip.system.environment import git_commit, package_versions
from selip.system.errors import InputError


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
    from selip.experiments.catalogue import experiment_file
    from selip.experiments.dry_run import grid_profile
    from selip.experiments.experiment_file import read_experiment
    from selip.experiments.grid import cells_of
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
