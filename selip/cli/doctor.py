"""The `selip doctor` command: what this installation is, and whether its parts fit together."""

from __future__ import annotations

from importlib import import_module

import typer

from selip.system.environment import git_commit, package_versions
from selip.system.errors import InputError


def doctor_command() -> None:
    """Print versions, device and whether the packaged weights are the official ones."""
    for name, value in diagnose().items():
        typer.echo(f"{name:22} {value}")


def diagnose() -> dict[str, str]:
    """Versions, device, and the parts that break most often: torchvision beside torch, packaged weights."""
    import torch

    return {
        **package_versions(),
        "commit": git_commit() or "not a checkout",
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
        "threads": str(torch.get_num_threads()),
        "torchvision": _imports("torchvision"),
        "open_clip": _imports("open_clip"),
        "minilm weights": _minilm(),
    }


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
