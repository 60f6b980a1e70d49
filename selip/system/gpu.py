"""A GPU as the machine offers it, and whether this installation can use it."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

import torch

SLOW_CUDNN = (90800, 91500)
"""From, and before: bfloat16 conv3d was wrong or slow, and torch takes a path that needs far more memory.

https://github.com/pytorch/pytorch/issues/163539 and /166643.
"""


@dataclass(frozen=True)
class Gpu:
    """A GPU and the software that drives it.

    Attributes:
        runtime: (major, minor) of the CUDA that torch was built for; None for a build without.
        driver: (major, minor) of the newest CUDA that the driver runs; None without a driver.
        name: Of the first device; "" when torch sees none.
        capability: Its (major, minor).
        built_for: Architectures that torch has kernels for, as "sm_90".
        cudnn: Version as cuDNN counts, 91500 is 9.15.0; 0 when there is none.
        free_bytes: Free memory of the first device.
        total_bytes: All of it.
    """

    runtime: tuple[int, int] | None = None
    driver: tuple[int, int] | None = None
    name: str = ""
    capability: tuple[int, int] = (0, 0)
    built_for: tuple[str, ...] = ()
    cudnn: int = 0
    free_bytes: int = 0
    total_bytes: int = 0


def find_gpu() -> Gpu:
    """The first GPU of this machine, as torch sees it."""
    major, _, minor = (torch.version.cuda or "").partition(".")
    runtime = (int(major), int(minor)) if major else None
    cudnn = torch.backends.cudnn.version() or 0
    if not torch.cuda.is_available():
        return Gpu(runtime, _driver(), cudnn=cudnn)
    free, total = torch.cuda.mem_get_info(0)
    name, capability = torch.cuda.get_device_name(0), torch.cuda.get_device_capability(0)
    return Gpu(runtime, _driver(), name, capability, tuple(torch.cuda.get_arch_list()), cudnn, free, total)


def _driver() -> tuple[int, int] | None:
    """Asks the driver itself, as torch says nothing of one that is too old for it."""
    version = ctypes.c_int()
    try:
        if ctypes.CDLL("libcuda.so.1").cuDriverGetVersion(ctypes.byref(version)):
            return None
    except OSError:
        return None
    return version.value // 1000, version.value % 1000 // 10


def why_not_usable(gpu: Gpu) -> str:
    """The first thing that keeps this installation from computing on `gpu`, and what to do; "" when there is none."""
    if gpu.runtime is None:
        return "this torch is built without CUDA; install the one that constraints.txt pins, from PyPI"
    if gpu.driver is None:
        return "no NVIDIA driver answers; install one, or give the container its GPU"
    if gpu.driver[0] < gpu.runtime[0]:
        return f"the driver runs CUDA {_dotted(gpu.driver)}, torch needs {_dotted(gpu.runtime)}; install a newer driver"
    if not gpu.name:
        return "torch sees no device; look at CUDA_VISIBLE_DEVICES and nvidia-smi"
    if gpu.built_for and not any(_runs_on(one, gpu.capability) for one in gpu.built_for):
        own = f"sm_{gpu.capability[0]}{gpu.capability[1]}"
        return f"{gpu.name} is {own}, torch has kernels for {', '.join(gpu.built_for)}; install a torch for it"
    return ""


def _runs_on(architecture: str, capability: tuple[int, int]) -> bool:
    """True when kernels for "sm_86" run on a device of a capability: its major the same, its minor not lower."""
    number = "".join(filter(str.isdigit, architecture))
    return (int(number[:-1]), int(number[-1])) <= capability and int(number[:-1]) == capability[0]


def describe_gpu(gpu: Gpu) -> dict[str, str]:
    """Lines for a reader: the path in one line, then driver against runtime, cuDNN and memory as far as known."""
    reason = why_not_usable(gpu)
    lines = {"gpu path": f"not usable: {reason}" if reason else f"usable: {gpu.name}, {_precision(gpu)} by default"}
    if gpu.runtime:
        driver = f"driver for {_dotted(gpu.driver)}" if gpu.driver else "no driver"
        lines["cuda"] = f"torch for {_dotted(gpu.runtime)}, {driver}"
    if gpu.cudnn:
        lines["cudnn"] = _cudnn(gpu.cudnn)
    if gpu.total_bytes:
        lines["gpu memory"] = f"{gpu.free_bytes / 2**30:.1f} of {gpu.total_bytes / 2**30:.1f} GiB free"
    return lines


def _precision(gpu: Gpu) -> str:
    return "bfloat16" if gpu.capability >= (8, 0) else "bfloat16, which it emulates (training.precision=no is faster),"


def _cudnn(version: int) -> str:
    told = f"{version // 10000}.{version // 100 % 100}.{version % 100}"
    first, fixed = SLOW_CUDNN
    if first <= version < fixed:
        return f"{told}, slow or wrong in bfloat16 conv3d; pip install 'nvidia-cudnn-cu13>=9.15' (cu12 for CUDA 12)"
    return told


def _dotted(version: tuple[int, int]) -> str:
    return ".".join(map(str, version))
