"""The time of a training step by its parts, and how near it comes to what the machine can do.

The loop is the trainer's own, so that towers, views, augmentation, precision and optimiser are those of a run. Parts
are timed by marks around what the step calls; operations and bytes are counted in a step that is not timed.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from statistics import median
from typing import Any, Protocol

import numpy as np
import torch
from accelerate import Accelerator
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from selip.data.cohort import Cohort
from selip.experiments.machine_limits import Ceilings, Stopwatch, Target, attached, measure_ceilings
from selip.models.dual_encoder import DualEncoder
from selip.system.errors import InputError
from selip.system.memory import forget_peak_memory, peak_memory_mb
from selip.training.gradients import Differentiate
from selip.training.method import Method
from selip.training.settings import RunConfig
from selip.training.trainer import Run, loop_of

DATA, VOLUMES, TEXTS = "data and augmentation", "volume tower", "text tower"
OBJECTIVE, BACKWARD, OPTIMISER = "objective", "backward", "optimiser"
PARTS = (DATA, VOLUMES, TEXTS, OBJECTIVE, BACKWARD, OPTIMISER)
BEFORE_TIMING = 5  # one step is counted, the last watched for waits; all warm up
LOOKUPS = {torch.ops.aten.index, torch.ops.aten.index_select, torch.ops.aten.gather, torch.ops.aten.embedding}
DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


class Loop(Protocol):
    """A run's loop, as `selip.training.trainer.loop_of` gives it."""

    model: DualEncoder
    accelerator: Accelerator
    differentiate: Differentiate

    def __call__(self, step: int) -> None:
        """Takes `step`."""


@dataclass(frozen=True)
class Counts:
    """Work of a step, whatever its speed.

    Attributes:
        flops: Operations of matrix products, convolutions and attention, forward and backward.
        bytes: Bytes that its operations read and write when no operation finds its input in a cache.
        synchronisations: Times that the host waits for the device; None without CUDA.
    """

    flops: int
    bytes: int
    synchronisations: int | None


@dataclass(frozen=True)
class StepProfile:
    """A profiled step.

    Attributes:
        method: Name of the method.
        device: Name of the device.
        threads: Threads of the host.
        precision: "no" is float32, "tf32" the same with rounded products on CUDA, "bf16" bfloat16 autocast.
        batch_size: Pairs a step.
        steps: Steps that were timed.
        seconds: Median seconds of each of PARTS.
        step_seconds: Median seconds of a step.
        pairs_per_second: Quartiles (lower, median, upper) over the steps.
        memory_mb: Peak memory of a step in MiB beyond what was in use before data and model were loaded: of the GPU,
            else of this process.
        counts: What a step does.
        ceilings: What the machine can do.
    """

    method: str
    device: str
    threads: int
    precision: str
    batch_size: int
    steps: int
    seconds: dict[str, float]
    step_seconds: float
    pairs_per_second: tuple[float, float, float]
    memory_mb: float
    counts: Counts
    ceilings: Ceilings

    @property
    def flops_share(self) -> float:
        """Operations a second over those of the fastest matrix product."""
        return self.counts.flops / self.step_seconds / self.ceilings.flops_per_second

    @property
    def bytes_share(self) -> float:
        """Bytes a second over those of a copy; above 1 when caches serve many of them."""
        return self.counts.bytes / self.step_seconds / self.ceilings.bytes_per_second

    def to_mapping(self) -> dict[str, Any]:
        """As plain data, shares included."""
        return {**asdict(self), "flops_share": self.flops_share, "bytes_share": self.bytes_share}


def profile_step(method: Method, config: RunConfig, cohort: Cohort, steps: int) -> StepProfile:
    """Profiles the training step of `method` on the train part of `cohort`.

    The train part of `cohort` must fill a batch; nothing else is read. BEFORE_TIMING other steps come first.

    Raises:
        InputError: For a method that is not trained, `steps` below 1, or a run that could not start.
    """
    if steps < 1:
        raise InputError(f"got --steps {steps}; time at least one step")
    forget_peak_memory()
    memory = peak_memory_mb()
    short = replace(config, training=replace(config.training, steps=BEFORE_TIMING + steps, validations=1))
    loop = loop_of(Run(method, cohort, short, seed=0, validate=lambda embeddings: 0.0))
    device, precision = loop.accelerator.device, loop.differentiate.precision
    flops, traffic = count_work(lambda: loop(0))
    for step in range(1, BEFORE_TIMING - 1):
        loop(step)
    waits = count_synchronisations(lambda: loop(BEFORE_TIMING - 1)) if device.type == "cuda" else None
    forget_peak_memory()
    laps = _timed_steps(loop, range(BEFORE_TIMING, BEFORE_TIMING + steps))
    totals = [sum(lap.values()) for lap in laps]
    lower, middle, upper = np.percentile(
        [config.training.batch_size / total for total in totals], (25, 50, 75)
    ).tolist()
    return StepProfile(
        method=method.name,
        device=torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        threads=torch.get_num_threads(),
        precision=precision,
        batch_size=config.training.batch_size,
        steps=steps,
        seconds={part: median(lap.get(part, 0.0) for lap in laps) for part in PARTS},
        step_seconds=median(totals),
        pairs_per_second=(lower, middle, upper),
        memory_mb=max(0.0, peak_memory_mb() - memory),  # less, where more was freed meanwhile
        counts=Counts(flops, traffic, waits),
        ceilings=measure_ceilings(device, DTYPES.get(precision, torch.float32)),
    )


def _timed_steps(loop: Loop, steps: range) -> list[dict[str, float]]:
    """Seconds of each part of each of `steps`."""
    watch = Stopwatch(loop.accelerator.device)
    loop.differentiate = replace(loop.differentiate, objective=watch.timed(OBJECTIVE, loop.differentiate.objective))
    with attached(watch, [(loop, "differentiate", DATA), *_targets(loop.model)]):
        for step in steps:
            with watch.lap(OPTIMISER):
                loop(step)
    return watch.laps()


def _targets(model: DualEncoder) -> list[Target]:
    """Functions that each part calls, whichever views a method asks for; gradients all go through one of torch."""
    return [
        *((model.volume_tower, name, VOLUMES) for name in ("forward", "last_map", "stage_maps", "pool")),
        (model, "project_volumes", VOLUMES),
        *((model.text_tower, name, TEXTS) for name in ("forward", "hidden", "pool")),
        (model, "project_texts", TEXTS),
        (torch.autograd, "backward", BACKWARD),
    ]


def _bytes_touched(tensor: torch.Tensor) -> int:
    """Of a view, no more than it shows, and no more than there is: a sliding window shows the same bytes many times."""
    return min(tensor.nbytes, tensor.untyped_storage().nbytes())


class _Traffic(TorchDispatchMode):
    """Adds up the bytes of what operations take and give; views and memory that is only reserved cost nothing.

    Of a table that is looked up, no more is counted than what is found there.
    """

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # noqa: ANN401
        given = func(*args, **(kwargs or {}))
        if not (func.is_view or "empty" in func.__name__):
            sizes = [_bytes_touched(one) for one in tree_leaves((args, kwargs)) if isinstance(one, torch.Tensor)]
            written = sum(_bytes_touched(one) for one in tree_leaves(given) if isinstance(one, torch.Tensor))
            if func.overloadpacket in LOOKUPS:
                sizes[0] = min(sizes[0], written)
            self.bytes += sum(sizes) + written
        return given


def count_work(step: Callable[[], object]) -> tuple[int, int]:
    """Operations (matrix products, convolutions, attention) and bytes of `step`, see `Counts`."""
    with _Traffic() as traffic, FlopCounterMode(display=False) as flops:
        step()
    return int(flops.get_total_flops()), traffic.bytes


def count_synchronisations(step: Callable[[], object]) -> int:
    """Times that `step` makes the host wait for a CUDA device, as far as torch can tell."""
    before = torch.cuda.get_sync_debug_mode()
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            step()
        finally:
            torch.cuda.set_sync_debug_mode(before)
    return sum("called a synchronizing" in str(one.message) for one in said)
