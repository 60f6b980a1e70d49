"""Trackers of a run's losses, as TensorBoard, through accelerate.

Off unless asked for. What is logged was read for other reasons, so that numbers, ids and records of a run are the same
with and without a tracker. A run that was killed goes on in its log behind the step that it goes on from.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from accelerate import Accelerator
from accelerate.tracking import LOGGER_TYPE_TO_CLASS, filter_trackers

from selip.system.errors import InputError, one_line
from selip.system.files import content_hash
from selip.system.registry import unknown
from selip.training.resume_state import RunState
from selip.training.settings import TrainingConfig, learning_rate_factor

PROJECT = "selip-bench"
INSTALL = {"tensorboard": "selip-bench[trackers]"}
"""What to install for a tracker, where it is not a package of its name."""


@dataclass(frozen=True)
class Tracking:
    """Tracker, folder and name under which the losses of a run are logged.

    Attributes:
        name: Tracker by accelerate's name for it; "" for none.
        folder: Of the logs of an experiment, for trackers that write files.
        label: What the run is called there.
    """

    name: str = ""
    folder: Path = Path("tracking")
    label: str = "run"

    @property
    def of_accelerator(self) -> dict[str, Any]:
        """Arguments of an Accelerator."""
        return {"log_with": self.name, "project_dir": self.folder} if self.name else {}


NOT_TRACKED = Tracking()


def check_tracker(name: str) -> None:
    """Raises InputError for a tracker that accelerate does not know, or whose package is not installed; "" is none."""
    if not name:
        return
    if name not in LOGGER_TYPE_TO_CLASS:
        raise InputError(unknown("tracker", name, TRACKERS))
    if not filter_trackers([name], "tracking"):
        raise InputError(
            f"got --track {name}, which is not installed here; "
            f"pip install '{INSTALL.get(name, name)}', or leave --track out"
        )


@contextmanager
def tracked(accelerator: Accelerator, tracking: Tracking, run: str, step: int) -> Iterator[None]:
    """Inside, `accelerator.log` reaches the tracker; without one it does nothing.

    Args:
        accelerator: Made with `tracking.of_accelerator`.
        tracking: What to open.
        run: Identity of the run, the same whenever it goes on.
        step: Steps that it has behind it; what an earlier log holds of later ones is void.

    Raises:
        InputError: When the tracker does not start, as one without a key to its server.
    """
    if tracking.name:
        _start(accelerator, tracking, run, step)
    try:
        yield
    finally:
        for tracker in accelerator.trackers:  # not end_training, which ends the group of processes too
            tracker.finish()


def tracked_values(state: RunState, loss: float, config: TrainingConfig) -> dict[str, float]:
    """Values to log of the last step of `state` once its loss was read; logit scale and val score where known."""
    factor = learning_rate_factor(state.step - 1, config)
    values = {
        "loss": loss,
        "learning_rate_volume": factor * config.learning_rate_volume,
        "learning_rate_text": factor * config.learning_rate_text,
        "logit_scale": state.logit_scale,
    }
    if state.history and state.history[-1]["step"] == state.step:
        values["val_score"] = state.history[-1]["val_score"]
    return {name: value for name, value in values.items() if math.isfinite(value)}


def _start(accelerator: Accelerator, tracking: Tracking, run: str, step: int) -> None:
    project, settings = TRACKERS.get(tracking.name, _other)(tracking, run, step)
    tracking.folder.mkdir(parents=True, exist_ok=True)
    try:
        accelerator.init_trackers(project, init_kwargs={tracking.name: dict(settings)})
    except Exception as error:  # whatever a third party's service comes to
        raise InputError(
            f"got --track {tracking.name}, which does not start ({one_line(error)}); set it up, or leave --track out"
        ) from error


Settings = tuple[str, Mapping[str, Any]]
"""Name of the project, and what the tracker is made with."""


def _tensorboard(tracking: Tracking, run: str, step: int) -> Settings:
    return tracking.label, {"purge_step": step + 1}  # its folder is named by the project


def _wandb(tracking: Tracking, run: str, step: int) -> Settings:
    identity = content_hash([run, str(tracking.folder.resolve())])[:16]
    group = tracking.folder.resolve().parent.name
    return PROJECT, {
        "name": tracking.label, "group": group, "id": identity, "resume": "allow", "dir": str(tracking.folder),
    }  # fmt: skip


def _mlflow(tracking: Tracking, run: str, step: int) -> Settings:
    return PROJECT, {"run_name": tracking.label}


def _other(tracking: Tracking, run: str, step: int) -> Settings:
    return tracking.label, {}


TRACKERS: Mapping[str, Callable[[Tracking, str, int], Settings]] = {
    "tensorboard": _tensorboard,
    "wandb": _wandb,
    "mlflow": _mlflow,
}
