"""The state of a run between two steps, in one safetensors file, so that a killed run continues to the same numbers."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import nn

from selip.system.sealed_tensors import read_sealed, write_sealed
from selip.training.objective import Loss, row_entropy

Weights = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Progress:
    """State of a run after a step, for a progress display.

    Attributes:
        step: Steps done.
        steps: Steps in all.
        loss: Last loss that was read, NaN before the first.
        pairs_per_second: Throughput since this start, of all processes that share the batches.
    """

    step: int
    steps: int
    loss: float
    pairs_per_second: float

    @property
    def detail(self) -> str:
        """Loss, once one was read, and throughput in words."""
        loss = "" if math.isnan(self.loss) else f"loss {self.loss:.3f}, "
        return f"{loss}{self.pairs_per_second:.0f} pairs/s"


@dataclass
class RunState:
    """Steps, losses and choice of a run so far.

    Attributes:
        step: Steps done.
        best_step: Step of the best validation.
        best_score: Its score.
        best: Its weights.
        history: One row a validation.
        sums: Since the last validation: steps, loss. Over the run: steps with targets, row entropy, diagonal.
        logit_scale: Last one that was read, NaN before the first and where the loss has no use for it.
    """

    step: int = 0
    best_step: int = 0
    best_score: float = -math.inf
    best: Weights = field(default_factory=dict)
    history: list[dict[str, float]] = field(default_factory=list)
    sums: dict[str, float] = field(
        default_factory=lambda: {"steps": 0, "loss": 0, "targets": 0, "entropy": 0, "diagonal": 0}
    )
    logit_scale: float = math.nan
    _unread: list[tuple[tuple[str, ...], torch.Tensor]] = field(default_factory=list)

    def observe(self, loss: Loss, gradient_norm: torch.Tensor, log_scale: torch.Tensor | None = None) -> None:
        """Takes a step's loss, gradient norm and logarithm of the logit scale without waiting for the device."""
        targets = loss.targets
        seen = {"loss": loss.value, "norm": gradient_norm}
        if log_scale is not None:
            seen["log_scale"] = log_scale
        if targets is not None:
            seen |= {"entropy": row_entropy(targets).mean(), "diagonal": targets.diagonal().mean()}
        self._unread.append((tuple(seen), torch.stack([one.detach().float() for one in seen.values()])))
        self.step += 1

    def read(self) -> float:
        """Reads the losses observed since the last call and returns the last one, NaN when there is none.

        Raises:
            FloatingPointError: With the number of the step whose loss or gradient is not finite.
        """
        last = math.nan
        first = self.step - len(self._unread)
        for offset, (names, values) in enumerate(self._unread):
            seen = dict(zip(names, values.tolist(), strict=True))
            last = seen["loss"]
            if not (math.isfinite(last) and math.isfinite(seen["norm"])):
                raise FloatingPointError(str(first + offset + 1))
            self.sums["steps"] += 1
            self.sums["loss"] += last
            if "entropy" in seen:
                self.sums["targets"] += 1
                self.sums["entropy"] += seen["entropy"]
                self.sums["diagonal"] += seen["diagonal"]
            self.logit_scale = math.exp(seen.get("log_scale", math.nan))
        self._unread = []
        return last

    def validated(self, score: float, model: nn.Module) -> None:
        """Takes a validation after `step`; ties keep the earlier weights."""
        mean_loss = self.sums["loss"] / self.sums["steps"]
        self.history.append({"step": self.step, "loss": mean_loss, "val_score": score})
        self.sums |= {"steps": 0, "loss": 0}
        if score > self.best_score:
            self.best_step, self.best_score = self.step, score
            self.best = {name: tensor.detach().cpu().clone() for name, tensor in model.state_dict().items()}

    @property
    def target_means(self) -> tuple[float | None, float | None]:
        """Mean row entropy (nats) and mean diagonal of the targets so far; None for a method without targets."""
        count = self.sums["targets"]
        return (self.sums["entropy"] / count, self.sums["diagonal"] / count) if count else (None, None)


def state_path(checkpoint: Path) -> Path:
    """Path of the state of the run that will leave `checkpoint`, kept until its scores are safe."""
    return checkpoint.with_suffix(".state.safetensors")


def forget_state(checkpoint: Path) -> None:
    """Removes the state that lies beside `checkpoint`."""
    state_path(checkpoint).unlink(missing_ok=True)


def save_state(path: Path, run: str, state: RunState, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """Writes the state of run `run` whole or not at all; losses must have been read."""
    tensors = {f"model/{name}": tensor for name, tensor in model.state_dict().items()}
    tensors |= {f"best/{name}": tensor for name, tensor in state.best.items()}
    for number, moments in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer/{number}/{name}": torch.as_tensor(value) for name, value in moments.items()}
    facts = {
        "run": run, "step": state.step, "best_step": state.best_step, "best_score": state.best_score,
        "history": state.history, "sums": state.sums,
    }  # fmt: skip
    write_sealed(path, tensors, {"state": json.dumps(facts)})


def load_state(path: Path, run: str, model: nn.Module, optimizer: torch.optim.Optimizer) -> RunState | None:
    """Restores model and optimiser and returns the state; None, touching nothing, without a readable one of `run`."""
    try:
        tensors, found = read_sealed(path)
        facts = json.loads(found["state"])
    except (ValueError, KeyError):
        return None
    if facts.pop("run") != run:
        return None
    parts: dict[str, Weights] = {"model": {}, "best": {}, "optimizer": {}}
    for name, tensor in tensors.items():
        part, _, rest = name.partition("/")
        parts[part][rest] = tensor
    model.load_state_dict(parts["model"])
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    moments: dict[int, Weights] = {}
    for name, tensor in parts["optimizer"].items():
        number, _, key = name.partition("/")
        weight = weights[int(number)]
        # A fused optimiser walks weight and moments in the order of memory: they must have one format.
        like = torch.empty_like(weight).copy_(tensor) if tensor.shape == weight.shape else tensor
        moments.setdefault(int(number), {})[key] = like
    optimizer.load_state_dict({"state": moments, "param_groups": optimizer.state_dict()["param_groups"]})
    return RunState(best=parts["best"], **facts)
