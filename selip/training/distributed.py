"""Several processes on one batch, as torchrun or `accelerate launch` starts them: who is who, and what they exchange.

Each process encodes its share of a batch, gathers the views of all with their gradients and computes the whole loss.
So there are as many losses as processes, all equal, and gradients that were summed over processes by the backward of
`gathered` become those of one loss when they are averaged. A process alone passes through every function unchanged.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from itertools import count
from threading import Event, Thread
from typing import Any, TypeVar

import torch
from accelerate import PartialState
from torch import distributed, nn
from torch.distributed.distributed_c10d import Store, _get_default_store

from selip.system.environment import launched_processes
from selip.system.errors import (
    DEFECT,
    WRONG_INPUT,
    InputError,
    UnavailableError,
    is_out_of_memory,
    one_line,
    out_of_memory_line,
)

T = TypeVar("T")

LONGEST_WAIT = timedelta(hours=12)  # the others wait while the main process builds a cohort or scores
SECONDS_BETWEEN_LOOKS = 0.5
SECONDS_TO_END = {True: 3.0, False: 5.0}
"""That the main process and others have to end by themselves, as an error of the main one comes to all in one way."""
SECONDS_TO_STAY = {True: 1.0, False: 5.0}
"""Of a process with an error: all have seen it, and no launcher has ended the main one, which says it."""
_BLOCKS = count()  # of `ending_together`, the same on every process


def join() -> None:
    """Joins the processes that were started together, over NCCL on GPUs, else gloo; again, or alone, does nothing."""
    if launched_processes() > 1:
        PartialState(cpu=not torch.cuda.is_available(), timeout=LONGEST_WAIT)


def process_count() -> int:
    """Number of processes that share a batch."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def is_main() -> bool:
    """True for the process that writes."""
    return not distributed.is_initialized() or distributed.get_rank() == 0


def own_rows(count: int) -> slice:
    """The part of a batch of `count` rows that this process encodes; parts are equal, in order of the processes."""
    share = count // process_count()
    rank = distributed.get_rank() if distributed.is_initialized() else 0
    return slice(rank * share, (rank + 1) * share)


def check_batch_size(batch_size: int) -> None:
    """Raises InputError for a batch that the processes cannot share equally."""
    if batch_size % process_count():
        raise InputError(
            f"got training.batch_size={batch_size} for {process_count()} processes, not a multiple of "
            f"{process_count()}; change training.batch_size or the number of processes"
        )


def gathered(part: torch.Tensor) -> torch.Tensor:
    """(n * processes, ...) with the parts (n, ...) of all processes; the gradient goes back to where each came from."""
    return part if process_count() == 1 else _Gathered.apply(part)


class _Gathered(torch.autograd.Function):
    """torch.distributed.nn has one, deprecated, that on gloo mixes up the entries of a strided gradient."""

    @staticmethod
    def forward(ctx: Any, part: torch.Tensor) -> torch.Tensor:  # noqa: ANN401 (torch's context is untyped)
        parts = [torch.empty_like(part, memory_format=torch.contiguous_format) for _ in range(process_count())]
        distributed.all_gather(parts, part.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:  # noqa: ANN401
        total = gradient.clone(memory_format=torch.contiguous_format)
        distributed.all_reduce(total)
        return total[own_rows(len(total))]


def average_gradients(module: nn.Module) -> None:
    """Replaces the gradients of `module` by their mean over the processes, in one message."""
    gradients = [parameter.grad for parameter in module.parameters() if parameter.grad is not None]
    if process_count() == 1 or not gradients:
        return
    flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
    distributed.all_reduce(flat)
    flat /= process_count()
    for gradient, mean in zip(gradients, flat.split([gradient.numel() for gradient in gradients]), strict=True):
        gradient.copy_(mean.view_as(gradient))


def on_main(work: Callable[[], T]) -> T:
    """Do `work` on the main process and return its result on all of them; the others wait.

    Raises:
        InputError: On every process, when `work` raised it; so does an OSError. On the others, when memory ran out.
        RuntimeError: On the others, when `work` raised another error on the main process: none waits for it.
    """
    if process_count() == 1:
        return work()
    outcome: list[Any] = [None, None]
    own: Exception | None = None
    if is_main():
        try:
            outcome[0] = work()
        except Exception as error:
            own, outcome[1] = error, _for_others(error)
    distributed.broadcast_object_list(outcome)
    value, raised = outcome
    if raised is not None:
        raise own or raised
    return value


def _for_others(error: Exception) -> Exception:
    """An error of the main process as the other processes raise it; any other kind may not be sendable."""
    if is_out_of_memory(error):
        return InputError(out_of_memory_line(error))
    if isinstance(error, (InputError, OSError)):
        return error
    rank = distributed.get_rank()
    return RuntimeError(f"process {rank} ended by {type(error).__name__}: {one_line(error)}")


def wait_for_all() -> None:
    """Waits until every process is here: what each found on disk until now is not what another has made of it since."""
    if process_count() > 1:
        distributed.barrier()


@contextmanager
def ending_together(say: Callable[[InputError], object]) -> Iterator[None]:
    """Inside, an error of one process ends all of them, which may wait for it in a step, over NCCL for hours.

    A process that is stuck so is ended with the exit code of the first error; one that is not available is of all.

    Args:
        say: Called with the first error in each process that is ended.
    """
    if process_count() == 1:
        yield
        return
    store, key, left = _get_default_store(), f"selip/error/{next(_BLOCKS)}", Event()
    Thread(target=_end_with_others, args=(store, key, left, say), daemon=True).start()
    try:
        yield
    except UnavailableError:
        raise
    except Exception as error:
        line = _for_others(error)
        store.compare_set(key, "", f"{DEFECT if isinstance(line, RuntimeError) else WRONG_INPUT} {line}")
        time.sleep(SECONDS_TO_STAY[is_main()])
        raise
    finally:
        left.set()


def _end_with_others(store: Store, key: str, left: Event, say: Callable[[InputError], object]) -> None:
    """Watches for the first error until this process has `left`."""
    with suppress(RuntimeError):  # the store ends with the process that keeps it
        while not left.wait(SECONDS_BETWEEN_LOOKS):
            if store.check([key]):
                code, _, line = store.get(key).decode().partition(" ")
                if not left.wait(SECONDS_TO_END[is_main()]):
                    say(InputError(line))
                    os._exit(int(code))  # the thread that is stuck cannot be told


def check_same(values: Iterable[object]) -> None:
    """Raises InputError when processes come with different `values`, as when one does not see the files of the rest."""
    own = list(values)
    if on_main(lambda: own) != own:
        rank = distributed.get_rank()
        raise InputError(
            f"got another state of the run in process {rank} than in process 0; "
            "put --out on a file system that all machines share"
        )
