"""Loss and gradients of one step: of a whole batch at once, by chunks, and over several processes, to equal numbers."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from accelerate import Accelerator

from selip.training.batch_norm import without_trace
from selip.training.batch_views import WITHOUT_GRADIENT, Feed, StepDraws
from selip.training.device_setup import float32_products
from selip.training.distributed import gathered, own_rows
from selip.training.objective import Loss, Objective

Views = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Differentiate:
    """Computes the loss of a step's whole batch and leaves the gradients of this process in the parameters.

    With `micro_batch` m by GradCache (Gao et al. 2021, arXiv:2101.06983): views are encoded m pairs at a time without
    gradient, the loss of the whole batch gives their gradients, and a second pass, with the same draws, takes these to
    the towers chunk by chunk. Memory falls to that of m pairs, time grows by the first pass. Loss and gradients are
    those of the whole batch, but batch norm in training sees a chunk, not the batch; its running statistics follow the
    second pass.

    Attributes:
        feed: Makes the views.
        objective: The loss of a batch.
        accelerator: Device and processes.
        micro_batch: Pairs that a process encodes at a time; None: its whole share of the batch.
        precision: Of the towers, as `selip.training.device_setup.precision_of` names it.
    """

    feed: Feed
    objective: Objective
    accelerator: Accelerator
    micro_batch: int | None = None
    precision: str = "no"

    def __call__(self, step: int) -> Loss:
        """Loss of the whole batch of `step`, the same on every process."""
        with float32_products(self.precision):
            return self._differentiated(step)

    def autocast(self) -> AbstractContextManager[object]:
        """Inside, the towers compute in bfloat16 where that is the precision."""
        if self.precision != "bf16":
            return nullcontext()
        return torch.autocast(self.accelerator.device.type, torch.bfloat16)

    def _differentiated(self, step: int) -> Loss:
        draws = self.feed.draw(step)
        rows = own_rows(draws.size)
        chunks = split(rows, self.micro_batch)
        if len(chunks) == 1:
            return self._backward(draws, self._views(draws, rows))
        with torch.no_grad(), without_trace(self.feed.model):
            parts = [self._views(draws, chunk) for chunk in chunks]
        whole = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
        del parts
        for name in whole.keys() - WITHOUT_GRADIENT:
            whole[name].requires_grad_()
        loss = self._backward(draws, whole)
        for chunk in chunks:
            here = slice(chunk.start - rows.start, chunk.stop - rows.start)
            _pass_on(self._views(draws, chunk), {name: view.grad for name, view in whole.items()}, here)
        return loss

    def _views(self, draws: StepDraws, rows: slice) -> Views:
        with self.autocast():
            return self.feed.views(draws, rows)

    def _backward(self, draws: StepDraws, views: Views) -> Loss:
        batch = self.feed.batch(draws, {name: gathered(view) for name, view in views.items()})
        loss = self.objective(batch)  # outside autocast: logits, targets and loss are float32 on every device
        self.accelerator.backward(loss.value)
        return loss


def split(rows: slice, size: int | None) -> list[slice]:
    """`rows` in parts of `size`, the last one what is left; None: one part."""
    size = size or rows.stop - rows.start
    return [slice(start, min(start + size, rows.stop)) for start in range(rows.start, rows.stop, size)]


def _pass_on(views: Views, gradients: Mapping[str, torch.Tensor | None], rows: slice) -> None:
    """Backward from `views`, a chunk of those that `gradients` belong to."""
    reached = {
        name: gradient[rows]
        for name, gradient in gradients.items()
        if gradient is not None and views[name].requires_grad
    }
    torch.autograd.backward([views[name] for name in reached], list(reached.values()))
